//! The real tools that are measured. Each makes its own tree, once, in a directory of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A command of a real tool, run by `sh -c` in its directory.
pub struct Workload {
    /// Its name in tables.
    pub name: &'static str,
    /// Makes the tree; run once.
    pub setup: &'static str,
    /// Puts the tree back before each run, outside the measured time.
    pub reset: &'static str,
    /// What is measured.
    pub command: &'static [&'static str],
}

const TREE: &str = "mkdir -p t && cd t && for d in $(seq 100); do mkdir -p d$d && for f in $(seq 200); do echo $d $f > d$d/file$f.txt; done; done";

/// All workloads.
pub const ALL: &[Workload] = &[
    Workload {
        name: "git status",
        setup: "mkdir t && cd t && git init -q && git config user.email a@example.org && git config user.name a && for d in $(seq 100); do mkdir -p d$d && for f in $(seq 200); do echo $d $f > d$d/file$f.txt; done; done && git add -A && git commit -qm one",
        reset: "",
        command: &["git", "-C", "t", "status", "--porcelain"],
    },
    Workload {
        name: "find+stat",
        setup: TREE,
        reset: "",
        command: &["find", "t", "-size", "+1k"],
    },
    Workload {
        name: "tar out",
        setup: TREE,
        reset: "",
        command: &["tar", "cf", "/dev/null", "--exclude=nothing", "t"],
    },
    Workload {
        name: "tar to file",
        setup: TREE,
        reset: "rm -f t.tar",
        command: &["tar", "cf", "t.tar", "t"],
    },
    Workload {
        name: "cp -a",
        setup: TREE,
        reset: "rm -rf copy",
        command: &["cp", "-a", "t", "copy"],
    },
    Workload {
        name: "rsync",
        setup: TREE,
        reset: "rm -rf copy",
        command: &["rsync", "-a", "t/", "copy/"],
    },
    Workload {
        name: "python imports",
        setup: "",
        reset: "",
        command: &[
            "python3",
            "-c",
            "import json, email.mime.text, http.client, unittest, xml.dom.minidom, asyncio, sqlite3, ctypes, distutils",
        ],
    },
    Workload {
        name: "300 x fork+exec",
        setup: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done",
        ],
    },
    Workload {
        name: "go build, warm",
        setup: "mkdir m && cd m && printf 'module m\\ngo 1.19\\n' > go.mod && printf 'package main\\nimport (\"fmt\"; \"net/http\")\\nfunc main() { fmt.Println(http.StatusOK) }\\n' > main.go && GOFLAGS=-mod=mod GOCACHE=$PWD/../cache go build -o out .",
        reset: "",
        command: &[
            "sh",
            "-c",
            "cd m && GOCACHE=$PWD/../cache go build -o out .",
        ],
    },
    Workload {
        name: "cargo build",
        setup: r#"mkdir -p c/src && cd c && echo 'fn main() {}' > src/main.rs && printf '[package]
name = "demo"
version = "0.1.0"
edition = "2021"
[workspace]
' > Cargo.toml && cargo add -q --no-default-features itoa ryu && cargo fetch -q"#,
        reset: "rm -rf c/target",
        command: &[
            "cargo",
            "build",
            "-q",
            "--offline",
            "--manifest-path",
            "c/Cargo.toml",
        ],
    },
    Workload {
        name: "sqlite3",
        setup: "",
        reset: "rm -f t.db",
        command: &[
            "sh",
            "-c",
            "(echo 'create table t(a,b);'; for i in $(seq 300); do echo \"insert into t values($i,'x');\"; done) | sqlite3 t.db",
        ],
    },
];

const PROJECT: &str = "git init -q p && cd p && git config user.email a@example.org && git config user.name a && for d in $(seq 40); do mkdir -p d$d/s && for f in $(seq 40); do seq $f $((f+300)) > d$d/s/file$f.txt; done; done && git add -A && git commit -qm one && sleep 1.1 && git status > /dev/null";

