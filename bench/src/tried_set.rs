//! Workloads that predictions were judged by and that were looked at since: prices at the tool's
//! pace on shares ([`fsreplay_replayer::forecast`]) were tried on some of them, and what recording
//! costs on others (from `flake8` on).
//!
//! They have to be on the `PATH`: `ruff`, `black`, `mypy`, `pytest`, `mkdocs`, `flake8`, `isort`,
//! `pylint`, `bandit`, `sphinx-build` and a `python3` with `duckdb` and `pip` (a virtual
//! environment serves), `node` with `npm`, `prettier`, `esbuild`, `rollup`, `sass` and `mocha`,
//! `go`, `cargo`, `javac`, `gcc`, `7z`, `zip`, `unzip`, `zstd`, `hugo`, `rg`, `ctags`, `cmake`,
//! `cloc`, `doxygen`, `pandoc`.

use crate::workloads::{Workload, cargo_project, npm_sources, python_sources};

/// The set.
pub const TRIED: &[Workload] = &[
    Workload {
        name: "ruff check",
        setup: python_sources!(
            "asyncio concurrent ctypes email encodings http json logging unittest xml"
        ),
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "ruff check -q --no-cache --exit-zero p > /dev/null",
        ],
    },
    Workload {
        name: "black",
        setup: python_sources!("asyncio email json unittest"),
        copied: "",
        reset: "rm -rf cache",
        command: &[
            "sh",
            "-c",
            "BLACK_CACHE_DIR=$PWD/cache black -q --check p || true",
        ],
    },
    Workload {
        name: "mypy",
        setup: python_sources!("asyncio json"),
        copied: "",
        reset: "rm -rf .mypy_cache",
        command: &["sh", "-c", "mypy p/asyncio > /dev/null 2>&1 || true"],
    },
    Workload {
        name: "pytest, collect",
        setup: "mkdir t; for f in $(seq 200); do for i in $(seq 10); do printf 'def test_%d():\n  \
              assert %d\n' $i $f; done > t/test_$f.py; done",
        copied: "",
        reset: "rm -rf t/__pycache__",
        command: &[
            "pytest",
            "--collect-only",
            "-q",
            "-q",
            "-p",
            "no:cacheprovider",
            "t",
        ],
    },
    Workload {
        name: "mkdocs",
        setup: "mkdir -p d/docs; echo 'site_name: a' > d/mkdocs.yml; echo '# a' > \
            d/docs/index.md; for f in $(seq 150); do { echo \"# page $f\"; for i in $(seq 40); do \
            echo \"* item $i of [page $f](page$f.md) \\`code\\`\"; done; } > d/docs/page$f.md; \
            done",
        copied: "",
        reset: "rm -rf d/site",
        command: &["sh", "-c", "cd d && mkdocs build -q > /dev/null 2>&1"],
    },
    Workload {
        name: "pip install",
        setup: "mkdir wheels; python3 -m pip -q download -d wheels mypy black mkdocs",
        copied: "",
        reset: "rm -rf out",
        command: &[
            "sh",
            "-c",
            "python3 -m pip -q --disable-pip-version-check install --no-index --find-links wheels \
                --target out mypy black mkdocs",
        ],
    },
    Workload {
        name: "duckdb",
        setup: r#"cat > a.py <<'END'
import duckdb
c = duckdb.connect("t.db")
c.execute("create table t as select i, i % 97 as k, md5(cast(i as varchar)) as h from \
    range(400000) r(i)")
c.execute("copy t to 'o.csv'")
c.close()
END
"#,
        copied: "",
        reset: "rm -f t.db t.db.wal o.csv",
        command: &["python3", "a.py"],
    },
    Workload {
        name: "prettier",
        setup: npm_sources!("lodash", "lodash", "src"),
        copied: "",
        reset: "",
        command: &[
            "sh",
            "-c",
            "prettier --check 'src/fp/*.js' 'src/*.js' > /dev/null 2>&1 || true",
        ],
    },
    Workload {
        name: "esbuild",
        setup: concat!(
            npm_sources!("lodash-es", "lodash-es", "src"),
            "; echo 'import * as all from \"./src/lodash.js\"; console.log(all)' > \
            a.js"
        ),
        copied: "",
        reset: "rm -f out.js",
        command: &[
            "esbuild",
            "a.js",
            "--bundle",
            "--outfile=out.js",
            "--log-level=error",
        ],
    },
    Workload {
        name: "7z",
        setup: python_sources!(
            "asyncio ctypes email encodings http idlelib json logging unittest xml"
        ),
        copied: "",
        reset: "rm -f out.7z",
        command: &[
            "sh",
            "-c",
            "$(command -v 7z || command -v 7zz) a -bso0 -bsp0 -mx3 out.7z p > /dev/null",
        ],
    },
    Workload {
        name: "zstd -r",
        setup: python_sources!("asyncio ctypes email encodings http json logging unittest xml"),
        copied: "",
        reset: "rm -rf out; mkdir out",
        command: &["zstd", "-q", "-r", "p", "--output-dir-mirror", "out"],
    },
    Workload {
        name: "hugo",
        setup: "mkdir -p s/content s/layouts/_default; echo 'baseURL=\"http://localhost/\"' > \
            s/config.toml; echo '{{ .Title }} {{ range .Site.RegularPages }}{{ .Title }}{{ end \
            }}' > s/layouts/_default/list.html; echo '{{ .Content }}' > \
            s/layouts/_default/single.html; for f in $(seq 400); do printf -- '---\ntitle: page \
            %d\n---\n# page\n\ntext *of* page %d\n' $f $f > s/content/p$f.md; done",
        copied: "",
        reset: "rm -rf s/public s/resources",
        command: &["hugo", "--quiet", "-s", "s"],
    },
    Workload {
        name: "go vet",
        setup: "mkdir m && cd m && printf 'module m\ngo 1.19\n' > go.mod && printf 'package \
            main\nimport (\"fmt\"; \"net/http\"; \"text/template\")\nfunc main() { \
            fmt.Println(http.StatusOK, template.HTMLEscapeString(\"\")) }\n' > main.go",
        copied: "",
        reset: "rm -rf cache",
        command: &[
            "sh",
            "-c",
            "cd m && GOCACHE=$PWD/../cache GOFLAGS=-mod=mod go vet ./...",
        ],
    },
    Workload {
        name: "cargo check",
        setup: cargo_project!(
            "regex serde_json",
            "clap --features derive",
            "tokio --features full",
            "syn --features full"
        ),
        copied: "",
        reset: "rm -rf c/target",
        command: &[
            "cargo",
            "check",
            "-q",
            "--offline",
            "--manifest-path",
            "c/Cargo.toml",
        ],
    },
    Workload {
        name: "javac",
        setup: "mkdir src; for f in $(seq 300); do echo \"class C$f { int f(int x) { \
            java.util.Map<String, Integer> m = new java.util.HashMap<>(); m.put(\\\"a\\\", x); \
            return m.get(\\\"a\\\") + $f; } }\" > src/C$f.java; done",
        copied: "",
        reset: "rm -rf out",
        command: &["sh", "-c", "javac -d out src/*.java"],
    },
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
