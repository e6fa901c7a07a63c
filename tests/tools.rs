//! Real tools, recorded and replayed on the build directory's file system and on tmpfs: outcomes
//! and trees must be those of the tool.

mod common;

use std::path::Path;

use common::{have, roundtrip, sh, workspace};

/// A git repository with some history: two far-apart commits, links, executables, nested
/// directories.
fn git_repository(dir: &Path) {
    sh(
        dir,
        "git init -q repo && cd repo &&
         git config user.email a@example.org && git config user.name a &&
         for d in a b/c d/e/f; do
             mkdir -p $d; for i in $(seq 40); do echo \"$d $i\" > $d/file$i.txt; done
         done &&
         ln -s ../a/file1.txt b/link && ln -s /nowhere/at/all d/absolute &&
         echo x > run.sh && chmod +x run.sh &&
         git add -A && git commit -qm one && git tag one &&
         rm -r d b/link && mkdir -p g/h &&
         for i in $(seq 60); do echo \"$i $i\" > g/h/new$i; done && mv a/file1.txt a/renamed &&
         git add -A && git commit -qm two && git tag two",
    );
}

#[test]
fn git_status_clone_and_checkout() {
    if !have("git") {
        return;
    }
    let dir = workspace();
    git_repository(dir.path());
    roundtrip(dir.path(), "cd repo && git status --porcelain", 0.999);
    roundtrip(dir.path(), "git clone -q repo clone", 0.999);
    roundtrip(
        dir.path(),
        "cd repo && git checkout -q one && git checkout -q two",
        0.999,
    );
}

#[test]
fn tar_out_and_in() {
    let dir = workspace();
    git_repository(dir.path());
    roundtrip(dir.path(), "tar cf t.tar repo", 0.999);
    roundtrip(dir.path(), "mkdir out && tar xf t.tar -C out", 0.999);
}

#[test]
fn find_copy_and_remove() {
    let dir = workspace();
    git_repository(dir.path());
    roundtrip(
        dir.path(),
        "find repo -print0 | xargs -0 stat > /dev/null",
        0.999,
    );
    roundtrip(dir.path(), "cp -a repo copy", 0.999);
    roundtrip(dir.path(), "rm -rf copy", 0.999);
}

#[test]
fn rsync_copies() {
    if !have("rsync") {
        return;
    }
    let dir = workspace();
    git_repository(dir.path());
    roundtrip(
        dir.path(),
        "rsync -a repo/ copy/ && rsync -a --delete repo/ copy/",
        0.999,
    );
}

#[test]
fn make_builds_a_c_project() {
    if !have("make") || !have("cc") {
        return;
    }
    let dir = workspace();
    sh(
        dir.path(),
        r#"{ printf 'OBJ = a.o b.o c.o\nall: prog\nprog: $(OBJ)\n\tcc -o $@ $(OBJ)\n'
             printf '%%.o: %%.c h.h\n\tcc -c -o $@ $<\n'; } > Makefile
           echo 'int f(int);' > h.h
           for n in a b; do
               { printf '#include <stdio.h>\n#include "h.h"\n'
                 printf 'int %s(int x) { return printf("%%d", x); }\n' g$n; } > $n.c
           done
           printf '#include "h.h"\nint main(void) { return 0; }\n' > c.c"#,
    );
    roundtrip(dir.path(), "make -s -j2", 0.999);
}

#[test]
fn sqlite_transactions() {
    if !have("sqlite3") {
        return;
    }
    let dir = workspace();
    roundtrip(
        dir.path(),
        r#"sqlite3 t.db "create table t(a integer primary key, b text)"
           for i in 1 2 3 4 5; do
               sqlite3 t.db "begin; insert into t(b) values('x$i'),('y'),('z'); commit;"
           done
           sqlite3 t.db "pragma journal_mode=wal; insert into t(b) select b from t;
               select count(*) from t""#,
        0.999,
    );
}

#[test]
fn python_imports() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    roundtrip(
        dir.path(),
        "python3 -B -c 'import json, email.mime.text, http.client, unittest, xml.dom.minidom, \
        asyncio'",
        0.999,
    );
}

#[test]
fn a_shell_script_full_of_pipes() {
    let dir = workspace();
    roundtrip(
        dir.path(),
        r#"for i in $(seq 30); do
               echo "line $i" | sed s/line/row/ | tr a-z A-Z | tee -a log | wc -c >> sizes
           done
           { sort log | uniq -c | sort -rn | head -3; } > top 2> errors
           exec 5< log; read first <&5; (read second <&5; echo "$second" > second); exec 5<&-
           test -s top && mv top first && ! cat missing 2>> errors; cat < /dev/null >> first"#,
        0.999,
    );
}

#[test]
fn sixteen_threads_that_share_descriptors() {
    if !have("python3") {
        return;
    }
    let dir = workspace();
    let script = r#"
import os, threading
fds = [os.open(f"f{i}", os.O_RDWR | os.O_CREAT) for i in range(8)]
def work(n):
    for i in range(60):
        fd = fds[(n + i) % 8]
        os.pwrite(fd, b"x" * 100, (i % 50) * 100)
        os.pread(fd, 50, 0)
        os.stat(f"f{i % 8}")
        copy = os.dup(fd)
        os.lseek(copy, i, 0)
        os.close(copy)
        for act, name in ((os.mkdir, f"d{i % 20}"), (os.rmdir, f"d{(i + 7) % 20}")):
            try:
                act(name)
            except OSError:
                pass
threads = [threading.Thread(target=work, args=(n,)) for n in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
"#;
    std::fs::write(dir.path().join("threads.py"), script).expect("written");
    roundtrip(dir.path(), "python3 -B threads.py", 0.999);
}

#[test]
fn go_builds_a_program() {
    if !have("go") {
        return;
    }
    let dir = workspace();
    sh(
        dir.path(),
        r#"printf 'module demo\ngo 1.19\n' > go.mod
           printf 'package main\nimport "fmt"\nfunc main() { fmt.Println(1) }\n' > main.go
           GOCACHE=$PWD/cache GOFLAGS=-mod=mod go build -o warm ./..."#,
    );
    roundtrip(
        dir.path(),
        "echo '// changed' >> main.go; GOCACHE=$PWD/cache GOFLAGS=-mod=mod go build -o demo ./...",
        0.999,
    );
}

#[test]
fn cargo_builds_a_crate() {
    let dir = workspace();
    sh(
        dir.path(),
        r#"mkdir -p demo/src && cd demo && echo 'fn main() {}' > src/main.rs
           { printf '[package]\nname = "demo"\nversion = "0.1.0"\nedition = "2021"\n'
             echo '[workspace]'; } > Cargo.toml"#,
    );
    roundtrip(
        dir.path(),
        "cd demo && CARGO_TARGET_DIR=$PWD/target cargo build -q --offline",
        0.999,
    );
}

#[test]
fn stressors_of_file_system_calls() {
    if !have("stress-ng") {
        return;
    }
    for stressor in [
        "dentry", "dir", "rename", "utime", "getdent", "seek", "flock", "dup", "sendfile", "lockf",
    ] {
        let dir = workspace();
        roundtrip(
            dir.path(),
            &format!("stress-ng --{stressor} 2 --{stressor}-ops 60 -t 5 -q --temp-path $PWD"),
            0.999,
        );
    }
}
