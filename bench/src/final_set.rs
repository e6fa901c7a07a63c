//! Workloads to judge predictions by, and by nothing else: chosen before the way of predicting was,
//! and never looked at while it was made. If somebody tunes by them, another set has to be chosen,
//! and this one goes to [`crate::tried_set`].
//!
//! Linters, formatters, documentation and bundling tools, a test runner, a compiler, archivers and
//! static Go tools, of 10 ms to a minute. They have to be on the `PATH`: `flake8`, `isort`,
//! `pylint`, `bandit`, `sphinx-build` (a virtual environment serves), `node` with `npm`, `rollup`,
//! `sass` and `mocha`, `go`, `cargo`, `gcc`, `rg`, `ctags`, `cmake`, `zip`, `unzip`, `cloc`,
//! `doxygen`, `pandoc`.

use crate::workloads::{Workload, cargo_project, npm_sources, python_sources};

/// The set.
pub const FINAL: &[Workload] = &[
    Workload {
        name: "flake8",
        setup: python_sources!("concurrent http json logging"),
        copied: "",
        reset: "",
        command: &["flake8", "--exit-zero", "-q", "p"],
    },
    Workload {
        name: "isort",
        setup: python_sources!("asyncio concurrent ctypes email http json logging unittest xml"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "isort -q --check-only p 2> /dev/null || true"],
    },
    Workload {
        name: "pylint",
        setup: python_sources!("json logging concurrent http"),
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "PYLINTHOME=$PWD/home pylint --exit-zero p/json p/logging p/concurrent p/http > \
                /dev/null",
        ],
    },
    Workload {
        name: "bandit",
        setup: python_sources!("asyncio concurrent ctypes email http json logging unittest xml"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "bandit -q -r p --exit-zero -o /dev/null"],
    },
    Workload {
        name: "sphinx",
        setup: "mkdir d; { echo a; echo =; echo; echo '.. toctree::'; echo '   :glob:'; echo; echo \
            '   p*'; } > d/index.rst; echo \"project = 'a'\" > d/conf.py; for f in $(seq 110); do \
            { echo \"page $f\"; echo ==========; echo; for i in $(seq 40); do echo \"* item $i of \
            \\`\\`page $f\\`\\`, **bold** and *slanted*\"; done; } > d/p$f.rst; done",
        copied: "",
        reset: "rm -rf out",
        command: &["sphinx-build", "-q", "-b", "html", "d", "out"],
    },
    Workload {
        name: "ripgrep",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json logging test unittest xml"
        ),
        copied: "",
        reset: "",
        command: &["sh", "-c", "rg -c 'import +os' p > /dev/null"],
    },
    Workload {
        name: "ctags",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json logging unittest xml"
        ),
        copied: "",
        reset: "rm -f tags",
        command: &["ctags", "-R", "p"],
    },
    Workload {
        name: "cmake",
        setup: "mkdir c; cd c; printf 'cmake_minimum_required(VERSION 3.18)\nproject(a C)\n\
            include(CheckIncludeFile)\nforeach(h stdio stdlib string unistd errno signal time math \
            fcntl poll)\n  check_include_file(${h}.h HAVE_${h})\nendforeach()\nadd_executable(a \
            a.c)\n' > CMakeLists.txt; echo 'int main(void) { return 0; }' > a.c",
        copied: "",
        reset: "rm -rf c/build",
        command: &["sh", "-c", "cmake -S c -B c/build > /dev/null"],
    },
    Workload {
        name: "gcc -O2",
        setup: "mkdir c; cd c; for f in $(seq 5); do { echo '#include <stdio.h>'; echo '#include \
            <stdlib.h>'; echo '#include <string.h>'; for i in $(seq 500); do echo \"int \
            f${f}_$i(int x, char *s) { int n = x; for (int k = 0; k < x; k++) { n += s[k % 7] * k; \
            if (n > $i) n -= strlen(s); } return n ^ $i; }\"; done; } > f$f.c; done",
        copied: "",
        reset: "rm -f c/*.o",
        command: &["sh", "-c", "cd c && for f in *.c; do gcc -O2 -c $f; done"],
    },
    Workload {
        name: "unzip",
        setup: concat!(
            python_sources!(
                "asyncio ctypes email encodings http idlelib json logging unittest xml"
            ),
            "zip -q -r a.zip p; rm -rf p"
        ),
        copied: "",
        reset: "rm -rf p",
        command: &["unzip", "-q", "a.zip"],
    },
    Workload {
        name: "cloc",
        setup: python_sources!("asyncio ctypes email encodings http json logging xml"),
        copied: "",
        reset: "",
        command: &["cloc", "--quiet", "p"],
    },
    Workload {
        name: "doxygen",
        setup: "mkdir s; cp /usr/include/*.h s/; cp -r /usr/include/linux s/; printf 'INPUT = \
            s\nRECURSIVE = YES\nEXTRACT_ALL = YES\nQUIET = YES\nWARNINGS = NO\nGENERATE_LATEX = \
            NO\nHAVE_DOT = NO\n' > Doxyfile",
        copied: "",
        reset: "rm -rf html",
        command: &["doxygen", "Doxyfile"],
    },
    Workload {
        name: "pandoc",
        setup: "mkdir d; for f in $(seq 60); do { echo \"# page $f\"; for i in $(seq 20); do echo \
            \"* item $i of [page $f](page$f.md) \\`code\\`\"; done; } > d/page$f.md; done",
        copied: "",
        reset: "rm -f out.html",
        command: &["sh", "-c", "pandoc -s -M title=a d/*.md -o out.html"],
    },
    Workload {
        name: "rollup",
        setup: npm_sources!("lodash-es", "lodash-es", "src"),
        copied: "",
        reset: "rm -f out.js",
        command: &["rollup", "--silent", "src/lodash.js", "-o", "out.js"],
    },
    Workload {
        name: "sass",
        setup: npm_sources!("bootstrap", "bootstrap/scss", "scss"),
        copied: "",
        reset: "rm -f out.css*",
        command: &["sass", "-q", "scss/bootstrap.scss", "out.css"],
    },
    Workload {
        name: "mocha",
        setup: "mkdir test; for f in $(seq 300); do echo \"const a = require('assert'); \
            describe('s$f', () => { for (let i = 0; i < 20; i++) it('t' + i, () => a.equal(i, i)); \
            });\" > test/s$f.js; done",
        copied: "",
        reset: "",
        command: &["mocha", "-R", "dot"],
    },
    Workload {
        name: "gofmt -l",
        setup: "mkdir g; for part in net crypto go encoding text html archive; do cp -r \"$(go env \
            GOROOT)/src/$part\" g/; done",
        copied: "",
        reset: "",
        command: &["sh", "-c", "gofmt -l g > /dev/null 2>&1 || true"],
    },
    Workload {
        name: "cargo doc",
        setup: cargo_project!("regex serde_json", "clap --features derive"),
        copied: "",
        reset: "rm -rf c/target",
        command: &[
            "cargo",
            "doc",
            "-q",
            "--offline",
            "--manifest-path",
            "c/Cargo.toml",
        ],
    },
];
