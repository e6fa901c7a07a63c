//! The canaries tell: whatever is done to one of them is seen. Without that, no replay proves
//! anything.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use fsreplay_hostile::arena::{Arena, CANARIES, Snapshot};

/// What is seen after something was done in the directory of canaries.
fn seen(act: impl FnOnce(&Path)) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let uid = rustix::process::geteuid().as_raw();
    if uid != 0 {
        eprintln!("skipped: canaries of several owners need root");
        return vec!["skipped".into()];
    }
    let arena = Arena::create(directory.path().join("arena"), uid).expect("an arena");
    let before = Snapshot::take(&arena).expect("it can be looked at");
    assert_eq!(
        before.differences(&Snapshot::take(&arena).expect("and again")),
        Vec::<String>::new(),
        "looking leaves no trace"
    );
    act(&arena.outside());
    before.differences(&Snapshot::take(&arena).expect("once more"))
}

#[test]
fn each_kind_of_harm_is_seen() {
    type Harm = fn(&Path);
    let harms: &[(&str, Harm)] = &[
        ("made", |at| fs::write(at.join("new"), "").expect("made")),
        ("removed", |at| {
            fs::remove_file(at.join("doc")).expect("removed")
        }),
        ("mode", |at| {
            let mode = fs::Permissions::from_mode(0o6755);
            fs::set_permissions(at.join("shell"), mode).expect("set");
        }),
        ("owner", |at| {
            chown(at.join("secret"), Some(7), None).expect("given")
        }),
        ("same mode", |at| {
            let mode = fs::Permissions::from_mode(0o4755);
            fs::set_permissions(at.join("shell"), mode).expect("set");
        }),
        ("read", |at| {
            drop(fs::read(at.join("precious")).expect("read"))
        }),
        ("listed", |at| {
            assert_eq!(fs::read_dir(at.join("tree")).expect("listed").count(), 1)
        }),
        ("written", |at| {
            fs::write(at.join("tree/a/file"), "x").expect("written")
        }),
        ("emptied", |at| {
            fs::write(at.join("mine"), "").expect("emptied")
        }),
        ("linked", |at| {
            fs::hard_link(at.join("hard1"), at.join("open/l")).expect("linked")
        }),
        ("renamed", |at| {
            fs::rename(at.join("fifo"), at.join("open/fifo")).expect("renamed")
        }),
        ("replaced", |at| {
            fs::remove_file(at.join("link")).expect("removed");
            symlink("precious", at.join("link")).expect("made");
        }),
        ("attribute", |at| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(at.join("doc"), "user.new", b"x", flags).expect("set");
        }),
        ("directory", |at| {
            fs::remove_dir(at.join("empty")).expect("removed")
        }),
        ("all", |at| fs::remove_dir_all(at).expect("removed")),
    ];
    for (name, harm) in harms {
        assert!(!seen(harm).is_empty(), "{name} is not seen");
    }
}

#[test]
fn each_name_is_there() {
    for name in CANARIES {
        let harm = |at: &Path| {
            chown_link(&at.join(name));
        };
        assert!(!seen(harm).is_empty(), "{name} is not watched");
    }
}

fn chown_link(path: &Path) {
    std::os::unix::fs::lchown(path, Some(9), Some(9)).expect("given");
}
