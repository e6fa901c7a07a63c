//! How a user ends a command early.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::exit::{self, Failure};

/// Becomes true at the first signal that asks for an end; the second one ends the process in the
/// usual way.
pub fn cancelled() -> Result<Arc<AtomicBool>, Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    let cancelled = Arc::new(AtomicBool::new(false));
    let handling = |error| Failure::new(exit::FAILURE, format!("handling signals: {error}"));
    // A limit on file sizes is told by the call that meets it; the signal would end the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).map_err(handling)?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        let registered =
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&cancelled))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&cancelled)));
        registered.map_err(handling)?;
    }
    Ok(cancelled)
}
