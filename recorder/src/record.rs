//! One recording from start to end.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use fsreplay_trace::format;
use fsreplay_trace::model::{Header, Samples};

use crate::error::RecordError;
use crate::headroom::Headroom;
use crate::limits::Raised;
use crate::options::{Backend, Observer, RecordOptions, Recording};
use crate::output::Incomplete;
use crate::recording;
use crate::spawn;
use crate::sys;
use crate::sys::process::Work;
use crate::sys::signal::{Blocked, FileSizeLimit, Handlers, Ticker};
use crate::tracer::costs;
use crate::tracer::filter::Rings;
use crate::tracer::inside::Inside;
use crate::tracer::rate::Rate;
use crate::tracer::{BrokenOff, Ended, Tracer};
use crate::unobserved::Again;

const WITHHELD: &str = "io_uring was withheld from the tool (--no-io-uring): \
    io_uring_setup failed with ENOSYS, as where the kernel has none";

const NOT_HERE: &str = "nothing can be recorded inside the tool on this machine (its processor, or \
    its kernel): all was recorded by ptrace";

/// Runs a command under observation and writes the trace; blocks until the last of its tasks has
/// ended.
///
/// An error means that the command was not run, or (if the kernel lets the recorder down) that it
/// was killed. What goes wrong with the trace once the command runs is told by
/// [`Recording::fault`].
///
/// Takes over SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGCONT and SIGALRM of the process while
/// it runs, and waits for any child of this thread: a caller must not record twice at the same
/// time, nor have children that this thread made and that it waits for itself.
pub fn record(
    options: &RecordOptions,
    observer: &mut dyn Observer,
) -> Result<Recording, RecordError> {
    let command = options.command.first().ok_or(RecordError::NoCommand)?;
    let path = spawn::find(command)?;
    let program = spawn::prepare(&path, &options.command)?;
    let cwd = std::env::current_dir().map_err(RecordError::system("getcwd"))?;
    let blocked = Blocked::new().map_err(RecordError::system("pthread_sigmask"))?;
    let _limit = FileSizeLimit::survive().map_err(RecordError::system("sigaction"))?;
    let (incomplete, file) = Incomplete::create(&options.output, options.force, &cwd)?;

    let headroom = Headroom::new()?;
    let rate = match options.backend {
        Backend::Ptrace => None,
        Backend::Inside | Backend::Auto => Rate::begin(),
    };
    let costs = costs::measure(options.affinity, rate.is_some(), &blocked)?;
    let inside = rate.and_then(|rate| Inside::new(rate, options));
    let mut child = spawn::spawn(
        Work::Program(&program),
        Rings::of(options),
        Inside::instruction(&inside),
        &blocked,
    )?;
    let pid = child.pid();
    let raised = Raised::new();
    let handlers = Handlers::install().map_err(RecordError::system("sigaction"))?;
    let _ticker = Ticker::start(&handlers).map_err(RecordError::system("timer_create"))?;

    let mut header = header(options, &cwd);
    header.costs = Some(costs.together);
    if inside.is_some() {
        header.backend = Header::INSIDE.to_owned();
    }
    let (mut session, clock) =
        recording::begin(Box::new(file), &header, blocked, options.keep_arguments)?;
    if options.withhold_io_uring {
        session.warnings.insert(WITHHELD.to_owned());
    }
    if options.backend == Backend::Inside && inside.is_none() {
        session.warnings.insert(NOT_HERE.to_owned());
    }
    let tracer = Tracer::new(session, clock, costs, inside, pid, headroom, options);
    child
        .go()
        .map_err(RecordError::system("write to the child"))?;
    let ended = tracer.run(observer)?;
    if let Some(source) = child.failure() {
        return Err(RecordError::SeccompMissing { source });
    }
    if let Some(source) = ended.exec_error {
        let command = command.into();
        return Err(RecordError::NotExecutable { command, source });
    }
    let status = ended.status;
    let mut recording = finish(ended, incomplete);
    // The command gets the limits that it had.
    drop(raised);
    if let Some(calibration) = options.calibration.as_ref()
        && recording.fault.is_none()
    {
        let again = Again {
            command: &options.command,
            calibration,
            status,
            recorded: Duration::from_nanos(recording.footer.elapsed),
        };
        calibrate(&again, &mut recording, observer);
    }
    Ok(recording)
}

/// Adds what runs without the recorder took to a trace that is whole and in its place.
fn calibrate(again: &Again<'_>, recording: &mut Recording, observer: &mut dyn Observer) {
    let (runs, reason) = again.runs(observer);
    if let Some(reason) = reason {
        observer.warning(&reason);
    }
    if runs.is_empty() {
        return;
    }
    recording.footer.samples = Some(Samples {
        engine: Samples::ENGINE,
        runs,
    });
    if let Err(error) = format::replace_footer(&recording.path, &recording.footer) {
        recording.footer.samples = None;
        observer.warning(&format!(
            "what the runs without recording took could not be added to the trace: {error}"
        ));
    }
}

/// The command has run: whatever fails from now on, its status counts, and what there is of the
/// trace is kept.
fn finish(ended: Ended, incomplete: Incomplete) -> Recording {
    let Ended {
        trace,
        footer,
        status,
        ..
    } = ended;
    let trace = trace.map_err(|BrokenOff { error, unrecorded }| (error, unrecorded));
    recording::finish(trace, footer, status, incomplete)
}

fn header(options: &RecordOptions, cwd: &Path) -> Header {
    let (uid, gid) = sys::effective_ids();
    let mountinfo = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let kept = if options.keep_arguments {
        usize::MAX
    } else {
        1
    };
    Header {
        command: options
            .command
            .iter()
            .take(kept)
            .map(|argument| argument.clone().into_vec())
            .collect(),
        cwd: cwd.as_os_str().as_bytes().to_vec(),
        umask: sys::umask(),
        uid,
        gid,
        groups: sys::groups(),
        cpus: sys::affinity::get(0).map_or(1, |mask| mask.count()),
        ..recording::header_of_machine(&mountinfo, "ptrace")
    }
}
