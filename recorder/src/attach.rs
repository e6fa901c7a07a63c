//! One recording of what runs already, from attaching to letting go.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use fsreplay_trace::model::Header;

use crate::error::RecordError;
use crate::limits::Raised;
use crate::options::{AttachOptions, Observer, Recording};
use crate::output::Incomplete;
use crate::recording;
use crate::spawn;
use crate::sys;
use crate::sys::signal::{Blocked, FileSizeLimit, Handlers, Ticker};
use crate::tracer::attached::{self, Attached, Left};

/// Attaches to a process that runs, all its threads and what it makes from then on, and writes the
/// trace; blocks until it has ended, or until SIGINT, SIGTERM, SIGHUP or SIGQUIT ask for the end.
/// Then, and whenever the recording can't go on, it is let go and runs on as before.
///
/// An error means that nothing was recorded. What goes wrong with the trace later is told by
/// [`Recording::fault`]. The status is 0 for a tool that was let go.
///
/// Takes over signals and waits for children as [`record`](crate::record()) does.
///
/// # Errors
/// No such process, one that may not be attached to or is traced already, and an output that can't
/// be made.
pub fn attach(
    options: &AttachOptions,
    observer: &mut dyn Observer,
) -> Result<Recording, RecordError> {
    let pid = attached::process_of(options.pid)?;
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_else(|_| PathBuf::from("/"));
    let blocked = Blocked::new().map_err(RecordError::system("pthread_sigmask"))?;
    let _limit = FileSizeLimit::survive().map_err(RecordError::system("sigaction"))?;
    let (incomplete, file) = Incomplete::create(&options.output, options.force, &cwd)?;
    let _raised = Raised::new();
    let handlers = Handlers::install().map_err(RecordError::system("sigaction"))?;
    let _ticker = Ticker::start(&handlers).map_err(RecordError::system("timer_create"))?;
    let seized = attached::seize(pid)?;
    let header = header(options, pid, &cwd);
    let (session, clock) =
        recording::begin(Box::new(file), &header, blocked, options.keep_arguments)?;
    let left = Attached::new(session, clock, &seized).run(seized, observer);
    let Left { trace, footer } = left;
    let status = footer.status.unwrap_or(0);
    // What is called later isn't seen.
    let trace = trace.map_err(|error| (error, 0));
    Ok(recording::finish(trace, footer, status, incomplete))
}

/// What is known of the process at this moment.
fn header(options: &AttachOptions, pid: i32, cwd: &Path) -> Header {
    let mountinfo = fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    // Real, effective, saved, of files.
    let effective = |name| -> u32 {
        let ids = spawn::status_text(pid, name).unwrap_or_default();
        let id = ids.split_ascii_whitespace().nth(1);
        id.and_then(|id| id.parse().ok()).unwrap_or(0)
    };
    let groups = spawn::status_text(pid, "Groups:").unwrap_or_default();
    let umask = spawn::status_text(pid, "Umask:").unwrap_or_default();
    Header {
        command: attached::command_of(pid, options.keep_arguments),
        cwd: cwd.as_os_str().as_bytes().to_vec(),
        umask: u32::from_str_radix(&umask, 8).unwrap_or(0o022),
        uid: effective("Uid:"),
        gid: effective("Gid:"),
        groups: groups
            .split_ascii_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect(),
        cpus: sys::affinity::get(pid).map_or(1, |mask| mask.count()),
        ..recording::header_of_machine(&mountinfo, "ptrace, attached")
    }
}
