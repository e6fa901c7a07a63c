//! Small programs that do what none of the real tools do: outcomes and trees must be theirs.

mod common;

use common::{have, roundtrip, workspace};

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
