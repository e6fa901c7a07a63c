//! The real tools that are measured. Each makes its own tree, once, in a directory of its own.

mod masters;

pub use masters::{Masters, Tree};

/// A command of a real tool, run by `sh -c` in its directory.
pub struct Workload {
    /// Its name in tables.
    pub name: &'static str,
    /// Makes the tree; run once.
    pub setup: &'static str,
    /// Run once in each copy of the tree, for what knows where it lies.
    pub copied: &'static str,
    /// Puts the tree back before each run, outside the measured time.
    pub reset: &'static str,
    /// What is measured.
    pub command: &'static [&'static str],
}

const TREE: &str = "mkdir -p t && cd t && for d in $(seq 100); do mkdir -p d$d && \
    for f in $(seq 200); do echo $d $f > d$d/file$f.txt; done; done";

const REPOSITORY: &str = "mkdir t && cd t && git init -q && \
    git config user.email a@example.org && git config user.name a && for d in $(seq 100); \
    do mkdir -p d$d && for f in $(seq 200); do echo $d $f > d$d/file$f.txt; done; done && \
    git add -A && git commit -qm one";

/// Makes `p` of parts of Python's standard library.
macro_rules! python_sources {
    ($parts:literal) => {
        concat!(
            "lib=$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"stdlib\"))'); mkdir \
                p; ",
            "for part in ",
            $parts,
            "; do cp -r \"$lib/$part\" p/; done; find p -name __pycache__ -prune -exec rm -rf {} \
                +; "
        )
    };
}
pub(crate) use python_sources;

/// Takes what is below `node_modules` of a package from npm, by another name.
macro_rules! npm_sources {
    ($package:literal, $from:literal, $to:literal) => {
        concat!(
            "mkdir n; cd n; echo '{\"name\":\"a\",\"version\":\"1.0.0\"}' > package.json; npm \
                install --silent --no-audit --no-fund ",
            $package,
            "; mv node_modules/",
            $from,
            " ../",
            $to,
            "; cd ..; rm -rf n"
        )
    };
}
pub(crate) use npm_sources;

/// Makes `c`, an empty program of Rust's, with the dependencies that some `cargo add` give it.
macro_rules! cargo_project {
    ($($add:literal),*) => {
        concat!(
            "mkdir -p c/src && cd c && echo 'fn main() {}' > src/main.rs && \
                printf '[package]\nname = \"demo\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                [workspace]\n' > Cargo.toml",
            $(" && cargo add -q ", $add,)*
            " && cargo fetch -q"
        )
    };
}
pub(crate) use cargo_project;

/// In both lists.
const CARGO_BUILD: Workload = Workload {
    name: "cargo build",
    setup: cargo_project!("--no-default-features itoa ryu"),
    copied: "",
    reset: "rm -rf c/target",
    command: &[
        "cargo",
        "build",
        "-q",
        "--offline",
        "--manifest-path",
        "c/Cargo.toml",
    ],
};

/// In both lists.
const MAKE: Workload = Workload {
    name: "make -j2",
    setup: "mkdir p && cd p && for i in $(seq 30); do echo \"int f$i(void) { return $i; \
        }\" > f$i.c; done && echo 'int main(void) { return 0; }' > main.c && \
        printf 'OBJ=$(patsubst %%.c,%%.o,$(wildcard *.c))\nall: $(OBJ)\n\tgcc -o out \
        $(OBJ)\n%%.o: %%.c\n\tgcc -c -o $@ $<\n' > Makefile",
    copied: "",
    reset: "rm -f p/*.o p/out",
    command: &["make", "-s", "-j2", "-C", "p"],
};

/// In both lists.
const NPM_CI: Workload = Workload {
    name: "npm ci",
    setup: "mkdir a; cd a; echo '{\"name\":\"a\",\"version\":\"1.0.0\"}' > package.json; \
        npm install --silent --no-audit --no-fund --omit-lockfile-registry-resolved=false --cache \
        ../cache express; rm -rf node_modules",
    copied: "",
    reset: "rm -rf a/node_modules",
    command: &[
        "sh",
        "-c",
        "cd a && npm ci --silent --offline --no-audit --no-fund --cache ../cache",
    ],
};

