//! The memory that a plan may take.

use fsreplay_trace::abi::CLONE_NEWNS;
use fsreplay_trace::call::{ArgKind, Call};
use fsreplay_trace::format::Limits;

use super::builder::{Arg, Trace};
use crate::planner::PlanOptions;

/// A plan that may take so many bytes.
fn within(plan: u64) -> Trace {
    let limits = Limits {
        plan,
        ..Limits::default()
    };
    Trace::with(PlanOptions {
        limits,
        ..PlanOptions::default()
    })
}

/// Whether like calls may be planned within so many bytes for each.
fn fits(bytes_an_event: u64) -> bool {
    const EVENTS: u64 = 10_000;
    let mut trace = within(bytes_an_event * EVENTS);
    trace.file("/work/f", 1);
    let path = [Arg::Text(ArgKind::Path, "f")];
    (0..EVENTS).all(|_| trace.takes(Call::stat, &path))
}

/// Every outcome of a stranger's trace may diverge, and what they were is kept. So few like calls
/// take some 100 bytes each to plan, most of which is the room of tables for more.
#[test]
fn a_plan_is_refused_by_what_playing_it_may_keep() {
    assert!(!fits(116));
    assert!(fits(160));
}

/// A mount namespace has the mounts of the one that it was made from: few calls, many mounts.
#[test]
fn mounts_of_namespaces_count() {
    const MANY: usize = 1000;
    let mount = [
        Arg::Text(ArgKind::Target, "none"),
        Arg::Text(ArgKind::Path, "m"),
    ];
    let unshare = [Arg::Number(ArgKind::Flags, CLONE_NEWNS)];
    for changes_each in [false, true] {
        let mut trace = within(4 << 20);
        trace.dir("/work/m");
        assert!((0..MANY).all(|_| trace.takes(Call::mount, &mount)));
        let fits = (0..MANY).all(|_| {
            trace.takes(Call::unshare, &unshare)
                && (!changes_each || trace.takes(Call::mount, &mount))
        });
        assert_eq!(fits, !changes_each);
    }
}
