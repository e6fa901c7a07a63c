//! What the tool mounts itself: the replay doesn't, and says so.

mod common;

use std::path::Path;
use std::process::Command;

use common::{have, is_root, play, text, workspace};

const MOUNTS: &str = "
mkdir mnt src
echo hidden > mnt/old
echo a > src/f
mount -t tmpfs none mnt
echo new > mnt/new
mkdir mnt/d
ls mnt
! test -e mnt/old
! ln src/f mnt/f
(cd mnt/d; echo x > y; ls ..)
umount mnt
ls mnt
cat mnt/old
! test -e mnt/new
rm -r mnt
mkdir bound
mount --bind src bound
echo b > bound/via
cat bound/f
mount -o remount,bind,ro bound
! sh -c 'echo c > bound/refused'
umount bound
cat src/via
rmdir bound
rm -r src
";

/// Records in a mount namespace of the recording's own; `false`, with a word, where that may not
/// be.
fn record_mounts(dir: &Path, trace: &Path) -> bool {
    if !is_root() || !have("unshare") || !have("mount") {
        println!("skipped: only root may mount");
        return false;
    }
    let may = Command::new("unshare").args(["-m", "true"]).status();
    if !may.is_ok_and(|status| status.success()) {
        println!("skipped: this root may not mount");
        return false;
    }
    let output = Command::new("unshare")
        .args(["-m", env!("CARGO_BIN_EXE_fsreplay"), "record", "-q", "-o"])
        .arg(trace)
        .args(["--", "sh", "-euc", MOUNTS])
        .current_dir(dir)
        .output()
        .expect("unshare runs");
    assert!(output.status.success(), "{}", text(&output));
    true
}

#[test]
fn what_a_tool_mounts_is_told_and_what_it_hides_comes_back() {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir(&work).expect("a directory");
    if !record_mounts(&work, &trace) {
        return;
    }
    for target in common::targets() {
        let replay = play(&trace, &target);
        let groups = format!("{:#}", replay.json["divergence_groups"]);
        assert_eq!(replay.number("divergences"), 0, "{groups}");
        let notes = format!("{:#}", replay.json["notes"]);
        assert!(notes.contains("the replay doesn't mount"), "{notes}");
    }
}
