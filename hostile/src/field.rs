//! Replays in the process of a fuzzer: an arena in a cage, looked at after each.

use std::io;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use crate::arena::{Arena, Snapshot};
use crate::cage;
use crate::generate;
use crate::worker::{limit_files, run};

static FIELD: Mutex<Option<(Arena, Snapshot)>> = Mutex::new(None);

/// Enters the cage, with a tmpfs for the arena. What lies in the working directory stays writable,
/// for the fuzzer's own files.
///
/// # Errors
/// Where there is no such namespace; nothing must be replayed then.
pub fn enter() -> io::Result<()> {
    let base = std::env::temp_dir().canonicalize()?.join("fsreplay-fuzz");
    // A former run's, which can't be removed from inside, is empty.
    std::fs::create_dir_all(&base)?;
    let own = std::env::current_dir()?;
    cage::enter(&base, true, Some(&own)).map_err(io::Error::other)?;
    limit_files();
    let arena = Arena::create(PathBuf::from(&base).join("arena"), 0)?;
    let before = Snapshot::take(&arena)?;
    *FIELD
        .lock()
        .map_err(|error| io::Error::other(error.to_string()))? = Some((arena, before));
    Ok(())
}

/// Decisions of the generator: a trace, played; a panic if it touched something outside or left
/// something.
pub fn replay(bytes: &[u8]) {
    let field = FIELD.lock().expect("no replay has panicked before");
    let (arena, before) = field.as_ref().expect("the cage was entered");
    run(&generate::from_bytes(bytes), arena, &AtomicBool::new(false));
    let after = Snapshot::take(arena).expect("the arena can be looked at");
    assert_eq!(before.differences(&after), Vec::<String>::new(), "touched");
    let left = arena.leftovers().expect("targets can be listed");
    assert_eq!(left, Vec::<PathBuf>::new(), "left");
}
