//! Directories that options name and the trace doesn't have: errors, which say what was meant.

mod common;

use std::path::{Path, PathBuf};
use std::process::Output;

use common::{fsreplay, record, sh, text, workspace};

/// A recording in which some directories are there, one is made, one is moved and one is missed.
fn recorded(dir: &Path) -> (PathBuf, PathBuf) {
    let work = dir.canonicalize().expect("a path").join("work");
    std::fs::create_dir(&work).expect("a directory");
    sh(
        &work,
        "mkdir -p node_modules/a src tmp/deep; echo 1 > node_modules/a/f; echo 1 > src/x",
    );
    let trace = dir.join("t.zst");
    let script = "cat node_modules/a/f src/x; mkdir build; echo 1 > build/x; mv tmp moved; \
                  ls moved/deep; cat missed/x || true";
    let output = record(&work, &trace, &["sh", "-euc", script]);
    assert!(output.status.success(), "{}", text(&output));
    (work, trace)
}

/// Plays with an option; nothing is written.
fn play(trace: &Path, target: &Path, option: &str, value: &str) -> Output {
    let value = match option {
        "--place" => format!("{value}={}", target.display()),
        _ => value.to_owned(),
    };
    fsreplay()
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(target)
        .args(["--dry-run", option, &value])
        .output()
        .expect("fsreplay runs")
}

/// Compares with something moved.
fn compare(trace: &Path, target: &Path, moved: &str) -> Output {
    let target = format!("disk={}", target.display());
    fsreplay()
        .arg("compare")
        .arg(trace)
        .args(["--rounds", "2", "--target", &target, "--move", moved])
        .output()
        .expect("fsreplay runs")
}

fn is_refused(output: &Output, said: &str) {
    assert_eq!(output.status.code(), Some(2), "{}", text(output));
    assert!(text(output).contains(said), "{said}: {}", text(output));
}

#[test]
fn what_the_trace_does_not_have_is_refused_and_what_was_meant_is_named() {
    let dir = workspace();
    let (work, trace) = recorded(dir.path());
    let target = workspace();
    let modules = format!("perhaps {}/node_modules", work.display());
    for (name, said) in [
        ("node_module", modules.as_str()),
        ("Node_modules/a", &modules),
        ("node_modules/a/f", "it was a file"),
        ("qqqq", "/build, "),
        ("missed", "no such directory"),
        ("build/typo", "no such directory"),
    ] {
        let path = format!("{}/{name}", work.display());
        for option in ["--skip", "--place"] {
            is_refused(&play(&trace, target.path(), option, &path), said);
        }
        is_refused(&compare(&trace, target.path(), &path), said);
        let two = format!("{},{path}", work.display());
        is_refused(&compare(&trace, target.path(), &two), said);
    }
    let elsewhere = "/no-such-directory-anywhere/x";
    is_refused(
        &compare(&trace, target.path(), elsewhere),
        "no such directory",
    );
}

#[test]
fn relative_directories_are_refused_with_the_absolute_one() {
    let dir = workspace();
    let (work, trace) = recorded(dir.path());
    let said = format!("perhaps {}/node_modules", work.display());
    for option in ["--skip", "--place"] {
        let output = play(&trace, dir.path(), option, "./node_modules/");
        is_refused(&output, &said);
    }
    is_refused(&compare(&trace, dir.path(), "node_modules"), &said);
}

#[test]
fn what_was_there_or_was_made_is_taken() {
    let dir = workspace();
    let (work, trace) = recorded(dir.path());
    let target = workspace();
    for name in [
        "",
        "node_modules//a/",
        "src",
        "build",
        "tmp",
        "moved",
        "moved/deep",
    ] {
        let path = format!("{}/{name}", work.display());
        for option in ["--skip", "--place"] {
            let output = play(&trace, target.path(), option, &path);
            assert!(output.status.success(), "{name}: {}", text(&output));
        }
    }
    for path in ["/", "all", "workspace"] {
        let output = compare(&trace, target.path(), path);
        assert!(output.status.success(), "{path}: {}", text(&output));
    }
    // The needless slashes don't reach the plan.
    let modules = format!("{}//node_modules/", work.display());
    let output = compare(&trace, target.path(), &modules);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        !text(&output).contains("//node_modules"),
        "{}",
        text(&output)
    );
}
