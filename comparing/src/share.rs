//! How much of a tool's time is file access, in a sentence.

use fsreplay_replayer::forecast::Calls;
use fsreplay_replayer::plan::{OwnTime, Plan};
use fsreplay_results::share::{FileShare, NOTICED, PlaceKind, PlaceShare};
use fsreplay_shown::{chain, figures};
use fsreplay_trace::imported::Imported;
use fsreplay_trace::model::Header;

use crate::error::Error;
use crate::origin::Origin;
use crate::planning;
use crate::source::Source;

/// What makes up so much of a time explains it.
const MOST: f64 = 0.5;

/// Characters of a command that name it well enough.
const NAME: usize = 40;

/// What a trace alone says on paper. It is planned for that once.
#[derive(Clone)]
pub struct OnPaper {
    /// How much of the time is file access, with its sentence; or why that can't be told: a trace
    /// may be too large for a plan.
    pub share: Result<FileShare, String>,
    /// The tool's own time by its runs without the recorder, if the trace knows any.
    pub time: Option<OwnTime>,
}

/// Plans a trace on paper, and tells what that says; with `truncated`, what is whole of a trace
/// that was cut off.
///
/// # Errors
/// Only what is no fault of the trace. What is wrong with that is part of what is told.
pub fn on_paper(trace: &Source, truncated: bool) -> Result<OnPaper, Error> {
    let (plan, header) = match planning::plan_on_paper(trace, truncated) {
        Ok(planned) => planned,
        Err(error) if error.is_of_trace() => {
            return Ok(OnPaper {
                share: Err(chain(&error)),
                time: None,
            });
        }
        Err(error) => return Err(error),
    };
    if let Some(reason) = untimed(&header) {
        return Ok(OnPaper {
            share: Err(reason),
            time: None,
        });
    }
    let command: Vec<String> = header
        .command
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let share = fsreplay_replayer::share::share(&plan, &header);
    let share = share.map(|share| {
        let mut share = FileShare {
            recorded_elsewhere: !Origin::of(&header).is_here(),
            ..share
        };
        share.sentence = sentence(&command, &share);
        share
    });
    let is_calibrated = plan.timing.processor_seconds.is_some();
    Ok(OnPaper {
        share: share.map_err(|error| chain(&error)),
        time: is_calibrated.then_some(plan.timing),
    })
}

/// Why times tell nothing of the tool: its trace was imported from what has none.
fn untimed(header: &Header) -> Option<String> {
    let imported = header.imported()?;
    let lacks = [
        (Imported::TIMES, "no times of calls (strace -ttt)"),
        (Imported::DURATIONS, "not how long calls took (strace -T)"),
    ];
    let (_, what) = lacks.iter().find(|(what, _)| imported.lacks(what))?;
    Some(format!("{}'s log has {what}", imported.from))
}

/// The share where calls take what was measured, with its sentence; none where it can't be told.
pub(crate) fn measured(
    plan: &Plan,
    header: &Header,
    command: &[String],
    calls: &Calls,
) -> Option<FileShare> {
    if untimed(header).is_some() {
        return None;
    }
    let share = fsreplay_replayer::share::measured(plan, header, calls).ok()?;
    Some(FileShare {
        sentence: sentence(command, &share),
        ..share
    })
}

/// One or two sentences: how much of what is file access, and what a mount can gain.
pub fn sentence(command: &[String], share: &FileShare) -> String {
    if share.seconds <= 0.0 {
        return "nothing is known of the tool's time".into();
    }
    let name = name(command);
    if share.is_small() {
        return format!(
            "{}. No mount can help: {}.",
            part(&name, share, ""),
            instead(share)
        );
    }
    let place = share.places.first().map_or_else(String::new, |place| {
        let all = place.gain_seconds > (1.0 - NOTICED) * share.gain_seconds;
        let most = place.gain_seconds > MOST * share.gain_seconds;
        if all {
            format!(", in {}", describe(place))
        } else if most {
            format!(", most of it in {}", describe(place))
        } else {
            String::new()
        }
    });
    format!(
        "{}. Up to {} can be gained.",
        part(&name, share, &place),
        percent(share.file_share)
    )
}