/// All workloads.
pub const ALL: &[Workload] = &[
    Workload {
        name: "git status",
        setup: REPOSITORY,
        copied: "",
        reset: "",
        command: &["git", "-C", "t", "status", "--porcelain"],
    },
    Workload {
        name: "git fsck",
        setup: REPOSITORY,
        copied: "",
        reset: "",
        command: &["git", "-C", "t", "fsck", "--no-progress"],
    },
    Workload {
        name: "find+stat",
        setup: TREE,
        copied: "",
        reset: "",
        command: &["find", "t", "-size", "+1k"],
    },
    Workload {
        name: "walk, static Go",
        setup: r#"mkdir -p t && cd t && for d in $(seq 100); do
    mkdir -p d$d && for f in $(seq 200); do echo $d $f > d$d/file$f.txt; done
done
cd .. && mkdir -p w && cd w && printf 'module w\ngo 1.19\n' > go.mod && cat > main.go <<'END'
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

func main() {
	var sum int64
	filepath.WalkDir(os.Args[1], func(path string, entry fs.DirEntry, err error) error {
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	fmt.Println(sum)
}
END
CGO_ENABLED=0 go build -o walk ."#,
        copied: "",
        reset: "",
        command: &["w/walk", "t"],
    },
    Workload {
        name: "tar out",
        setup: TREE,
        copied: "",
        reset: "",
        command: &["tar", "cf", "/dev/null", "--exclude=nothing", "t"],
    },
    Workload {
        name: "tar to file",
        setup: TREE,
        copied: "",
        reset: "rm -f t.tar",
        command: &["tar", "cf", "t.tar", "t"],
    },
    Workload {
        name: "cp -a",
        setup: TREE,
        copied: "",
        reset: "rm -rf copy",
        command: &["cp", "-a", "t", "copy"],
    },
    Workload {
        name: "rsync",
        setup: TREE,
        copied: "",
        reset: "rm -rf copy",
        command: &["rsync", "-a", "t/", "copy/"],
    },
    Workload {
        name: "python imports",
        setup: "",
        copied: "",
        reset: "",
        command: &[
            "python3",
            "-c",
            "import json, email.mime.text, http.client, unittest, xml.dom.minidom, asyncio, \
            sqlite3, ctypes, distutils",
        ],
    },
    Workload {
        name: "300 x fork+exec",
        setup: "",
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done",
        ],
    },
    Workload {
        name: "go build, warm",
        setup: "mkdir m && cd m && printf 'module m\\ngo 1.19\\n' > go.mod && \
            printf 'package main\\nimport (\"fmt\"; \
            \"net/http\")\\nfunc main() { fmt.Println(http.StatusOK) }\\n' > main.go && \
            GOFLAGS=-mod=mod GOCACHE=$PWD/../cache go build -o out .",
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "cd m && GOCACHE=$PWD/../cache go build -o out .",
        ],
    },
    CARGO_BUILD,
    MAKE,
    NPM_CI,
    Workload {
        name: "sqlite3",
        setup: "",
        copied: "",
        reset: "rm -f t.db",
        command: &[
            "sh",
            "-c",
            "(echo 'create table t(a,b);'; for i in $(seq 300); \
            do echo \"insert into t values($i,'x');\"; done) | sqlite3 t.db",
        ],
    },
];

/// Files of some kilobytes, without a process for each; `$dirs` directories of `$files`.
macro_rules! tree {
    ($dirs:literal, $files:literal) => {
        concat!(
            "lines=$(seq 300); mkdir p; for d in $(seq ",
            $dirs,
            "); do mkdir -p p/d$d/s; f=0; while [ $f -lt ",
            $files,
            " ]; do f=$((f+1)); echo \"$d $f $lines\" > p/d$d/s/file$f.txt; done; done; "
        )
    };
}

macro_rules! committed {
    () => {
        "cd p; git init -q; git config user.email a@example.org; git config user.name a; \
        git add -A; git commit -qm one"
    };
}

const PROJECT: &str = concat!(tree!(60, 20), committed!());
const LARGE_PROJECT: &str = concat!(tree!(100, 60), committed!());
/// A copied tree has other times and numbers than git's index knows, and an index as old as its
/// files would be read again and again.
const COPIED: &str = "sleep 1.1; git -C p update-index -q --refresh; git -C p status > /dev/null";

