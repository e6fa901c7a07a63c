//! Workloads to judge predictions by, and by nothing else: chosen before the way of predicting and
//! of recording was, and never looked at while they were made. If somebody tunes by them, another
//! set has to be chosen, and this one goes to [`crate::tried_since`].
//!
//! Linters, formatters, a bundling tool, a test runner, compilers, archivers, version control, a
//! database and Go tools, of 10 ms to some seconds. They have to be on the `PATH`: `yamllint`,
//! `autopep8`, `pyflakes` (a virtual environment serves), `node` with `stylelint`, `uglifyjs` and
//! `jasmine`, `biome`, `clang`, `sassc`, `zip`, `mksquashfs`, `hg`, `db_load`, `rclone`,
//! `goimports`, `xmllint`, `ag`, `perltidy`.

use crate::workloads::{Workload, npm_sources, python_sources};

/// The set.
pub const FINAL: &[Workload] = &[
    Workload {
        name: "yamllint",
        setup: "mkdir y; for f in $(seq 120); do { echo '---'; for i in $(seq 12); do echo \
            \"key_$i:\"; echo \"  - name: file $f\"; echo \"    value: $i\"; done; } > y/$f.yaml; \
            done",
        copied: "",
        reset: "",
        command: &["sh", "-c", "yamllint y > /dev/null || true"],
    },
    Workload {
        name: "autopep8",
        setup: python_sources!("json concurrent"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "autopep8 -d -r p > /dev/null || true"],
    },
    Workload {
        name: "pyflakes",
        setup: python_sources!("asyncio concurrent ctypes email http json logging unittest xml"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "pyflakes p > /dev/null || true"],
    },
    Workload {
        name: "stylelint",
        setup: concat!(
            npm_sources!("bootstrap@5", "bootstrap/dist/css", "css"),
            "; rm -f css/*.map css/*.min.css; echo '{\"rules\":{\"block-no-empty\":true,\
                \"color-no-invalid-hex\":true}}' > .stylelintrc.json"
        ),
        copied: "",
        reset: "",
        command: &["sh", "-c", "stylelint 'css/*.css' > /dev/null 2>&1 || true"],
    },
    Workload {
        name: "uglifyjs",
        setup: npm_sources!("lodash", "lodash", "src"),
        copied: "",
        reset: "rm -f out.js",
        command: &["sh", "-c", "uglifyjs src/_*.js src/[a-m]*.js -o out.js"],
    },
    Workload {
        name: "jasmine",
        setup: "mkdir spec; for f in $(seq 150); do { echo \"describe('$f', () => {\"; for i in \
            $(seq 5); do echo \"it('is $i', () => expect($i).toBe($i));\"; done; echo '});'; } > \
            spec/a${f}_spec.js; done",
        copied: "",
        reset: "",
        command: &["jasmine", "spec/*_spec.js"],
    },
    Workload {
        name: "biome lint",
        setup: npm_sources!("lodash", "lodash", "src"),
        copied: "",
        reset: "",
        command: &["sh", "-c", "biome lint src > /dev/null 2>&1 || true"],
    },
    Workload {
        name: "clang",
        setup: "mkdir c; cd c; for f in $(seq 20); do { echo '#include <stdio.h>'; echo '#include \
            <stdlib.h>'; echo '#include <string.h>'; echo '#include <math.h>'; for i in $(seq 20); \
            do echo \"double f${f}_$i(double x) { return sin(x) * $i + strlen(\\\"a\\\"); }\"; \
            done; } > f$f.c; done",
        copied: "",
        reset: "rm -f c/*.o",
        command: &["sh", "-c", "cd c && clang -c -O1 *.c"],
    },
    Workload {
        name: "sassc",
        setup: npm_sources!("bootstrap@4", "bootstrap/scss", "scss"),
        copied: "",
        reset: "rm -f out.css",
        command: &["sassc", "scss/bootstrap.scss", "out.css"],
    },
    Workload {
        name: "zip",
        setup: python_sources!("asyncio ctypes email encodings http json logging unittest xml"),
        copied: "",
        reset: "rm -f out.zip",
        command: &["zip", "-q", "-r", "out.zip", "p"],
    },
    Workload {
        name: "mksquashfs",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json test unittest xml"
        ),
        copied: "",
        reset: "rm -f out.sqfs",
        command: &[
            "sh",
            "-c",
            "mksquashfs p out.sqfs -quiet -no-progress > /dev/null",
        ],
    },
    Workload {
        name: "hg status",
        setup: concat!(
            python_sources!("asyncio ctypes email encodings http idlelib json test unittest xml"),
            "hg init -q; hg add -q p; hg commit -q -u a -m a; echo >> p/json/decoder.py"
        ),
        copied: "hg status > /dev/null",
        reset: "",
        command: &["sh", "-c", "hg status > /dev/null"],
    },
    Workload {
        name: "db_load",
        setup: "seq 40000 | while read n; do echo \" key$n\"; echo \" value $n of it\"; done > \
            body; \
            { printf 'VERSION=3\nformat=print\ntype=btree\nHEADER=END\n'; cat body; echo \
            DATA=END; } > dump; rm body",
        copied: "",
        reset: "rm -f out.db",
        command: &["db_load", "-f", "dump", "out.db"],
    },
    Workload {
        name: "rclone",
        setup: python_sources!("asyncio ctypes email encodings http json logging unittest xml"),
        copied: "",
        reset: "rm -rf q",
        command: &["rclone", "-q", "--config", "", "copy", "p", "q"],
    },
    Workload {
        name: "goimports",
        setup: "mkdir g; cp -r \"$(go env GOROOT)\"/src/net g/; find g -name testdata -prune -exec \
            rm -rf {} +",
        copied: "",
        reset: "",
        command: &["sh", "-c", "goimports -l g > /dev/null"],
    },
    Workload {
        name: "xmllint",
        setup: "mkdir x; for f in $(seq 800); do { echo '<a>'; for i in $(seq 40); do echo \"<b \
            n='$i'>$f</b>\"; done; echo '</a>'; } > x/$f.xml; done",
        copied: "",
        reset: "",
        command: &["sh", "-c", "xmllint --noout x/*.xml"],
    },
    Workload {
        name: "ag",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json logging test unittest xml"
        ),
        copied: "",
        reset: "",
        command: &["sh", "-c", "ag -c 'import +os' p > /dev/null || true"],
    },
    Workload {
        name: "perltidy",
        setup: "mkdir l; for m in $(perl -e 'print join \" \", grep { -d } @INC'); do find $m \
            -name '*.pm' -size -20k | head -40; done | head -60 | while read f; do cp $f l/; done",
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "for f in l/*.pm; do perltidy -st -se $f; done > /dev/null",
        ],
    },
];
