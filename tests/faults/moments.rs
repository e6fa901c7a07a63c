//! When something is struck: at moments that are never the same.

use std::time::Duration;

/// How often, instead of `few` times.
pub fn times(few: u32) -> u32 {
    let wanted = std::env::var("FSREPLAY_FAULTS").ok();
    wanted.and_then(|count| count.parse().ok()).unwrap_or(few)
}

/// Moments, in milliseconds since a start: spread over `range`, and never the same.
pub fn moments(count: u32, range: u32) -> impl Iterator<Item = Duration> {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    let mut state = u64::from(since.subsec_nanos()) | 1;
    (0..count).map(move |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Duration::from_micros((state >> 33) % (u64::from(range) * 1000))
    })
}
