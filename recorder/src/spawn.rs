//! The command: finding it, forking it, attaching to it.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::RecordError;
use crate::sys::process::{self, Child, Program, Work};
use crate::sys::ptrace;
use crate::sys::signal::Blocked;
use crate::tracer::filter::{self, Rings};

/// Where `execvp` looks without a PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Texts of `/proc` are most often shorter: they are read at once then, bytes.
const TEXT: usize = 4096;

/// Finds a command as execvp(3) does.
pub fn find(command: &OsStr) -> Result<PathBuf, RecordError> {
    let not_found = || RecordError::NotFound {
        command: command.into(),
    };
    if command.is_empty() {
        return Err(not_found());
    }
    let direct = command.as_bytes().contains(&b'/');
    let path = std::env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    let candidates: Vec<PathBuf> = if direct {
        vec![command.into()]
    } else {
        std::env::split_paths(&path)
            .map(|directory| match directory.as_os_str().is_empty() {
                true => Path::new(".").join(command),
                false => directory.join(command),
            })
            .collect()
    };
    let mut refused = None;
    for candidate in candidates {
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error) if is_missing(&error) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(match refused {
        Some(source) => RecordError::NotExecutable {
            command: command.into(),
            source,
        },
        None => not_found(),
    })
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR))
}

fn check(path: &Path) -> io::Result<()> {
    if std::fs::metadata(path)?.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    process::check_executable(&c_string(path.as_os_str())?)
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// A command ready to be forked.
pub fn prepare(path: &Path, command: &[OsString]) -> Result<Program, RecordError> {
    let unfit = |source| RecordError::NotExecutable {
        command: path.into(),
        source,
    };
    let arguments: Result<Vec<_>, _> = command.iter().map(|a| c_string(a)).collect();
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend(value.into_vec());
            CString::new(entry).ok()
        })
        .collect();
    Ok(Program::new(
        c_string(path.as_os_str()).map_err(unfit)?,
        arguments.map_err(unfit)?,
        environment,
    ))
}

/// Forks a child and attaches to it. It stands still until [`Child::go`].
pub fn spawn(
    work: Work<'_>,
    rings: Rings,
    inside: Option<u64>,
    blocked: &Blocked,
) -> Result<Child, RecordError> {
    let filter = filter::assemble(rings, inside);
    let child = Child::fork(&filter, work, blocked).map_err(RecordError::system("fork"))?;
    let pid = child.pid();
    if let Err(source) = ptrace::seize(pid) {
        let tracer = tracer_of(pid);
        crate::sys::signal::kill(pid, libc::SIGKILL);
        let _ = ptrace::wait_for(pid);
        return Err(attach_error(source, tracer));
    }
    Ok(child)
}

fn attach_error(source: io::Error, tracer: i32) -> RecordError {
    match source.raw_os_error() {
        _ if tracer != 0 => RecordError::AlreadyTraced { tracer },
        Some(libc::ENOSYS | libc::EIO) => RecordError::PtraceMissing { source },
        _ => RecordError::PtraceDenied { source },
    }
}

/// The tracer of a process, 0 for none.
fn tracer_of(pid: i32) -> i32 {
    status_field(pid, "TracerPid:").unwrap_or(0)
}

/// What a task's program is called, for people.
pub fn program_name(tid: i32) -> String {
    let name = std::fs::read(format!("/proc/{tid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

/// The children of a process; none where the kernel doesn't tell them (`CONFIG_PROC_CHILDREN`).
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter();
    let texts = tasks.flatten().flatten().map(|task| {
        let text = std::fs::read_to_string(task.path().join("children"));
        text.unwrap_or_default()
    });
    let numbers = |text: String| -> Vec<i32> {
        let words = text.split_ascii_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    texts.flat_map(numbers).collect()
}

/// A number of /proc/PID/status.
pub fn status_field(pid: i32, name: &str) -> Option<i32> {
    status_text(pid, name)?.parse().ok()
}

/// How often a task has left a processor of its own accord: to sleep, or for a stop.
pub fn sleeps(tid: i32) -> Option<u64> {
    status_text(tid, "voluntary_ctxt_switches:")?.parse().ok()
}

/// A line of /proc/PID/status, without its name.
pub fn status_text(pid: i32, name: &str) -> Option<String> {
    Status::of(pid)?.text(name).map(str::to_owned)
}

/// What /proc/PID/status holds.
pub struct Status(String);

impl Status {
    /// As it is now.
    pub fn of(pid: i32) -> Option<Status> {
        let text = read_all(pid, "status").ok()?;
        Some(Status(String::from_utf8_lossy(&text).into_owned()))
    }

    /// A line, without its name.
    pub fn text(&self, name: &str) -> Option<&str> {
        // What is asked for most often stands last.
        let line = self
            .0
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    }
}

/// A text that `/proc` has of a task. The standard library would ask for its size, which it has
/// not.
pub fn read_all(tid: i32, name: &str) -> io::Result<Vec<u8>> {
    let mut file = File::open(format!("/proc/{tid}/{name}"))?;
    let mut text = Vec::new();
    let mut length = 0;
    loop {
        text.resize(length + TEXT, 0);
        match file.read(&mut text[length..])? {
            0 => break,
            got => length += got,
        }
    }
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_like_execvp_does() {
        assert!(find(OsStr::new("sh")).is_ok_and(|path| path.ends_with("sh")));
        assert!(matches!(
            find(OsStr::new("no-such-command-here")),
            Err(RecordError::NotFound { .. })
        ));
        assert!(matches!(
            find(OsStr::new("")),
            Err(RecordError::NotFound { .. })
        ));
        assert!(matches!(
            find(OsStr::new("/proc/none")),
            Err(RecordError::NotFound { .. })
        ));
        let refused = find(OsStr::new("/etc"));
        assert!(matches!(refused, Err(RecordError::NotExecutable { .. })));
        assert_eq!(refused.map_err(|e| e.exit_code()), Err(126));
    }
}
