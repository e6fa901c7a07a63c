//! This machine, as results have it.

use std::time::{SystemTime, UNIX_EPOCH};

use fsreplay_replayer::mounts::survey;
use fsreplay_results::Machine;

/// What the kernel says of itself in a file; nothing where it doesn't.
fn told_by_kernel(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.trim_end().to_owned()
}

/// Release of this machine's kernel.
pub fn kernel() -> String {
    told_by_kernel("/proc/sys/kernel/osrelease")
}

/// This machine.
pub fn machine() -> Machine {
    let survey = survey().ok();
    let product = survey.as_ref().and_then(|survey| {
        let mut mounts = survey.mounts.iter();
        mounts.find_map(|mount| mount.candidate.product)
    });
    Machine {
        host: told_by_kernel("/proc/sys/kernel/hostname"),
        kernel: kernel(),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64),
        time: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(None, |time| Some(time.as_secs() as f64)),
        product: product.map(|product| product.key().to_owned()),
        container: Some(survey.is_some_and(|survey| survey.container)),
    }
}
