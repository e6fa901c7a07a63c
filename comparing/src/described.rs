//! What a trace says of itself.

use fsreplay_inspector::{Inspector, Options, inspect};
use fsreplay_replayer::forecast::Calls;
use fsreplay_replayer::plan::{OwnTime, Plan};
use fsreplay_results::inspect::Inspect;
use fsreplay_results::timeline::Phase;
use fsreplay_results::{FileShare, Trace};
use fsreplay_trace::model::Header;

use crate::caveats::Unrecorded;
use crate::error::Error;
use crate::share::{self, OnPaper};
use crate::source::Source;

/// What one look at a trace gives.
pub struct Read {
    /// For flame graphs.
    pub inspector: Inspector,
    /// All but how much of the time is file access.
    pub inspection: Inspect,
    /// The trace's header.
    pub header: Header,
}

/// Looks at a trace once.
///
/// # Errors
/// [`Error::Trace`].
pub fn read(trace: &Source, options: &Options) -> Result<Read, Error> {
    let mut reader = trace.reader()?;
    let inspector = inspect(&mut reader, options).map_err(|error| trace.failed(error))?;
    let inspection = inspector.finish(reader.tables(), reader.footer(), options);
    Ok(Read {
        inspector,
        inspection,
        header: reader.header().clone(),
    })
}

/// What a trace says of itself.
#[derive(Clone)]
pub struct Described {
    /// Where it is read.
    pub source: Source,
    /// Its header.
    pub header: Header,
    /// The trace, for results.
    pub trace: Trace,
    /// What the recorder saw and did not record.
    pub unrecorded: Unrecorded,
    /// When the tool worked, if it also waited for what is outside of it; else empty.
    pub phases: Vec<Phase>,
    /// The tool's own time by its runs without the recorder, if the trace knows any.
    pub time: Option<OwnTime>,
    /// How much of its time is file access, by the trace alone, where that can be told.
    pub share: Option<FileShare>,
}

impl Described {
    /// The share of file access where calls take what was measured; none where it can't be told.
    pub(crate) fn measured_share(&self, plan: &Plan, calls: &Calls) -> Option<FileShare> {
        share::measured(plan, &self.header, &self.trace.command, calls)
    }

    /// Reads and plans a trace on paper.
    ///
    /// # Errors
    /// [`Error::Trace`].
    pub fn read(trace: &Source) -> Result<Described, Error> {
        Described::with(trace, share::on_paper(trace, false)?)
    }

    /// Reads what a trace says of itself, but for what it says on paper.
    ///
    /// # Errors
    /// [`Error::Trace`].
    pub fn with(trace: &Source, on_paper: OnPaper) -> Result<Described, Error> {
        let options = Options {
            top: 0,
            truncated: false,
        };
        let read = read(trace, &options)?;
        Ok(Described::of(
            trace,
            read.header,
            &read.inspection,
            on_paper,
        ))
    }

    /// The same of a trace that was inspected.
    pub fn of(
        trace: &Source,
        header: Header,
        inspection: &Inspect,
        on_paper: OnPaper,
    ) -> Described {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let unrecorded = Unrecorded {
            calls: inspection.unrecorded.clone(),
            events: inspection.events,
        };
        let phases = inspection.timeline.phases.iter();
        // What made no call has nothing that a mount could change.
        let phases: Vec<Phase> = phases.filter(|phase| phase.events > 0).cloned().collect();
        let told = Trace {
            id: identity(trace),
            command: header.command.iter().map(text).collect(),
            cwd: text(&header.cwd),
            events: inspection.events,
            recorded_on: format!("{} Linux {}", header.architecture, header.kernel),
            elapsed_seconds: Some(inspection.elapsed_seconds),
        };
        Described {
            source: trace.clone(),
            header,
            trace: told,
            unrecorded,
            phases: if phases.len() > 1 { phases } else { Vec::new() },
            time: on_paper.time,
            share: on_paper.share.ok(),
        }
    }
}

/// FNV-1a of the file's bytes (Fowler, Noll, Vo): the same trace has the same on every machine.
fn identity(trace: &Source) -> String {
    let bytes = trace.bytes().unwrap_or_default();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
