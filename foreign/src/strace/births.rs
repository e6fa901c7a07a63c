//! Which task made which: a child is often told of before its parent's call returns.

use std::collections::{HashMap, VecDeque};

use fsreplay_trace::abi::{CLONE_PARENT, CLONE_VFORK, CLONE_VM, OpenFlags};

use super::log::{Item, What};
use super::names;
use super::token::{field, split};

/// A task that a call makes.
pub struct Birth {
    /// Its maker's id.
    pub parent: u32,
    /// `CLONE_*`.
    pub flags: u64,
    /// When the call was entered.
    pub entry: u64,
    /// When it returned.
    pub exit: u64,
}

/// `clone` and its kin.
const MAKE_TASKS: [&str; 4] = ["clone", "clone3", "fork", "vfork"];

/// All tasks that calls make, by id.
pub fn births(items: &[Item], open: OpenFlags) -> HashMap<u32, VecDeque<Birth>> {
    let mut births: HashMap<u32, VecDeque<Birth>> = HashMap::new();
    for item in items {
        let What::Call {
            name,
            args,
            outcome,
        } = &item.what
        else {
            continue;
        };
        if !MAKE_TASKS.contains(&&**name) {
            continue;
        }
        let Some(child) = outcome.value.and_then(|pid| u32::try_from(pid).ok()) else {
            continue;
        };
        let given = split(args);
        let structure = given.first().copied().unwrap_or_default();
        let flags = given
            .iter()
            .find_map(|arg| arg.strip_prefix(b"flags="))
            .or_else(|| field(structure, "flags"));
        let flags = match &**name {
            "fork" => 0,
            "vfork" => CLONE_VM | CLONE_VFORK,
            _ => flags.map_or(0, |flags| clone_flags(flags, open)),
        };
        births.entry(child).or_default().push_back(Birth {
            parent: item.pid,
            // Its maker's parent is its own.
            flags: flags & !CLONE_PARENT,
            entry: item.entry,
            exit: item.exit,
        });
    }
    births
}

/// `CLONE_*` without the signal.
fn clone_flags(token: &[u8], open: OpenFlags) -> u64 {
    let known = token
        .split(|b| *b == b'|')
        .filter(|name| !name.starts_with(b"SIG"))
        .filter_map(|name| names::number(name, open).ok());
    known.fold(0, |all, flag| all | flag as u64) & !0xff
}