/// The workloads whose time is predicted: read-heavy, write-heavy, with many syncs, many processes,
/// many threads.
pub const PREDICTED: &[Workload] = &[
    Workload {
        name: "git status",
        setup: LARGE_PROJECT,
        copied: COPIED,
        reset: "",
        command: &["git", "-C", "p", "status", "--porcelain"],
    },
    Workload {
        name: "git grep",
        setup: LARGE_PROJECT,
        copied: COPIED,
        reset: "",
        command: &["git", "-C", "p", "grep", "-c", "299"],
    },
    Workload {
        name: "git clone",
        setup: PROJECT,
        copied: "",
        reset: "rm -rf q",
        command: &["git", "clone", "-q", "--no-hardlinks", "p", "q"],
    },
    Workload {
        name: "git commit",
        setup: PROJECT,
        copied: COPIED,
        reset: "cd p; git reset -q --hard; for d in $(seq 60); do echo $d-$$ >> p-$d; done; \
            mv p-* d1/s/; sleep 1.1",
        command: &["sh", "-c", "cd p && git add -A && git commit -qm two"],
    },
    Workload {
        name: "tar out",
        setup: tree!(60, 20),
        copied: "",
        reset: "",
        command: &["sh", "-c", "tar cf - p | cat > /dev/null"],
    },
    Workload {
        name: "tar in",
        setup: concat!(tree!(60, 20), "tar cf p.tar p; rm -rf p"),
        copied: "",
        reset: "rm -rf q; mkdir q",
        command: &["tar", "xf", "p.tar", "-C", "q"],
    },
    Workload {
        name: "cp -a",
        setup: tree!(60, 20),
        copied: "",
        reset: "rm -rf q",
        command: &["cp", "-a", "p", "q"],
    },
    Workload {
        name: "rm -rf",
        setup: tree!(60, 20),
        copied: "",
        reset: "rm -rf q; cp -a p q",
        command: &["rm", "-rf", "q"],
    },
    Workload {
        name: "rsync",
        setup: tree!(60, 20),
        copied: "",
        reset: "rm -rf q",
        command: &["rsync", "-a", "p/", "q/"],
    },
    Workload {
        name: "find, stat",
        setup: tree!(100, 80),
        copied: "",
        reset: "",
        command: &["find", "p", "-size", "+1k"],
    },
    Workload {
        name: "xargs wc",
        setup: tree!(60, 20),
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "find p -name '*.txt' | xargs -n 50 wc -l > /dev/null",
        ],
    },
    Workload {
        name: "sqlite3",
        setup: "(echo 'create table t(a,b);'; for i in $(seq 100); \
            do echo \"insert into t values($i,'x');\"; done) > t.sql",
        copied: "",
        reset: "rm -f t.db",
        command: &["sh", "-c", "sqlite3 t.db < t.sql"],
    },
    MAKE,
    Workload {
        name: "go build",
        setup: "mkdir m && cd m && printf 'module m\ngo 1.19\n' > go.mod && \
            printf 'package main\nimport (\"fmt\"; \
            \"net/http\")\nfunc main() { fmt.Println(http.StatusOK) }\n' > main.go && \
            GOCACHE=$PWD/../cache go build -o out .",
        copied: "cd m && GOCACHE=$PWD/../cache go build -o out .",
        reset: "rm -f m/out; echo // >> m/main.go",
        command: &[
            "sh",
            "-c",
            "cd m && GOCACHE=$PWD/../cache go build -o out .",
        ],
    },
    CARGO_BUILD,
    NPM_CI,
    Workload {
        name: "npm ls",
        setup: "mkdir a; cd a; echo '{\"name\":\"a\",\"version\":\"1.0.0\"}' > package.json; \
            npm install --silent --no-audit --no-fund eslint@9",
        copied: "",
        reset: "",
        command: &["sh", "-c", "cd a && npm ls --all > /dev/null"],
    },
    Workload {
        name: "eslint",
        setup: "mkdir a; cd a; echo '{\"name\":\"a\",\"version\":\"1.0.0\"}' > package.json; \
            npm install --silent --no-audit --no-fund eslint@9; \
            cp -r node_modules/eslint/lib src; echo 'module.exports = [{rules: {\"no-undef\": \
            0}}];' > eslint.config.js",
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "cd a && node node_modules/eslint/bin/eslint.js src/rules",
        ],
    },
    Workload {
        name: "node, async",
        setup: "mkdir p && for d in $(seq 60); do mkdir -p p/d$d && for f in $(seq 40); \
            do echo $f > p/d$d/f$f; done; done && \
            echo \"const fs=require('fs').promises,path=require('path');async function w(d){const \
            e=await fs.readdir(d,{withFileTypes:true});await Promise.all(e.map(async x=>{const \
            n=path.join(d,x.name);if(x.isDirectory())return w(n);await fs.stat(n);await \
            fs.readFile(n)}))}w('p')\" > a.js",
        copied: "",
        reset: "",
        command: &["node", "a.js"],
    },
    Workload {
        name: "python compileall",
        setup: "mkdir p && for d in $(seq 10); do mkdir -p p/d$d && for f in $(seq 20); \
            do for i in $(seq 20); do echo \"def f$i(a, b): return [a, b, $i, $f]\"; done > \
            p/d$d/m$f.py; done; done",
        copied: "",
        reset: "rm -rf p/*/__pycache__",
        command: &["/usr/bin/python3", "-m", "compileall", "-q", "p"],
    },
];
