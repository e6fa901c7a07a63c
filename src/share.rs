//! How much of a tool's time is file access, in a sentence.

use fsreplay_results::share::{FileShare, PlaceKind, PlaceShare};

use crate::args::TraceArgs;
use crate::exit::{self, Failure};
use crate::planning;
use crate::term;

/// What makes less of a difference nobody notices: the same bound as for times that count as equal.
const NOTICED: f64 = 0.05;
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

/// Whether no mount can make a difference that anyone would notice.
pub fn is_small(share: &FileShare) -> bool {
    share.file_share < NOTICED
}

/// One or two sentences: how much of what is file access, and what a mount can gain.
pub fn sentence(command: &[String], share: &FileShare) -> String {
    if share.seconds <= 0.0 {
        return "nothing is known of the tool's time".into();
    }
    let name = name(command);
    let whole = term::seconds(share.seconds);
    let part = format!(
        "{} of {name} is file access: {} of {whole}",
        percent(share.file_share),
        term::seconds(share.gain_seconds),
    );
    if is_small(share) {
        return format!("{part}. No mount can help: {}.", instead(share));
    }
    let mut text = part;
    if let Some(place) = share.places.first() {
        let all = place.gain_seconds > (1.0 - NOTICED) * share.gain_seconds;
        if all || place.gain_seconds > MOST * share.gain_seconds {
            let much = if all { "" } else { "most of it " };
            text.push_str(&format!(", {much}in {}", describe(place)));
        }
    }
    text.push_str(". No mount can gain more than that");
    if share.outside_seconds > MOST * share.seconds {
        text.push_str("; most of the time it waits for the outside");
    }
    text.push('.');
    text
}

/// What the tool does all the time if it isn't file access.
fn instead(share: &FileShare) -> String {
    let outside = share.outside_seconds;
    if outside > MOST * share.seconds {
        format!(
            "it waits for the outside (timers, network, people), {}",
            term::seconds(outside)
        )
    } else if outside > NOTICED * share.seconds {
        format!(
            "it computes, and waits {} for the outside (timers, network, people)",
            term::seconds(outside)
        )
    } else {
        "it computes".into()
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
    let text = fsreplay_shown::shown(words.as_bytes());
    if text.chars().count() <= NAME {
        return format!("`{text}`");
    }
    let kept: String = text.chars().take(NAME - 1).collect();
    format!("`{kept}…`")
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
