//! What somebody who reads a result has to know before believing it, in words.
//!
//! One place words it for the terminal, the sentence, JSON and the page of `play`, `compare`,
//! `advise` and `inspect`.

use std::collections::BTreeMap;

use fsreplay_results::play::{DivergenceGroup, Failures};
use fsreplay_shown::figures;
use fsreplay_trace::call::{Call, Op};
use fsreplay_trace::imported::Imported;
use fsreplay_trace::model::{Header, UNREADABLE_ARGUMENTS};
use nix::errno::Errno;

/// With less than this part of the tool's own time between calls, it is told.
const WHOLE_PACE: f64 = 0.9;

/// Below this share of outcomes as recorded, 0 to 1, targets are not ranked.
pub const LEAST_FIDELITY: f64 = 0.98;

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caveat {
    /// What it is; begins in lower case and has no full stop.
    pub text: String,
    /// Whether times that it is about can't be ranked.
    pub withholds: bool,
}

/// Calls that were seen and not recorded, by name: what of them there is is in no figure.
#[derive(Clone, Debug, Default)]
pub struct Unrecorded {
    /// By name.
    pub calls: BTreeMap<String, u64>,
    /// Calls that were recorded.
    pub events: u64,
}

impl Unrecorded {
    /// The names with their counts.
    pub fn list(calls: &BTreeMap<String, u64>) -> String {
        let calls: Vec<String> = calls
            .iter()
            .map(|(name, count)| format!("{name} {}", figures::count(*count)))
            .collect();
        calls.join(", ")
    }

    /// Events without their arguments, and calls that are no events.
    fn counts(&self) -> (u64, u64) {
        let bare = self
            .calls
            .get(UNREADABLE_ARGUMENTS)
            .copied()
            .unwrap_or_default();
        let all = self.calls.values().fold(0u64, |a, b| a.saturating_add(*b));
        (bare, all.saturating_sub(bare))
    }

    /// Whether they are so much of the work that nothing can be said without them.
    fn is_good_part(&self) -> bool {
        let (bare, missing) = self.counts();
        let count = bare.saturating_add(missing);
        let all = self.events.saturating_add(missing).max(1);
        count as f64 / all as f64 > 1.0 - LEAST_FIDELITY
    }

    /// What to say of them.
    pub fn caveat(&self) -> Option<Caveat> {
        if self.calls.is_empty() {
            return None;
        }
        let (bare, missing) = self.counts();
        let mut told = Vec::new();
        if missing > 0 {
            let mut calls = self.calls.clone();
            calls.remove(UNREADABLE_ARGUMENTS);
            told.push(format!(
                "{} seen and not recorded ({})",
                figures::counted(missing, "call was", "calls were"),
                Unrecorded::list(&calls)
            ));
        }
        if bare > 0 {
            told.push(format!(
                "{} recorded without arguments, which could not be read",
                figures::counted(bare, "call was", "calls were")
            ));
        }
        let whose = if missing + bare == 1 { "it" } else { "they" };
        Some(Caveat {
            text: format!(
                "{}: what {whose} did is in no figure here",
                told.join(", and ")
            ),
            withholds: self.is_good_part(),
        })
    }
}

/// What an imported trace doesn't tell.
pub fn of_import(header: &Header) -> Option<Caveat> {
    let imported = header.imported()?;
    let meaning = |what: &String| match what.as_str() {
        Imported::TREE => "what was there before (it is inferred from outcomes)".to_owned(),
        Imported::DURATIONS => "how long calls took".to_owned(),
        Imported::TIMES => "when calls were made".to_owned(),
        other => other.to_owned(),
    };
    let unknown: Vec<String> = imported.unknown.iter().map(meaning).collect();
    Some(Caveat {
        text: format!(
            "the trace was imported from {}, which doesn't tell {}; info lists what else is \
             missing",
            imported.from,
            unknown.join(", nor ")
        ),
        withholds: false,
    })
}

/// That a trace doesn't say what the tool takes without the recorder.
pub fn uncalibrated() -> Caveat {
    Caveat {
        text: "the trace is not calibrated: what recording slows besides its own stops is in all \
               times; record --calibrate takes it out"
            .into(),
        withholds: false,
    }
}

/// A target on which calls were played with so little of the tool's own time between them that
/// what happens there with time is underrated.
pub fn of_pace(part: f64) -> Option<String> {
    (part < WHOLE_PACE).then(|| {
        format!(
            "calls were played with {:.0} % of the tool's own time between them: what a share \
             forgets meanwhile, and asks again, is underrated; more budget takes more of it",
            part * 100.0
        )
    })
}

