//! Copying that the tool did because a file could not be cloned, where it can.

mod common;

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::Builder;
use fsreplay_replayer::plan::{Action, Fallback, Slot};
use fsreplay_results::play::Play;
use fsreplay_trace::model::FileKind;

const SIZE: u64 = 4096;

/// Clones `a` into a new `b`, which gave `cloned` when it was recorded, and copies it if that
/// failed. Gives the result, and what `b` holds.
fn play(dir: &Path, cloned: i64) -> (Play, u64) {
    let (result, copy) = play_with(dir, cloned, None);
    (result, copy.len())
}

/// The same; `a` is so long a hole first, if that is told.
fn play_with(dir: &Path, cloned: i64, hole: Option<u64>) -> (Play, Metadata) {
    let mut b = Builder::new(dir);
    b.entry("a", FileKind::File, SIZE).data = true;
    let (from, to) = (b.at("a"), b.at("b"));
    let (source, fd) = (Slot(1), Slot(2));
    let open = |at, flags, out| Action::Open {
        at,
        flags,
        mode: 0o644,
        resolve: 0,
        out,
    };
    let lane = b.lane();
    if let Some(length) = hole {
        for length in [0, length] {
            b.op(
                lane,
                Action::Truncate {
                    at: from,
                    length: length as i64,
                },
                0,
            );
        }
    }
    b.op(lane, open(from, libc::O_RDONLY, source), 3);
    b.op(lane, open(to, libc::O_WRONLY | libc::O_CREAT, fd), 4);
    b.op(lane, Action::Clone { fd, source }, cloned);
    if cloned < 0 {
        let copy = Action::CopyRange {
            source,
            source_offset: -1,
            fd,
            offset: -1,
            length: SIZE,
            flags: 0,
        };
        b.op(lane, copy, SIZE as i64);
        b.plan.lanes[lane].fallbacks = vec![Fallback { op: 3, failed: 2 }];
    }
    let result = b.play().expect("a replay");
    let copy = Path::new(&result.kept[0]).join("tree/b");
    let copy = if copy.exists() {
        copy
    } else {
        Path::new(&result.kept[0]).join("b")
    };
    (result, std::fs::metadata(copy).expect("a copy"))
}

/// On a file system that can't clone.
fn without_clones() -> Option<tempfile::TempDir> {
    let dir = tempfile::tempdir_in("/dev/shm");
    dir.map_err(|error| skipped(&format!("/dev/shm: {error}")))
        .ok()
}

/// Says why a test did not run; a failure under CI.
fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "can't run: {why}");
    println!("skipped: {why}");
}

/// A file system that can clone; unmounted when dropped.
struct Btrfs(tempfile::TempDir);

impl Btrfs {
    fn make() -> Option<Btrfs> {
        let dir = tempfile::tempdir_in("/var/tmp").ok()?;
        let image = dir.path().join("image");
        let laid = std::fs::File::create(&image).and_then(|file| file.set_len(256 << 20));
        let made = laid.map_err(|error| error.to_string()).and_then(|()| {
            let mut mkfs = Command::new("mkfs.btrfs");
            mkfs.arg("-q").arg(&image);
            run(&mut mkfs)?;
            let point = dir.path().join("mount");
            std::fs::create_dir(&point).map_err(|error| error.to_string())?;
            let mut mount = Command::new("mount");
            mount.args(["-o", "loop"]).arg(&image).arg(&point);
            run(&mut mount)
        });
        made.map_err(|why| skipped(&why)).ok()?;
        Some(Btrfs(dir))
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("mount")
    }
}

impl Drop for Btrfs {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg(self.path()));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

#[test]
fn copying_is_left_out_where_files_can_be_cloned() {
    let Some(btrfs) = Btrfs::make() else { return };
    let refused = -i64::from(libc::EOPNOTSUPP);
    let (result, size) = play(&btrfs.path(), refused);
    assert_eq!((result.rounds[0].left_out, result.divergences), (1, 0));
    assert_eq!(size, SIZE, "cloned");
}

#[test]
fn copying_is_done_where_files_cant_be_cloned() {
    let Some(dir) = without_clones() else { return };
    let refused = -i64::from(libc::EOPNOTSUPP);
    let (result, size) = play(dir.path(), refused);
    assert_eq!((result.rounds[0].left_out, result.divergences), (0, 0));
    assert_eq!(size, SIZE, "copied");
}

#[test]
fn where_a_clone_fails_that_had_not_the_file_is_copied() {
    let Some(dir) = without_clones() else { return };
    let (result, size) = play(dir.path(), 0);
    assert_eq!((result.rounds[0].left_out, result.divergences), (0, 1));
    assert_eq!(size, SIZE, "copied");
}

#[test]
fn a_hole_stays_a_hole_where_a_file_is_copied_instead_of_cloned() {
    const HOLE: u64 = 64 << 20;
    let Some(dir) = without_clones() else { return };
    let (_, copy) = play_with(dir.path(), 0, Some(HOLE));
    assert_eq!(copy.len(), HOLE);
    assert!(copy.blocks() < 100, "{} blocks", copy.blocks());
}