/// The workloads whose time is predicted: read-heavy, write-heavy, with many syncs, many processes, many threads.
pub const PREDICTED: &[Workload] = &[
    Workload {
        name: "git status",
        setup: PROJECT,
        reset: "",
        command: &["git", "-C", "p", "status", "--porcelain"],
    },
    Workload {
        name: "git grep",
        setup: PROJECT,
        reset: "",
        command: &["git", "-C", "p", "grep", "-c", "299"],
    },
    Workload {
        name: "git clone",
        setup: PROJECT,
        reset: "rm -rf q",
        command: &["git", "clone", "-q", "--no-hardlinks", "p", "q"],
    },
    Workload {
        name: "tar out",
        setup: PROJECT,
        reset: "",
        command: &["sh", "-c", "tar cf - p | cat > /dev/null"],
    },
    Workload {
        name: "tar in",
        setup: "git init -q p && for d in $(seq 40); do mkdir -p p/d$d && for f in $(seq 40); do seq $f $((f+300)) > p/d$d/f$f; done; done && tar cf p.tar p",
        reset: "rm -rf q; mkdir q",
        command: &["tar", "xf", "p.tar", "-C", "q"],
    },
    Workload {
        name: "cp -a",
        setup: PROJECT,
        reset: "rm -rf q",
        command: &["cp", "-a", "p", "q"],
    },
    Workload {
        name: "rm -rf",
        setup: PROJECT,
        reset: "rm -rf q; cp -a p q",
        command: &["rm", "-rf", "q"],
    },
    Workload {
        name: "rsync",
        setup: PROJECT,
        reset: "rm -rf q",
        command: &["rsync", "-a", "p/", "q/"],
    },
    Workload {
        name: "find, stat",
        setup: PROJECT,
        reset: "",
        command: &["find", "p", "-size", "+1k"],
    },
    Workload {
        name: "xargs wc",
        setup: PROJECT,
        reset: "",
        command: &[
            "sh",
            "-c",
            "find p -name '*.txt' | xargs -n 50 wc -l > /dev/null",
        ],
    },
    Workload {
        name: "sqlite3",
        setup: "(echo 'create table t(a,b);'; for i in $(seq 100); do echo \"insert into t values($i,'x');\"; done) > t.sql",
        reset: "rm -f t.db",
        command: &["sh", "-c", "sqlite3 t.db < t.sql"],
    },
    Workload {
        name: "make -j2",
        setup: "mkdir p && cd p && for i in $(seq 30); do echo \"int f$i(void) { return $i; }\" > f$i.c; done && echo 'int main(void) { return 0; }' > main.c && printf 'OBJ=$(patsubst %%.c,%%.o,$(wildcard *.c))\nall: $(OBJ)\n\tgcc -o out $(OBJ)\n%%.o: %%.c\n\tgcc -c -o $@ $<\n' > Makefile",
        reset: "rm -f p/*.o p/out",
        command: &["make", "-s", "-j2", "-C", "p"],
    },
    Workload {
        name: "go build",
        setup: "mkdir m && cd m && printf 'module m\ngo 1.19\n' > go.mod && printf 'package main\nimport (\"fmt\"; \"net/http\")\nfunc main() { fmt.Println(http.StatusOK) }\n' > main.go && GOCACHE=$PWD/../cache go build -o out .",
        reset: "rm -f m/out; echo // >> m/main.go",
        command: &[
            "sh",
            "-c",
            "cd m && GOCACHE=$PWD/../cache go build -o out .",
        ],
    },
    Workload {
        name: "node, async",
        setup: "mkdir p && for d in $(seq 30); do mkdir -p p/d$d && for f in $(seq 40); do echo $f > p/d$d/f$f; done; done && echo \"const fs=require('fs').promises,path=require('path');async function w(d){const e=await fs.readdir(d,{withFileTypes:true});await Promise.all(e.map(async x=>{const n=path.join(d,x.name);if(x.isDirectory())return w(n);await fs.stat(n);await fs.readFile(n)}))}w('p')\" > a.js",
        reset: "",
        command: &["node", "a.js"],
    },
    Workload {
        name: "python compileall",
        setup: "mkdir p && for d in $(seq 10); do mkdir -p p/d$d && for f in $(seq 20); do for i in $(seq 20); do echo \"def f$i(a, b): return [a, b, $i, $f]\"; done > p/d$d/m$f.py; done; done",
        reset: "find p -name __pycache__ | xargs rm -rf",
        command: &["/usr/bin/python3", "-m", "compileall", "-q", "p"],
    },
];

impl Workload {
    /// Makes the tree under `dir` if it is not there yet, and returns the workload's directory.
    pub fn prepare(&self, dir: &Path) -> io::Result<PathBuf> {
        let own = dir.join(self.name.replace([' ', ','], "-"));
        if !own.is_dir() {
            let made = own.with_extension("incomplete");
            let _ = std::fs::remove_dir_all(&made);
            std::fs::create_dir_all(&made)?;
            shell(&made, self.setup)?;
            std::fs::rename(&made, &own)?;
        }
        own.canonicalize()
    }

    /// Puts the tree back.
    pub fn reset(&self, own: &Path) -> io::Result<()> {
        shell(own, self.reset)
    }
}

fn shell(dir: &Path, script: &str) -> io::Result<()> {
    if script.is_empty() {
        return Ok(());
    }
    let status = Command::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{script}: {status}")))
    }
}
