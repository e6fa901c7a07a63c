//! Workloads that predictions were judged by, and that were looked at since: what waits take from
//! the caches (decision 0046) was chosen with four of them.
//!
//! They have to be on the `PATH`: `codespell`, `pycodestyle`, `vulture`, `yapf` (a virtual
//! environment serves), `node` with `terser`, `jshint`, `lessc` and `pnpm`, `cargo` with `rustfmt`,
//! `g++`, `shellcheck`, `shfmt`, `restic`, `ack`, `cppcheck`, `clang-format`, `mdb_load`, `diff`,
//! `tar` with `xz`.

use crate::workloads::{Workload, cargo_project, npm_sources, python_sources};

/// The set.
pub const TRIED_SINCE: &[Workload] = &[
    Workload {
        name: "codespell",
        setup: python_sources!("concurrent ctypes email http json logging unittest xml"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "codespell -q 3 p > /dev/null || true"],
    },
    Workload {
        name: "pycodestyle",
        setup: python_sources!("concurrent http json logging"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "pycodestyle -qq p || true"],
    },
    Workload {
        name: "vulture",
        setup: python_sources!("asyncio concurrent ctypes email http json logging unittest xml"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "vulture p > /dev/null || true"],
    },
    Workload {
        name: "unittest",
        setup: "mkdir t; touch t/__init__.py; for f in $(seq 400); do { echo 'import unittest'; \
            echo \"class T$f(unittest.TestCase):\"; for i in $(seq 5); do echo \"    def \
            test_$i(self): self.assertEqual($i, $i)\"; done; } > t/test_$f.py; done",
        copied: "",
        reset: "",
        command: &["python3", "-m", "unittest", "-q"],
    },
    Workload {
        name: "jshint",
        setup: npm_sources!("lodash", "lodash", "src"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "jshint src/fp src/_*.js > /dev/null || true"],
    },
    Workload {
        name: "terser",
        setup: npm_sources!("lodash", "lodash", "src"),
        copied: "",
        reset: "rm -f out.js",
        command: &["terser", "src/lodash.js", "-c", "-m", "-o", "out.js"],
    },
    Workload {
        name: "lessc",
        setup: npm_sources!("bootstrap@3", "bootstrap/less", "less"),
        copied: "",
        reset: "rm -f out.css",
        command: &["lessc", "less/bootstrap.less", "out.css"],
    },
    Workload {
        name: "pnpm install",
        setup: "mkdir a; cd a; echo '{\"name\":\"a\",\"version\":\"1.0.0\"}' > package.json; \
            pnpm add --silent --store-dir ../store express; rm -rf node_modules ../store/v*/projects",
        copied: "",
        reset: "rm -rf a/node_modules",
        command: &[
            "sh",
            "-c",
            "cd a && pnpm install --silent --offline --frozen-lockfile --store-dir ../store",
        ],
    },
    Workload {
        name: "shellcheck",
        setup: "mkdir s; for f in $(seq 60); do { echo '#!/bin/sh'; for i in $(seq 20); do echo \
            \"a$i=\\$(echo $f); [ \\\"\\$a$i\\\" = $i ] && echo \\\"\\$a$i\\\"\"; done; } > \
            s/$f.sh; done",
        copied: "",
        reset: "",
        command: &["sh", "-c", "shellcheck s/*.sh > /dev/null || true"],
    },
    Workload {
        name: "shfmt",
        setup: "mkdir s; for f in $(seq 1500); do { echo '#!/bin/sh'; for i in $(seq 20); do echo \
            \"if [ $f = $i ]; then echo $i; fi\"; done; } > s/$f.sh; done",
        copied: "",
        reset: "",
        command: &["sh", "-c", "shfmt -l s > /dev/null || true"],
    },
    Workload {
        name: "restic",
        setup: concat!(
            python_sources!("asyncio ctypes email encodings http idlelib json unittest xml"),
            "RESTIC_PASSWORD=a restic -q --no-cache -r none init"
        ),
        copied: "",
        reset: "rm -rf r; cp -r none r",
        command: &[
            "sh",
            "-c",
            "RESTIC_PASSWORD=a restic -q --no-cache -r r backup p",
        ],
    },
    Workload {
        name: "ack",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json logging test unittest xml"
        ),
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "ack --nofilter -c 'import +os' p > /dev/null || true",
        ],
    },
    Workload {
        name: "diff -r",
        setup: concat!(
            python_sources!(
                "asyncio ctypes email encodings http idlelib json logging test unittest xml"
            ),
            "cp -r p q; echo >> q/json/decoder.py"
        ),
        copied: "",
        reset: "",
        command: &["sh", "-c", "diff -r p q > /dev/null || true"],
    },
    Workload {
        name: "clang-format",
        setup: "mkdir s; cp /usr/include/linux/[a-f]*.h s/",
        copied: "",
        reset: "",
        command: &["sh", "-c", "clang-format s/*.h > /dev/null"],
    },
    Workload {
        name: "mdb_load",
        setup: "{ printf 'VERSION=3\\nformat=print\\ntype=btree\\nmapsize=67108864\\n'; echo \
            HEADER=END; seq 60000 | while read n; do echo \" key$n\"; echo \" value $n of the \
            database\"; done; echo DATA=END; } > dump",
        copied: "",
        reset: "rm -rf db; mkdir db",
        command: &["mdb_load", "-f", "dump", "db"],
    },
    Workload {
        name: "rustfmt",
        setup: concat!(
            cargo_project!("regex serde_json", "clap --features derive"),
            " && cargo vendor -q v > /dev/null"
        ),
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "find c/v/regex* c/v/clap* -name '*.rs' | xargs rustfmt --edition 2021 --check > \
                /dev/null 2>&1 || true",
        ],
    },
    Workload {
        name: "tar cJ",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json logging test unittest xml"
        ),
        copied: "",
        reset: "rm -f a.tar.xz",
        command: &["tar", "-cJf", "a.tar.xz", "p"],
    },
    Workload {
        name: "cppcheck",
        setup: "mkdir s; for f in $(seq 60); do { echo '#include <stdio.h>'; for i in $(seq 40); \
            do echo \"int f${f}_$i(int x) { int n = x; for (int k = 0; k < x; k++) { n += k; if (n \
            > $i) n -= k; } return n ^ $i; }\"; done; } > s/$f.c; done",
        copied: "",
        reset: "",
        command: &["sh", "-c", "cppcheck -q --enable=all s > /dev/null 2>&1"],
    },
    Workload {
        name: "yapf",
        setup: python_sources!("json logging concurrent"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "yapf -q -r p || true"],
    },
    Workload {
        name: "g++ -O2",
        setup: "mkdir c; cd c; for f in $(seq 6); do { echo '#include <map>'; echo '#include \
            <regex>'; echo '#include <string>'; echo \"bool f$f(const std::string &s) { \
            std::map<std::string, int> m; m[s] = $f; return std::regex_match(s, \
            std::regex(\\\"a*b$f\\\")) && m.size(); }\"; } > f$f.cc; done",
        copied: "",
        reset: "rm -f c/*.o",
        command: &["sh", "-c", "cd c && for f in *.cc; do g++ -O2 -c $f; done"],
    },
    Workload {
        name: "cargo release",
        setup: cargo_project!("regex serde_json"),
        copied: "",
        reset: "rm -rf c/target",
        command: &[
            "cargo",
            "build",
            "-q",
            "--release",
            "--offline",
            "--manifest-path",
            "c/Cargo.toml",
        ],
    },
];