/// How much of a tool is file access, and in which place: of what it does, where it also waits.
fn part(name: &str, share: &FileShare, place: &str) -> String {
    let percent = percent(share.file_share);
    let gain = figures::seconds(share.gain_seconds);
    let place = if share.recorded_elsewhere {
        &format!(" where it was recorded{place}")
    } else {
        place
    };
    // The share is of the work, however short the waiting is.
    let worked = figures::seconds(share.seconds - share.outside_seconds);
    if !share.waits() {
        return format!("{percent} of {name} is file access: {gain} of {worked}{place}");
    }
    let outside = figures::seconds(share.outside_seconds);
    format!(
        "{percent} of what {name} does is file access: {gain} of {worked}{place}, beside \
         {outside} in \
         which it waits for the outside (timers, network, people)"
    )
}

/// What the tool does all the time if it isn't file access.
fn instead(share: &FileShare) -> &'static str {
    if share.outside_seconds > MOST * share.seconds {
        "it waits"
    } else {
        "it computes"
    }
}

fn describe(place: &PlaceShare) -> String {
    let directory = place.directory.as_deref().unwrap_or_default();
    let directory = figures::shortened(directory, 40);
    match place.kind {
        PlaceKind::Workspace => "the workspace".into(),
        PlaceKind::Mount => format!("the mount {directory}"),
        PlaceKind::Toolchain => "the toolchain".into(),
        PlaceKind::System => "the system's files".into(),
        PlaceKind::Other => "other places".into(),
    }
}

