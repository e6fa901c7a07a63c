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

/// In namespaces of their own, moved, beside others that have no such mounts.
const NAMESPACES: &str = "
mkdir one two
echo hidden > one/old
echo hidden > two/old
unshare -m sh -euc '
    mount -t tmpfs none one
    echo new > one/new
    mkdir one/d
    (cd one/d; echo x > y)
    mount --move one two
    cat two/new one/old
    ! test -e two/old
    echo newer > two/newer
    umount two
    cat two/old
'
! test -e one/new
cat one/old two/old
echo beside > one/beside
unshare -m sh -euc 'mount --bind one two; echo y > two/via; cat one/via'
cat one/via
rm -r one two
";

/// Records in a mount namespace of the recording's own; `false`, with a word, where that may not
/// be.
fn record_mounts(dir: &Path, trace: &Path, script: &str) -> bool {
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
        .args(["--", "sh", "-euc", script])
        .current_dir(dir)
        .output()
        .expect("unshare runs");
    assert!(output.status.success(), "{}", text(&output));
    true
}

/// Records a script in a mount namespace of its own, and demands that its replay is right and says
/// that it doesn't mount.
fn replays_without_mounts(script: &str) {
    let dir = workspace();
    let (work, trace) = (dir.path().join("work"), dir.path().join("t.zst"));
    std::fs::create_dir(&work).expect("a directory");
    if !record_mounts(&work, &trace, script) {
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

#[test]
fn what_a_tool_mounts_is_told_and_what_it_hides_comes_back() {
    replays_without_mounts(MOUNTS);
}

#[test]
fn namespaces_have_mounts_of_their_own() {
    replays_without_mounts(NAMESPACES);
}
