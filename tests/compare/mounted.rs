//! Mounts of the tests' own: a workspace on two of them, and a target that folds case and has no
//! links.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use crate::common::{answers, fsreplay, have, is_root, record, sh, text, workspace};
use crate::{compared, run, targets};

/// A file system mounted on a directory; unmounted when dropped.
struct Mounted {
    point: PathBuf,
    /// Who takes all mounts of this machine waits until it is gone.
    _there: RwLockReadGuard<'static, ()>,
}

/// Held while something is mounted here, and alone by who takes the mounts that there are: one that
/// another test unmounts meanwhile is no target.
pub static MOUNTS: RwLock<()> = RwLock::new(());

impl Mounted {
    fn new(point: &Path, arguments: &[&str]) -> Option<Mounted> {
        // A test that failed left nothing that could be wrong.
        let there = MOUNTS.read().unwrap_or_else(PoisonError::into_inner);
        let mut mount = std::process::Command::new("mount");
        let output = mount.args(arguments).arg(point).output().ok()?;
        if output.status.success() {
            return Some(Mounted {
                point: point.into(),
                _there: there,
            });
        }
        // Not for want of privilege: containers and ordinary users may not mount.
        let denied = text(&output).contains("permission") || text(&output).contains("superuser");
        assert!(
            denied || std::env::var_os("CI").is_none(),
            "{}",
            text(&output)
        );
        println!("skipped: {}", text(&output));
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(&self.point)
            .output();
    }
}

#[test]
fn copying_between_two_mounts_of_a_workspace_is_replayed_as_the_tool_did_it() {
    let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let work = dir.path().join("work");
    sh(
        dir.path(),
        "mkdir -p work/a work/b; for i in 1 2 3; do echo $i > work/a/f$i; done",
    );
    let Some(_mounted) = Mounted::new(&work.join("b"), &["-t", "tmpfs", "none"]) else {
        return;
    };
    let trace = dir.path().join("t.zst");
    // cp tries to clone and to copy inside the kernel, mv to rename.
    let output = record(
        &work,
        &trace,
        &["sh", "-euc", "cp a/f1 b/; mv a/f2 a/f3 b/"],
    );
    assert!(output.status.success(), "{}", text(&output));
    for moved in [work.join("b"), work.clone()] {
        let found = compared(&trace, &moved, dir.path());
        for target in found["targets"].as_array().expect("targets") {
            assert_eq!(target["divergences"], 0, "{target}");
            assert_ne!(target["ratio"]["verdict"], "not ranked");
        }
        assert!(
            found["notes"].to_string().contains("between two mounts"),
            "{found}"
        );
    }
}

/// An exFAT file system: it folds case, and has no links of either kind.
struct Exfat {
    _mounted: Mounted,
    image: tempfile::TempDir,
}

impl Exfat {
    fn new() -> Option<Exfat> {
        if !is_root() {
            println!("skipped: only root can mount");
            return None;
        }
        if !have("mkfs.exfat") {
            return None;
        }
        let image = workspace();
        sh(
            image.path(),
            "truncate -s 64M image; mkfs.exfat image > /dev/null; mkdir exfat",
        );
        let point = image.path().join("exfat");
        let file = image.path().join("image").display().to_string();
        let kernel = ["-t", "exfat", "-o", "loop", file.as_str()];
        let fuse = ["-t", "exfat-fuse", "-o", "loop", file.as_str()];
        let listed = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let arguments = if listed.contains("exfat") {
            &kernel[..]
        } else {
            &fuse[..]
        };
        let mounted = Mounted::new(&point, arguments)?;
        Some(Exfat {
            _mounted: mounted,
            image,
        })
    }

    fn path(&self) -> PathBuf {
        self.image.path().join("exfat")
    }
}

