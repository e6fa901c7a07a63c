//! Compares two directories by what a recorded tool would take in each:
//! `cargo run -p fsreplay-compare --example compare -- trace.zst /var/tmp /dev/shm`

use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use fsreplay_compare::{Compared, Described, Given, Options, Source, compare};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [trace, one, other] = arguments.as_slice() else {
        return Err("give a trace and two directories".into());
    };
    let Compared { result, .. } = on(&Source::file(trace), one.as_ref(), other.as_ref())?;
    for target in &result.targets {
        let (ratio, verdict) = (target.ratio.estimate.value, target.ratio.verdict);
        println!("{}: {ratio:.2} times as long, {verdict}", target.path);
    }
    Ok(())
}

/// What came of it, with the first as baseline.
pub fn on(trace: &Source, one: &Path, other: &Path) -> Result<Compared, Box<dyn Error>> {
    let options = Options {
        targets: vec![Given::named("one", one), Given::named("other", other)],
        baseline: Some("one".into()),
        budget: Some(Duration::from_secs(2)),
        ..Options::default()
    };
    let described = Described::read(trace)?;
    Ok(compare(described, &options, &(), &AtomicBool::new(false))?)
}