/// Outcomes of a replay that a tool would notice, whatever their share.
pub fn of_outcomes(groups: &[DivergenceGroup]) -> Vec<Caveat> {
    let mut crossing: BTreeMap<&str, u64> = BTreeMap::new();
    let mut caveats = Vec::new();
    for group in groups {
        let Some(call) = Call::from_name(&group.call) else {
            continue;
        };
        let op = call.row().op;
        if group.cause == DivergenceGroup::LACKING {
            caveats.push(lacking(call, group.count));
        } else if group.cause == "crosses file systems" {
            if let Some(what) = crossing_call(op) {
                *crossing.entry(what).or_default() += group.count;
            }
        } else {
            let vital = group.failures.iter().filter(|of| is_vital(op, of));
            caveats.extend(vital.map(|failures| Caveat {
                text: fatal(&group.call, failures),
                withholds: true,
            }));
        }
    }
    caveats.extend(crossing.into_iter().map(|(what, count)| {
        let (plural, verb) = if count == 1 {
            ("", "crosses")
        } else {
            ("s", "cross")
        };
        let count = figures::count(count);
        Caveat {
            text: format!(
                "{count} {what}{plural} {verb} from one mount to another (EXDEV): the tool would \
                 copy or fail (the time to copy is in that of the replay)"
            ),
            withholds: false,
        }
    }));
    caveats
}

/// What to say of calls that the kernel of the replay doesn't have.
fn lacking(call: Call, count: u64) -> Caveat {
    let name = call.name();
    let since = call.row().since.map_or_else(String::new, |(major, minor)| {
        format!(", which Linux has since {major}.{minor}")
    });
    let calls = figures::counted(count, &format!("{name} call"), &format!("{name} calls"));
    Caveat {
        text: format!(
            "{calls} failed (ENOSYS): this kernel doesn't have {name}{since}, or withholds it \
             here; what the tool would do instead is in no figure"
        ),
        withholds: false,
    }
}

/// What a call between two mounts is called.
fn crossing_call(op: Op) -> Option<&'static str> {
    match op {
        Op::Link => Some("hard link"),
        Op::Rename => Some("rename"),
        Op::Ioctl => Some("clone"),
        Op::CopyRange => Some("copy_file_range call"),
        _ => None,
    }
}

/// What to say of calls that a file system refuses and few tools do without.
fn fatal(call: &str, failures: &Failures) -> String {
    let path = match failures.path.as_str() {
        "" => String::new(),
        path => format!(" of {path}"),
    };
    let more = match failures.count {
        1 => String::new(),
        count => format!(", {} times in all", figures::count(count)),
    };
    let errno = errno_name(failures.errno);
    format!("{call}{path} fails ({errno}){more}: the tool may not work there")
}

/// Whether an error is one that few tools do without the call after.
fn is_vital(op: Op, failures: &Failures) -> bool {
    let errno = failures.errno;
    match op {
        Op::Map => matches!(errno, libc::ENODEV | libc::EINVAL | libc::EOPNOTSUPP),
        Op::Link | Op::Symlink | Op::MakeNode => matches!(
            errno,
            libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL
        ),
        Op::Flock | Op::Fcntl if failures.on_locks => matches!(
            errno,
            libc::ENOLCK | libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL
        ),
        _ => false,
    }
}

/// A caveat as a sentence of its own, about a target.
pub fn sentence(target: Option<&str>, text: &str) -> String {
    match target {
        Some(name) => format!("On {name}, {text}."),
        None => format!("{text}."),
    }
}

