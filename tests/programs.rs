//! Small programs that do what none of the real tools do: outcomes and trees must be theirs.

mod common;

use common::{have, is_root, roundtrip, workspace};

/// Runs a program in Python, recorded and replayed; all outcomes have to be as recorded.
fn python(program: &str) {
    if have("python3") {
        let dir = workspace();
        std::fs::write(dir.path().join("program.py"), program).expect("a program");
        roundtrip(dir.path(), "python3 -S -E program.py", 1.0);
    }
}

#[test]
fn a_bound_socket_is_a_name_in_the_tree() {
    python(
        "import os, socket
os.umask(0o27)
os.mkdir('e')
os.chdir('e')
def bind(name):
    s = socket.socket(socket.AF_UNIX)
    try: s.bind(name)
    except OSError as e: print(e.strerror)
    return s
kept = [bind('sk'), bind('sk'), bind('other'), bind('gone/sk'), bind('\\0abstract')]
print(os.listdir('.'))
try: os.open('sk', os.O_RDONLY)
except OSError as e: print(e.strerror)
os.rename('sk', 'moved')
os.stat('moved')
os.unlink('other')
print(os.listdir('.'))
",
    );
}

#[test]
fn what_a_child_without_privilege_was_refused_is_not_had_by_root() {
    if !is_root() {
        return println!("skipped: only root can be somebody else");
    }
    python(
        "import os, shutil
os.mkdir('secret', 0o700)
open('secret/f', 'w').close()
child = os.fork()
if child == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    # And so are its own children.
    if os.fork():
        os.wait()
        os._exit(0)
    tries = [
        lambda: open('secret/f'),
        lambda: os.listdir('secret'),
        lambda: os.mkdir('x'),
        lambda: os.chmod('secret', 0o777),
        lambda: open('y', 'w'),
    ]
    for one in tries:
        try: one()
        except OSError as error: print(error)
        else: os._exit(1)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
os.mkdir('x')
os.rmdir('x')
shutil.rmtree('secret')
",
    );
}

#[test]
fn a_tree_deeper_than_a_path_may_be_long_is_left_by_its_parents() {
    python(
        "import os
name = 'd' * 100
here = os.open('.', os.O_RDONLY)
for depth in range(60):
    os.mkdir(name, dir_fd=here)
    below = os.open(name, os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = below
for depth in range(60):
    above = os.open('..', os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = above
    print(name in os.listdir(here))
    os.rmdir(name, dir_fd=here)
",
    );
}
