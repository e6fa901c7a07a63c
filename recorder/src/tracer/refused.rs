//! Tools whose wish to trace can't be granted: a task has one tracer, and that is the recorder.
//! Such a tool gets `EPERM`.
//!
//! Many don't ask whether it went well: they wait for a stop that nobody tells them of, or end and
//! leave children behind that wait for their tracer, stopped perhaps. Nothing would end these.

use super::Tracer;
use super::tracee::Traced;
use crate::spawn;

impl Tracer {
    /// A task was refused to trace.
    pub(super) fn refused_to_trace(&mut self, tid: i32, whom: Traced) {
        let name = spawn::program_name(tid);
        let process = spawn::status_field(tid, "Tgid:").unwrap_or(tid);
        let is_news = self.session.warnings.insert(format!(
            "{name} tried to trace (ptrace: EPERM), which can't be while it is recorded"
        ));
        if is_news {
            // Now: it may wait without end.
            self.to_tell.push(format!(
                "{name} ({process}) can't trace (ptrace: EPERM), because it is recorded. If it \
                 waits for what it wanted to trace, Ctrl-C ends it; run it without recording, or \
                 record what it traces"
            ));
        }
        if whom == Traced::Itself {
            self.ending.waits_for_tracer(process);
        }
        for child in spawn::children(process) {
            self.ending.waits_for_tracer(child);
        }
    }
}
