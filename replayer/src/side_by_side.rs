//! The same for several items, or on several threads, side by side.

use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

/// More at a time gain nothing, and each needs threads and descriptors of its own.
const AT_ONCE: usize = 8;

/// Calls `work` with each item, with several at a time.
pub(crate) fn side_by_side<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let threads = AT_ONCE.min(items.len());
    let queue = Mutex::new(items.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    on_threads(threads, || {
        while let Some(item) = next() {
            work(item);
        }
    });
}

/// Calls `work` on so many threads. This one is one of them, and the only one where no other may be
/// started.
pub(crate) fn on_threads(threads: usize, work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        for _ in 1..threads {
            if let Err(error) = Builder::new().spawn_scoped(scope, &work) {
                tracing::debug!("starting a thread: {error}");
                break;
            }
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_its_turn_once_however_many_there_are() {
        for count in [0, 1, 3, 100] {
            let seen = Mutex::new(Vec::new());
            side_by_side((0..count).collect(), |item| {
                seen.lock().expect("no panic").push(item);
            });
            let mut seen = seen.into_inner().expect("no panic");
            seen.sort_unstable();
            assert_eq!(seen, (0..count).collect::<Vec<_>>());
        }
    }
}