/// The name of an error number.
pub fn errno_name(number: i32) -> String {
    match number {
        512 => "ERESTARTSYS".into(),
        513 => "ERESTARTNOINTR".into(),
        514 => "ERESTARTNOHAND".into(),
        516 => "ERESTART_RESTARTBLOCK".into(),
        n => match Errno::from_raw(n) {
            Errno::UnknownErrno => format!("E{n}"),
            known => format!("{known:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures(errno: i32, count: u64) -> Failures {
        Failures {
            errno,
            on_locks: false,
            count,
            path: "t.db-shm".into(),
        }
    }

    fn group(call: &'static str, cause: &'static str, errno: i32, count: u64) -> DivergenceGroup {
        let on_locks = call == "flock";
        DivergenceGroup {
            call: call.to_owned(),
            cause: cause.to_owned(),
            count,
            examples: Vec::new(),
            failures: vec![Failures {
                on_locks,
                ..failures(errno, count)
            }],
        }
    }

    #[test]
    fn one_outcome_that_a_tool_can_not_do_without_is_told() {
        let told = of_outcomes(&[group("mmap", "failed, had succeeded", libc::ENODEV, 1)]);
        let text = "mmap of t.db-shm fails (ENODEV): the tool may not work there";
        assert_eq!(told[0].text, text);
        assert!(told[0].withholds);
        // However many of other errors one group holds.
        let mut mixed = group("mmap", "failed, had succeeded", libc::ENOMEM, 10_000);
        mixed.failures.push(failures(libc::ENODEV, 1));
        let told = of_outcomes(&[mixed]);
        assert_eq!((told.len(), told[0].text.as_str()), (1, text));
        // What follows from something else, and what tools ask for to see whether it is there.
        assert!(of_outcomes(&[group("mmap", "x", libc::EBADF, 1)]).is_empty());
        assert!(of_outcomes(&[group("flock", "x", libc::EAGAIN, 1)]).is_empty());
        assert!(of_outcomes(&[group("getxattr", "x", libc::EOPNOTSUPP, 1)]).is_empty());
    }

    #[test]
    fn a_call_that_the_kernel_does_not_have_is_told_with_its_count() {
        let told = of_outcomes(&[group("statx", DivergenceGroup::LACKING, libc::ENOSYS, 7)]);
        let text = "7 statx calls failed (ENOSYS): this kernel doesn't have statx, which Linux has \
                    since 4.11, or withholds it here; what the tool would do instead is in no \
                    figure";
        assert_eq!((told.len(), told[0].text.as_str()), (1, text));
        assert!(!told[0].withholds);
    }

    #[test]
    fn of_fcntl_only_locks_can_not_be_done_without() {
        let mut group = group("fcntl", "x", libc::EINVAL, 7);
        assert!(of_outcomes(std::slice::from_ref(&group)).is_empty());
        group.failures.push(Failures {
            on_locks: true,
            ..failures(libc::EINVAL, 2)
        });
        let told = of_outcomes(&[group]);
        let text = "fcntl of t.db-shm fails (EINVAL), 2 times in all: the tool may not work there";
        assert_eq!((told.len(), told[0].text.as_str()), (1, text));
    }

    #[test]
    fn what_crosses_mounts_is_named_and_counted_over_calls_of_one_kind() {
        let cause = "crosses file systems";
        let told = of_outcomes(&[
            group("link", cause, libc::EXDEV, 2),
            group("linkat", cause, libc::EXDEV, 498),
        ]);
        assert_eq!(told.len(), 1);
        assert!(told[0].text.starts_with("500 hard links cross"));
        assert!(!told[0].withholds, "the copies are in the prediction");
    }

    #[test]
    fn what_was_not_recorded_keeps_from_ranking_where_it_is_much() {
        let of = |count, events| {
            let calls = BTreeMap::from([("open_by_handle_at".to_owned(), count)]);
            let caveat = Unrecorded { calls, events }.caveat();
            caveat.map(|caveat| caveat.withholds)
        };
        assert_eq!(of(2_000, 5_000), Some(true));
        assert_eq!(of(1, 5_000), Some(false));
        assert_eq!(Unrecorded::default().caveat(), None);
    }

    #[test]
    fn calls_without_arguments_are_events_and_count_once() {
        let of = |bare, missing, events| {
            let calls = [(UNREADABLE_ARGUMENTS, bare), ("io_uring_setup", missing)]
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(name, count)| (name.to_owned(), count))
                .collect();
            Unrecorded { calls, events }.caveat().expect("told")
        };
        // The least count that is a good part of so many events, if each is one of them.
        let least = ((1.0 - LEAST_FIDELITY) * 100_000.0).round() as u64 + 1;
        let told = of(least, 0, 100_000);
        assert!(told.withholds);
        assert!(
            told.text.contains("recorded without arguments"),
            "{}",
            told.text
        );
        assert!(!told.text.contains("not recorded"), "{}", told.text);
        assert!(!of(0, least, 100_000).withholds);
        let both = of(1, 2, 100_000).text;
        assert!(
            both.starts_with(
                "2 calls were seen and not recorded (io_uring_setup 2), and 1 call was"
            )
        );
    }

    #[test]
    fn errors_have_names() {
        assert_eq!(errno_name(libc::ENOENT), "ENOENT");
        assert_eq!(errno_name(512), "ERESTARTSYS");
        assert_eq!(errno_name(4000), "E4000");
    }
}
