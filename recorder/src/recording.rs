//! What a recording of a command and one of what runs already have in common: what the header says
//! of the machine, how a session begins, and where the trace goes at the end.

use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use fsreplay_trace::model::{Footer, Header};

use crate::arch;
use crate::error::RecordError;
use crate::machine::Machine;
use crate::mountinfo;
use crate::options::{Fault, Kept, Recording, Status};
use crate::output::{Incomplete, Stranded};
use crate::session::trace::Sink;
use crate::session::{Session, States, Trace, World};
use crate::sys;
use crate::sys::signal::Blocked;
use crate::tracer::Clock;

/// The part of a header that tells of this machine; of the process there is only what its
/// `mountinfo` says.
pub fn header_of_machine(mountinfo: &[u8], backend: &str) -> Header {
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    Header {
        producer: format!("fsreplay {}", env!("CARGO_PKG_VERSION")),
        architecture: std::env::consts::ARCH.to_owned(),
        kernel: sys::kernel_release(),
        page_size: sys::page_size(),
        backend: backend.to_owned(),
        started: started.map_or(0, |time| time.as_secs() as i64),
        mounts: mountinfo::parse(mountinfo),
        costs: None,
        tells_waiting: true,
        ..Header::default()
    }
}

/// Begins the trace and what follows the tool, with the clock that all its times are of. Signals
/// are let in once the trace's own thread runs, which takes none: they must interrupt the wait of
/// this one.
///
/// # Errors
/// The beginning of the trace can't be written.
pub fn begin(
    file: Sink,
    header: &Header,
    blocked: Blocked,
    keep_arguments: bool,
) -> Result<(Session, Clock), RecordError> {
    let mut trace = Trace::new(file, header)?;
    drop(blocked);
    let clock = Clock::start();
    let world: Rc<dyn World> = Rc::new(Machine);
    let states = States::new(&header.mounts, Rc::clone(&world), &mut trace);
    let privileged = sys::effective_ids().0 == 0;
    let mut session = Session::new(trace, states, world, arch::ARCHITECTURE, privileged);
    if keep_arguments {
        session.keep_arguments();
    }
    Ok((session, clock))
}

/// Puts a trace into its place, or what there is of it. That it breaks off has a reason, and comes
/// with the number of calls that would have been recorded after that.
pub fn finish(
    trace: Result<Trace, (RecordError, u64)>,
    footer: Footer,
    status: i32,
    incomplete: Incomplete,
) -> Recording {
    let output = incomplete.output().to_owned();
    let whole = trace.and_then(|trace| match trace.finish(&footer) {
        Ok(_) => Ok(()),
        Err(source) => Err((RecordError::Trace { source }, 0)),
    });
    let (placed, kept) = match whole {
        Ok(()) => (incomplete.finish(), Kept::Whole),
        Err((error, unrecorded)) => (Err(incomplete.keep(error)), Kept::Beginning { unrecorded }),
    };
    let (path, bytes, previous, fault) = match placed {
        Ok(placed) => (output, placed.bytes, placed.previous, None),
        Err(Stranded { error, path, bytes }) => (path, bytes, None, Some(Fault { error, kept })),
    };
    Recording {
        status: Status::from_wait(status),
        ended: footer.left_running,
        footer,
        path,
        bytes,
        previous,
        fault,
    }
}
