//! Workloads that predictions were judged by and that were looked at since: prices at the tool's
//! pace on shares ([`fsreplay_replayer::forecast`]) were tried on some of them.
//!
//! They have to be on the `PATH`: `ruff`, `black`, `mypy`, `pytest`, `mkdocs` and a `python3` with
//! `duckdb` and `pip` (a virtual environment serves), `node` with `npm`, `prettier` and `esbuild`,
//! `go`, `cargo`, `javac`, `7z`, `zstd`, `hugo`.

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
];
