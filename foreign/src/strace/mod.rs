//! Traces from logs of `strace`.
//!
//! People who ask for help with a slow tool often have such a log and nothing else. It tells calls,
//! arguments and outcomes, and little of the tree: what was there is inferred from the outcomes,
//! and what can't be known is counted and told ([`Report`]), in the trace as well.
//!
//! `line` reads a line, `log` makes calls of lines, `convert` follows tasks and descriptors, `tree`
//! what is where, and `write` writes the trace.

mod births;
mod clock;
mod convert;
mod data;
mod decode;
mod error;
mod events;
mod failed;
mod files;
mod initial;
mod interrupted;
mod learn;
mod line;
mod listing;
mod log;
pub(crate) mod names;
mod outcome;
mod records;
mod report;
mod status;
mod token;
mod tree;
mod unnamed;
mod write;

use std::io::Write;

use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::call::Call;

pub use error::ImportError;
pub use log::Log;
pub use report::{Report, Unknown};

use convert::{Converter, Known};
use log::{Item, What};

/// What is known besides the logs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory in which the command was run; the log may tell it.
    pub cwd: Option<Vec<u8>>,
    /// What writes the trace, for its header.
    pub producer: String,
}

/// Where a command was run of which nothing tells it.
const SOMEWHERE: &[u8] = b"/somewhere";

/// Makes a trace of logs: of one, or of those that `strace -ff` wrote for each task.
///
/// # Errors
/// Logs that can't be read or are none, logs that nothing puts in order, and an output that takes
/// nothing.
pub fn import<W: Write + Send + 'static>(
    logs: Vec<Log>,
    out: W,
    options: &Options,
) -> Result<(W, Report), ImportError> {
    let paths = logs.iter().map(|log| log.path.clone()).collect();
    let (items, about) = log::read(logs)?;
    let architecture = architecture(&items);
    let open = OpenFlags::of(architecture);
    let told = options.cwd.clone().or_else(|| working_directory(&items));
    let uid = user(&items);
    let known = Known {
        cwd: told.as_deref().unwrap_or(SOMEWHERE),
        open,
        is_root: uid.unwrap_or(0) == 0,
    };
    let mut converter = Converter::new(&known, &items);
    let command = command(&items);
    for item in items {
        converter.item(item);
    }
    converter.finish();
    let of_log = write::OfLog {
        paths,
        about,
        architecture,
        cwd: known.cwd,
        knows_cwd: told.is_some(),
        uid,
        command,
        producer: &options.producer,
    };
    write::write(converter, &of_log, out)
}

/// Calls of the log, by their names.
fn calls(items: &[Item]) -> impl Iterator<Item = (&Item, &str, &[u8])> {
    items.iter().filter_map(|item| match &item.what {
        What::Call { name, args, .. } => Some((item, &**name, &**args)),
        What::Ended(_) | What::Superseded(_) => None,
    })
}

fn value(item: &Item) -> Option<i64> {
    match &item.what {
        What::Call { outcome, .. } => outcome.value.filter(|value| *value >= 0),
        What::Ended(_) | What::Superseded(_) => None,
    }
}

/// Old calls exist on x86_64 only; every program there makes one of them.
fn architecture(items: &[Item]) -> &'static str {
    let is_old = |name: &str| {
        let call = Call::from_name(name);
        name == "arch_prctl" || call.is_some_and(|call| call.row().numbers.aarch64.is_none())
    };
    if calls(items).any(|(_, name, _)| is_old(name)) {
        "x86_64"
    } else {
        "aarch64"
    }
}

/// The working directory, if the log tells it before it is changed: -yy prints it (from version
/// 5.15 on), and programs ask for it.
fn working_directory(items: &[Item]) -> Option<Vec<u8>> {
    for (item, name, args) in calls(items) {
        if matches!(name, "chdir" | "fchdir") {
            return None;
        }
        let tokens = token::split(args);
        let printed = tokens.iter().find_map(|token| {
            let is_cwd = token.starts_with(b"AT_FDCWD<");
            let fd = is_cwd.then(|| token::fd(token)).flatten()?;
            fd.path().map(<[u8]>::to_vec)
        });
        let asked = (name == "getcwd" && value(item).is_some())
            .then(|| token::string(tokens.first()?))
            .flatten()
            .filter(|text| !text.cut && text.bytes.first() == Some(&b'/'));
        if let Some(path) = printed.or(asked.map(|text| text.bytes)) {
            return Some(path);
        }
        if let Some(path) = opened_below(item, &tokens) {
            return Some(path);
        }
    }
    None
}

/// A relative path that was opened, and where its descriptor leads (-y), differ by the directory.
fn opened_below(item: &Item, tokens: &[&[u8]]) -> Option<Vec<u8>> {
    let What::Call { name, outcome, .. } = &item.what else {
        return None;
    };
    let position = match &**name {
        "open" => 0,
        "openat" if tokens.first() == Some(&&b"AT_FDCWD"[..]) => 1,
        _ => return None,
    };
    let path = token::string(tokens.get(position)?)?.bytes;
    let real = outcome.leads_to.as_ref()?.path()?;
    let below = [b"/", &path[..]].concat();
    let is_plain = !tree::components(&path).any(|name| matches!(name, b"." | b".."));
    let directory = real.strip_suffix(&below[..]).filter(|_| is_plain)?;
    (path.first() != Some(&b'/') && !directory.is_empty()).then(|| directory.to_vec())
}

/// As whom the tool ran, if it asked.
fn user(items: &[Item]) -> Option<u32> {
    let asked = calls(items)
        .find(|(item, name, _)| matches!(*name, "geteuid" | "getuid") && value(item).is_some());
    asked.and_then(|(item, ..)| u32::try_from(value(item)?).ok())
}

/// What was run: the name only, as a recorder keeps it.
fn command(items: &[Item]) -> Vec<Vec<u8>> {
    let first = calls(items).find(|(item, name, _)| *name == "execve" && value(item).is_some());
    let name = first.and_then(|(_, _, args)| {
        let tokens = token::split(args);
        let list = token::split(token::inner(tokens.get(1)?));
        token::string(list.first()?)
    });
    name.map(|name| name.bytes).into_iter().collect()
}
