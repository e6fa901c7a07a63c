//! Which results belong together: those of one trace, whatever machine and day they are from.

use crate::documents::advise::Advise;
use crate::documents::compare::Compare;
use crate::documents::inspect::Inspect;
use crate::documents::play::Play;
use crate::documents::{Document, Trace};

/// All results of one trace, in the order given.
#[derive(Debug, Default)]
pub struct OfTrace {
    /// What is known of the trace.
    pub trace: Trace,
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
    // Results that name their trace come first: others may find their place among them.
    let (named, unnamed): (Vec<_>, Vec<_>) = documents
        .into_iter()
        .partition(|document| !trace(document).id.is_empty());
    for document in named.into_iter().chain(unnamed) {
        let trace = trace(&document);
        let index = groups
            .iter()
            .position(|group| is_same(&group.trace, &trace));
        let index = index.unwrap_or_else(|| {
            groups.push(OfTrace::default());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(index) {
            group.trace.complete_from(trace);
            group.add(document);
        }
    }
    groups
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
        Document::Inspect(inspect) => {
            let mut trace = inspect.trace.clone();
            trace.complete_from(Trace {
                command: inspect.command.clone(),
                events: inspect.events,
                elapsed_seconds: Some(inspect.elapsed_seconds).filter(|s| *s > 0.0),
                ..Trace::default()
            });
            trace
        }
        Document::Play(play) => {
            let mut trace = play.trace.clone();
            trace.complete_from(Trace {
                events: play.events,
                ..Trace::default()
            });
            trace
        }
    }
}

impl Trace {
    /// Fills in what is not known yet.
    fn complete_from(&mut self, other: Trace) {
        for (mine, theirs) in [
            (&mut self.id, other.id),
            (&mut self.cwd, other.cwd),
            (&mut self.recorded_on, other.recorded_on),
        ] {
            if mine.is_empty() {
                *mine = theirs;
            }
        }
        if self.command.is_empty() {
            self.command = other.command;
        }
        if self.events == 0 {
            self.events = other.events;
        }
        self.elapsed_seconds = self.elapsed_seconds.or(other.elapsed_seconds);
    }
}

impl OfTrace {
    fn add(&mut self, document: Document) {
        match document {
            Document::Compare(compare) => self.compares.push(compare),
            Document::Advise(advise) => self.advises.push(advise),
            Document::Inspect(inspect) => self.inspects.push(inspect),
            Document::Play(play) => self.plays.push(play),
        }
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