#[test]
fn a_target_that_can_not_hold_the_tree_is_left_out_and_the_others_go_on() {
    let Some(exfat) = Exfat::new() else { return };
    let dir = workspace();
    sh(
        dir.path(),
        "mkdir -p case/Dir case/dir link; echo 1 > case/Dir/a; echo 2 > case/dir/b; \
         echo 3 > link/c; ln -s c link/l",
    );
    for (work, script, why) in [
        ("case", "cat Dir/a dir/b", "Dir and dir are one name there"),
        ("link", "cat l", "l of the trace can't be made there"),
    ] {
        let work = dir.path().join(work);
        let trace = dir.path().join("t.zst");
        let output = record(&work, &trace, &["sh", "-euc", script]);
        assert!(answers(output.status), "{}", text(&output));
        let target = workspace();
        let mut options = targets(target.path());
        options.push("--target".into());
        options.push(format!("fat={}", exfat.path().display()));
        options.extend(["--rounds", "2", "--json", "-", "--move"].map(String::from));
        options.push(work.display().to_string());
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let output = run("compare", &trace, &options);
        assert!(answers(output.status), "{}", text(&output));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(found["targets"].as_array().map(Vec::len), Some(2));
        assert_eq!(found["unfit"][0]["name"], "fat");
        for said in [
            &found["unfit"][0]["reason"],
            &found["sentence"],
            &found["caveats"],
        ] {
            assert!(said.to_string().contains(why), "{said}");
        }
        // Who named it wants nothing without it: not even a round of the others.
        for named in [["--baseline", "fat"], ["--fail-if", "time(fat) > 9"]] {
            let output = run("compare", &trace, &[&options[..], &named[..]].concat());
            assert_eq!(output.status.code(), Some(4), "{}", text(&output));
            assert!(text(&output).contains(why), "{}", text(&output));
        }
        assert_eq!(std::fs::read_dir(exfat.path()).expect("listed").count(), 0);
    }
    names_are_shown_as_one(&exfat);
}

#[test]
fn one_call_that_a_target_refuses_is_said_first_and_keeps_it_from_its_rank() {
    let Some(exfat) = Exfat::new() else { return };
    let dir = workspace();
    let work = dir.path().join("work");
    sh(dir.path(), "mkdir work; echo 1 > work/a");
    let trace = dir.path().join("t.zst");
    let script = "ln -s a l; for i in $(seq 100); do cat a; done";
    let output = record(&work, &trace, &["sh", "-euc", script]);
    assert!(answers(output.status), "{}", text(&output));
    let target = workspace();
    let disk = format!("disk={}", target.path().display());
    let fat = format!("fat={}", exfat.path().display());
    let moved = work.display().to_string();
    let targets = ["--target", &disk, "--target", &fat, "--rounds", "2"];
    let rest = ["--move", &moved, "--json", "-"];
    let output = run("compare", &trace, &[&targets[..], &rest[..]].concat());
    assert!(answers(output.status), "{}", text(&output));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let fat = &found["targets"][1];
    assert_eq!(fat["ratio"]["verdict"], "not ranked");
    // The name of the call and the error differ by C library and by driver.
    let sentence = found["sentence"].as_str().expect("a sentence");
    assert!(sentence.starts_with("On fat, symlink"), "{sentence}");
    assert!(
        sentence.contains("the tool may not work there"),
        "{sentence}"
    );
}

/// Names in different letters.
fn names_are_shown_as_one(exfat: &Exfat) {
    std::fs::write(exfat.path().join("Name"), "").expect("a file");
    let output = fsreplay()
        .args(["mounts", "--json", "-"])
        .output()
        .expect("fsreplay runs");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let point = exfat
        .path()
        .canonicalize()
        .expect("a path")
        .display()
        .to_string();
    let mut mounts = found["mounts"].as_array().expect("mounts").iter();
    let fat = mounts.find(|mount| mount["mount_point"] == point.as_str());
    assert_eq!(
        fat.map(|fat| &fat["folds_case"]),
        Some(&serde_json::json!(true))
    );
}
