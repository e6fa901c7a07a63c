//! How much of a tool's time is file access, in a sentence.

use fsreplay_replayer::forecast::Calls;
use fsreplay_replayer::plan::Plan;
use fsreplay_results::share::{FileShare, NOTICED, PlaceKind, PlaceShare};

use crate::args::TraceArgs;
use crate::compare::result::Described;
use crate::exit::{self, Failure};
use crate::planning;
use crate::term;

/// What makes up so much of a time explains it.
const MOST: f64 = 0.5;

/// Characters of a command that name it well enough.
const NAME: usize = 40;

/// The share of a trace, with its sentence; none where it can't be told.
pub fn of(trace: &TraceArgs) -> Result<Option<FileShare>, Failure> {
    Ok(of_whole(trace, false)?.ok())
}

/// The same, or why it can't be told: a trace may be too large for a plan.
pub fn of_whole(trace: &TraceArgs, truncated: bool) -> Result<Result<FileShare, String>, Failure> {
    let (plan, header) = match planning::plan_on_paper(trace, truncated) {
        Ok(planned) => planned,
        Err(failure) if failure.code == exit::TRACE => return Ok(Err(failure.message)),
        Err(failure) => return Err(failure),
    };
    let command = header.command.iter();
    let command: Vec<String> = command
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    let share = fsreplay_replayer::share::share(&plan, &header);
    Ok(share
        .map(|share| FileShare {
            sentence: sentence(&command, &share),
            ..share
        })
        .map_err(|error| exit::chain(&error)))
}

/// The share where calls take what was measured, with its sentence; none where it can't be told.
pub fn measured(plan: &Plan, trace: &Described, calls: &Calls) -> Option<FileShare> {
    let share = fsreplay_replayer::share::measured(plan, &trace.header, calls).ok()?;
    Some(FileShare {
        sentence: sentence(&trace.trace.command, &share),
        ..share
    })
}

/// One or two sentences: how much of what is file access, and what a mount can gain.
pub fn sentence(command: &[String], share: &FileShare) -> String {
    if share.seconds <= 0.0 {
        return "nothing is known of the tool's time".into();
    }
    let mut text = part(&name(command), share);
    if share.is_small() {
        text.push_str(&format!(". No mount can help: {}.", instead(share)));
        return text;
    }
    if let Some(place) = share.places.first() {
        let all = place.gain_seconds > (1.0 - NOTICED) * share.gain_seconds;
        if all || place.gain_seconds > MOST * share.gain_seconds {
            let much = if all { "" } else { "most of it " };
            text.push_str(&format!(", {much}in {}", describe(place)));
        }
    }
    text.push_str(&format!(
        ". Up to {} can be gained",
        percent(share.file_share)
    ));
    text.push('.');
    text
}

/// How much of a tool is file access: of what it does, where it also waits.
fn part(name: &str, share: &FileShare) -> String {
    let percent = percent(share.file_share);
    let gain = term::seconds(share.gain_seconds);
    if share.outside_seconds <= NOTICED * share.seconds {
        let whole = term::seconds(share.seconds);
        return format!("{percent} of {name} is file access: {gain} of {whole}");
    }
    let worked = term::seconds(share.seconds - share.outside_seconds);
    let outside = term::seconds(share.outside_seconds);
    format!(
        "{percent} of what {name} does is file access: {gain} of {worked}, beside {outside} in which \
         it waits for the outside (timers, network, people)"
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
    let directory = term::shortened(directory, 40);
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
    let words = std::iter::once(program).chain(args.iter().map(String::as_str));
    let words = words.collect::<Vec<_>>().join(" ");
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
    fn a_small_share_says_what_the_tool_does_instead() {
        assert_eq!(
            told(&["/usr/bin/npm", "ls"], &share(0.822, 0.018, 0.0)),
            "2 % of `npm ls` is file access: 18.0 ms of 822 ms. No mount can help: it computes."
        );
        assert_eq!(
            told(&["watch"], &share(8.3, 0.05, 8.0)),
            "17 % of what `watch` does is file access: 50.0 ms of 300 ms, beside 8.00 s in which it \
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
        let waits = told(&["watch"], &share(8.3, 0.15, 8.0));
        assert_eq!(
            waits,
            "50 % of what `watch` does is file access: 150 ms of 300 ms, beside 8.00 s in which it \
             waits for the outside (timers, network, people). Up to 50 % can be gained."
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