/// The command as far as it names the tool.
fn name(command: &[String]) -> String {
    let Some((program, args)) = command.split_first() else {
        return "the tool's time".into();
    };
    let program = program.rsplit('/').next().unwrap_or(program);
    let words = std::iter::once(program)
        .chain(args.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ");
    let mut text = String::new();
    for character in words.chars() {
        let before = text.len();
        fsreplay_shown::push(&mut text, character);
        // Whole escapes only.
        if text.chars().count() > NAME {
            text.truncate(before);
            while text.chars().count() >= NAME {
                text.pop();
            }
            text.push('…');
            break;
        }
    }
    format!("`{text}`")
}

/// A share that is neither nothing nor all is never shown as such.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 1.0 {
        "less than 1 %".into()
    } else if percent > 99.0 && percent < 100.0 {
        "more than 99 %".into()
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(seconds: f64, gain: f64, outside: f64) -> FileShare {
        FileShare {
            file_share: gain / (seconds - outside),
            seconds,
            gain_seconds: gain,
            call_seconds: gain,
            computing_seconds: seconds - gain - outside,
            queued_seconds: 0.0,
            outside_seconds: outside,
            recorded_elsewhere: false,
            places: Vec::new(),
            sentence: String::new(),
        }
    }

    fn place(kind: PlaceKind, gain_seconds: f64) -> PlaceShare {
        PlaceShare {
            kind,
            directory: None,
            call_seconds: gain_seconds,
            gain_seconds,
            share: 0.0,
        }
    }

    fn told(words: &[&str], share: &FileShare) -> String {
        let command: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        sentence(&command, share)
    }

    #[test]
    fn times_of_another_machine_are_said_to_be_that() {
        let mut elsewhere = share(2.0, 1.0, 0.0);
        elsewhere.recorded_elsewhere = true;
        elsewhere.places = vec![place(PlaceKind::Workspace, 1.0)];
        assert_eq!(
            told(&["npm", "ci"], &elsewhere),
            "50 % of `npm ci` is file access: 1.00 s of 2.00 s where it was recorded, in the \
             workspace. Up to 50 % can be gained."
        );
    }

    #[test]
    fn a_small_share_says_what_the_tool_does_instead() {
        assert_eq!(
            told(&["/usr/bin/npm", "ls"], &share(0.822, 0.018, 0.0)),
            "2 % of `npm ls` is file access: 18.0 ms of 822 ms. No mount can help: it computes."
        );
        assert_eq!(
            told(&["watch"], &share(8.3, 0.05, 8.0)),
            "17 % of what `watch` does is file access: 50.0 ms of 300 ms, beside 8.00 s in which \
             it \
             waits for the outside (timers, network, people). No mount can help: it waits."
        );
        assert_eq!(
            told(&["curl"], &share(2.0, 0.01, 0.5)),
            "less than 1 % of what `curl` does is file access: 10.0 ms of 1.50 s, beside 500 ms in \
             which it waits for the outside (timers, network, people). No mount can help: it \
             computes."
        );
    }

    #[test]
    fn a_large_share_says_where_and_how_much_can_be_gained() {
        let mut large = share(1.0, 0.61, 0.0);
        assert_eq!(
            told(&["git", "status"], &large),
            "61 % of `git status` is file access: 610 ms of 1.00 s. Up to 61 % can be gained."
        );
        large.places = vec![
            place(PlaceKind::Workspace, 0.4),
            place(PlaceKind::System, 0.2),
        ];
        let most = sentence(&[], &large);
        assert!(
            most.starts_with("61 % of the tool's time is file access"),
            "{most}"
        );
        assert!(
            most.contains("1.00 s, most of it in the workspace. Up"),
            "{most}"
        );
        large.places = vec![place(PlaceKind::Toolchain, 0.61)];
        let all = sentence(&[], &large);
        assert!(all.contains("1.00 s, in the toolchain. Up"), "{all}");
        let mut waits = share(8.3, 0.15, 8.0);
        waits.places = vec![place(PlaceKind::Workspace, 0.15)];
        let placed = told(&["watch"], &waits);
        // What lies there is file access, and not the waiting.
        assert!(
            placed.contains("150 ms of 300 ms, in the workspace, beside 8.00 s"),
            "{placed}"
        );
        waits.places.clear();
        let waits = told(&["watch"], &waits);
        assert_eq!(
            waits,
            "50 % of what `watch` does is file access: 150 ms of 300 ms, beside 8.00 s in which it \
             waits for the outside (timers, network, people). Up to 50 % can be gained."
        );
    }

    #[test]
    fn a_wait_too_short_to_be_told_is_no_part_of_the_time_that_the_share_is_of() {
        let told = told(&["git", "status"], &share(0.0588, 0.0529, 0.0013));
        assert_eq!(
            told,
            "92 % of `git status` is file access: 52.9 ms of 57.5 ms. Up to 92 % can be gained."
        );
    }

    #[test]
    fn percents_have_two_digits_at_most_and_are_never_all_or_nothing_by_rounding() {
        let told = [0.0, 0.004, 0.0149, 0.126, 0.616, 0.995, 1.0].map(percent);
        let wanted = [
            "0 %",
            "less than 1 %",
            "1 %",
            "13 %",
            "62 %",
            "more than 99 %",
            "100 %",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn a_command_is_named_by_its_beginning_and_shown_safely() {
        let command = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            name(&words)
        };
        assert_eq!(command(&["/opt/x/bin/tool", "-v"]), "`tool -v`");
        let long = command(&["sh", "-c", &"x".repeat(100)]);
        assert_eq!(long.chars().count(), NAME + 2, "{long}");
        assert!(
            long.starts_with("`sh -c xxx") && long.ends_with("x…`"),
            "{long}"
        );
        let exact = command(&[&"y".repeat(NAME)]);
        assert_eq!(exact, format!("`{}`", "y".repeat(NAME)));
        let hostile = command(&["a\u{1b}[31m", &"\u{1b}".repeat(40)]);
        assert!(
            !hostile.contains('\u{1b}') && hostile.chars().count() <= NAME + 2,
            "{hostile}"
        );
        // No half of an escape is left.
        let escape = &command(&["\n"])[1..];
        let escape = escape.trim_end_matches('`').len();
        let inner = hostile.trim_matches('`').trim_end_matches('…');
        assert!(escape > 1 && !inner.ends_with('\\'), "{hostile}");
    }

    #[test]
    fn nothing_known_is_told_as_such() {
        let none = FileShare {
            file_share: 0.0,
            ..share(0.0, 0.0, 0.0)
        };
        assert_eq!(told(&["x"], &none), "nothing is known of the tool's time");
    }
}
