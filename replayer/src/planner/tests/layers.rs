//! Files of an overlay that the tool changes.

use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::model::Mount;

use super::builder::{Arg, Trace};

#[test]
fn files_that_were_there_and_are_changed_on_an_overlay_are_told_once_each() {
    let told = |fs_type: &str| {
        let mut trace = Trace::on(Mount {
            mount_point: b"/".to_vec(),
            fs_type: fs_type.into(),
            ..Mount::default()
        });
        trace.dir("/work");
        for name in ["a", "b", "c", "d"] {
            trace.file(&format!("/work/{name}"), 3 << 20);
        }
        let mode = |path| {
            [
                Arg::Text(ArgKind::Path, path),
                Arg::Number(ArgKind::Mode, 0o600),
            ]
        };
        trace.call(0, Call::chmod, &mode("a"), 0);
        trace.call(0, Call::chmod, &mode("a"), 0);
        trace.open(0, "b", libc::O_RDWR, 3);
        // Read, changed in vain, removed; and made by the tool.
        trace.open(0, "c", libc::O_RDONLY, 4);
        trace.call(0, Call::chmod, &mode("c"), -i64::from(libc::EPERM));
        trace.path(0, Call::unlink, "d", 0);
        trace.open(0, "e", libc::O_RDWR | libc::O_CREAT, 5);
        trace.call(0, Call::chmod, &mode("e"), 0);
        let mut notes = trace.finish().notes.into_iter();
        notes.find(|(note, _)| note.contains("overlay"))
    };
    assert_eq!(told("ext4"), None);
    let (note, count) = told("overlay").expect("told");
    assert_eq!(count, 2);
    assert!(note.contains(", 6 MiB in all"), "{note}");
}

#[test]
fn what_is_made_short_is_copied_whole_unless_an_open_does_it() {
    let mut trace = Trace::on(Mount {
        mount_point: b"/".to_vec(),
        fs_type: "overlay".into(),
        ..Mount::default()
    });
    trace.dir("/work");
    trace.file("/work/a", 3 << 20);
    trace.file("/work/b", 8 << 20);
    trace.path(0, Call::truncate, "a", 0);
    trace.open(0, "b", libc::O_WRONLY | libc::O_TRUNC, 3);
    let mut notes = trace.finish().notes.into_iter();
    let told = notes.find(|(note, _)| note.contains("overlay"));
    let (note, count) = told.expect("told");
    assert_eq!(count, 2);
    assert!(note.contains(", 3 MiB in all"), "{note}");
}
