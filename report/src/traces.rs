//! Which results belong together: those of one trace, whatever machine and day they are from.

use fsreplay_results::advise::Advise;
use fsreplay_results::compare::Compare;
use fsreplay_results::inspect::Inspect;
use fsreplay_results::play::Play;
use fsreplay_results::share::FileShare;
use fsreplay_results::why::Why;
use fsreplay_results::{Document, Trace};

/// All results of one trace, in the order given.
#[derive(Debug, Default)]
pub struct OfTrace {
    /// What is known of the trace.
    pub trace: Trace,
    /// Answers of `why`, without the results that they are made of: those stand below.
    pub whys: Vec<Why>,
    /// Comparisons: one for each machine or day.
    pub compares: Vec<Compare>,
    /// Advice.
    pub advises: Vec<Advise>,
    /// Inspections; a trace has one, but its input may have been given twice.
    pub inspects: Vec<Inspect>,
    /// Replays.
    pub plays: Vec<Play>,
}

/// Groups results by trace, in the order in which the traces are first named.
pub fn merge(documents: Vec<Document>) -> Vec<OfTrace> {
    let mut groups: Vec<OfTrace> = Vec::new();
    let shown = documents.into_iter().filter(is_shown);
    // Results that name their trace come first: others may find their place among them.
    let (named, unnamed): (Vec<_>, Vec<_>) =
        shown.partition(|document| !trace(document).id.is_empty());
    for document in named.into_iter().chain(unnamed) {
        let trace = trace(&document);
        let index = groups
            .iter()
            .position(|group| is_same(&group.trace, &trace))
            .unwrap_or_else(|| {
                groups.push(OfTrace::default());
                groups.len() - 1
            });
        if let Some(group) = groups.get_mut(index) {
            complete(&mut group.trace, trace);
            group.add(document);
        }
    }
    groups
}

/// Whether a page has something to show of a result; `fsreplay report` refuses the others.
pub fn is_shown(document: &Document) -> bool {
    match document {
        Document::Compare(_)
        | Document::Advise(_)
        | Document::Inspect(_)
        | Document::Play(_)
        | Document::Why(_) => true,
        Document::Info(_)
        | Document::Library(_)
        | Document::Scorecard(_)
        | Document::Mounts(_)
        | Document::Diff(_) => false,
    }
}

/// By identity; where one of them lacks it, by the number of events and, if both tell, the command.
fn is_same(known: &Trace, other: &Trace) -> bool {
    if !known.id.is_empty() && !other.id.is_empty() {
        return known.id == other.id;
    }
    let is_command_same =
        known.command.is_empty() || other.command.is_empty() || known.command == other.command;
    known.events > 0 && known.events == other.events && is_command_same
}

fn trace(document: &Document) -> Trace {
    match document {
        Document::Compare(compare) => compare.trace.clone(),
        Document::Advise(advise) => advise.trace.clone(),
        Document::Inspect(inspect) => Trace {
            command: inspect.command.clone(),
            events: inspect.events,
            elapsed_seconds: Some(inspect.elapsed_seconds).filter(|s| *s > 0.0),
            ..Trace::default()
        },
        Document::Play(play) => Trace {
            events: play.events,
            ..Trace::default()
        },
        Document::Why(why) => why.trace.clone(),
        Document::Info(_)
        | Document::Library(_)
        | Document::Scorecard(_)
        | Document::Mounts(_)
        | Document::Diff(_) => Trace::default(),
    }
}

/// Fills in what is not known yet.
fn complete(known: &mut Trace, other: Trace) {
    for (mine, theirs) in [
        (&mut known.id, other.id),
        (&mut known.cwd, other.cwd),
        (&mut known.recorded_on, other.recorded_on),
    ] {
        if mine.is_empty() {
            *mine = theirs;
        }
    }
    if known.command.is_empty() {
        known.command = other.command;
    }
    if known.events == 0 {
        known.events = other.events;
    }
    known.elapsed_seconds = known.elapsed_seconds.or(other.elapsed_seconds);
}

impl OfTrace {
    fn add(&mut self, document: Document) {
        match document {
            Document::Compare(compare) => self.compares.push(compare),
            Document::Advise(advise) => self.advises.push(advise),
            Document::Inspect(inspect) => self.inspects.push(inspect),
            Document::Play(play) => self.plays.push(play),
            Document::Why(mut why) => {
                self.inspects.push(std::mem::take(&mut why.inspect));
                // Its own sentence says what theirs say.
                self.compares
                    .extend(why.compare.take().map(|compare| Compare {
                        sentence: String::new(),
                        ..compare
                    }));
                self.advises.extend(why.advise.take().map(|advise| Advise {
                    sentence: String::new(),
                    ..advise
                }));
                self.whys.push(*why);
            }
            Document::Info(_)
            | Document::Library(_)
            | Document::Scorecard(_)
            | Document::Mounts(_)
            | Document::Diff(_) => {}
        }
    }

    /// How much of the tool's time is file access, if any of the results tells.
    pub fn share(&self) -> Option<&FileShare> {
        let inspects = self.inspects.iter().rev().map(|one| &one.share);
        let compares = self.compares.iter().map(|one| &one.share);
        let advises = self.advises.iter().map(|one| &one.share);
        let all = inspects.chain(compares).chain(advises);
        all.flatten().find(|share| share.seconds > 0.0)
    }

    /// The recorded command, as a line.
    pub fn title(&self) -> String {
        if self.trace.command.is_empty() {
            "a recorded command".into()
        } else {
            self.trace.command.join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: &str, rest: &str) -> Document {
        let text = format!(r#"{{"schema_version":1,"kind":"{kind}",{rest}}}"#);
        Document::parse("r.json", text.as_bytes()).expect("a result")
    }

    #[test]
    fn results_are_merged_by_the_identity_of_their_trace() {
        let groups = merge(vec![
            document("inspect", r#""command":["npm","ci"],"events":7"#),
            document(
                "compare",
                r#""trace":{"id":"a1","command":["npm","ci"],"events":7}"#,
            ),
            document(
                "compare",
                r#""trace":{"id":"b2","command":["npm","ci"],"events":8}"#,
            ),
            document(
                "compare",
                r#""trace":{"id":"a1"},"machine":{"host":"other"}"#,
            ),
            document("advise", r#""trace":{"id":"b2"}"#),
            document("play", r#""events":8"#),
        ]);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].title(), "npm ci");
        assert_eq!((groups[0].compares.len(), groups[0].inspects.len()), (2, 1));
        assert_eq!((groups[1].advises.len(), groups[1].plays.len()), (1, 1));
    }

    #[test]
    fn traces_of_other_commands_stay_apart() {
        let groups = merge(vec![
            document("inspect", r#""command":["a"],"events":7"#),
            document("inspect", r#""command":["b"],"events":7"#),
            document("play", r#""events":0"#),
        ]);
        assert_eq!(groups.len(), 3);
    }
}
