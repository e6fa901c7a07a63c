//! Open files that descriptors led to when the recording began.

use fsreplay_trace::abi;
use fsreplay_trace::format::Tables;
use fsreplay_trace::model::{FdState, StringId};

use super::super::hash::{FastMap, Seed};

/// By what descriptors from outside are told to lead to one open file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct OpenFile {
    task: u32,
    flags: u32,
    offset: u64,
    /// Hash of where it leads.
    target: u32,
}

impl OpenFile {
    fn of(state: &FdState, target: &[u8], seed: Seed) -> OpenFile {
        OpenFile {
            task: state.task.0,
            flags: state.open_flags() & !abi::O_CLOEXEC,
            offset: state.offset,
            target: seed.bytes(target),
        }
    }
}

/// Open files that descriptors of the start lead to.
#[derive(Default)]
pub(crate) struct Inherited {
    /// What hashes of texts start from.
    seed: Seed,
    /// Where each leads, and its handle.
    files: FastMap<OpenFile, (StringId, u32)>,
}

impl Inherited {
    /// A descriptor leads to an open file, known by that handle from now on.
    pub(crate) fn add(&mut self, state: &FdState, target: &[u8], handle: u32) {
        let key = OpenFile::of(state, target, self.seed);
        self.files.insert(key, (state.target, handle));
    }

    /// The descriptor that leads to the same open file (`> log 2>&1`), whose offset is one for
    /// both.
    ///
    /// Two of a task that were open from the start and agree in file, offset and all flags but
    /// close-on-exec are nearly always one. Where the recorder could ask the kernel and they are
    /// not, the state says so.
    pub(crate) fn shared_with(
        &self,
        state: &FdState,
        tables: &Tables,
        are_from_start: bool,
    ) -> Option<u32> {
        if !are_from_start || state.is_apart() {
            return None;
        }
        self.find(state, tables)
    }

    /// The handle of the open file that another descriptor led to, if this one leads there, too.
    fn find(&self, state: &FdState, tables: &Tables) -> Option<u32> {
        let target = tables.string(state.target);
        let key = OpenFile::of(state, target, self.seed);
        let (known, handle) = self.files.get(&key)?;
        (tables.string(*known) == target).then_some(*handle)
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::model::{FileKind, TaskId};

    use super::*;

    #[test]
    fn descriptors_lead_to_one_open_file_where_all_but_close_on_exec_agrees() {
        let mut tables = Tables::new();
        let first = FdState {
            task: TaskId(0),
            fd: 1,
            kind: FileKind::File,
            target: tables.add_string(b"/work/log"),
            flags: abi::O_APPEND,
            offset: 7,
        };
        let elsewhere = tables.add_string(b"/work/other");
        let mut inherited = Inherited::default();
        inherited.add(&first, b"/work/log", 5);
        let same = FdState {
            fd: 2,
            flags: first.flags | abi::O_CLOEXEC,
            ..first
        };
        assert_eq!(inherited.find(&same, &tables), Some(5));
        for other in [
            FdState { offset: 8, ..first },
            FdState { flags: 0, ..first },
            FdState {
                task: TaskId(1),
                ..first
            },
            FdState {
                target: elsewhere,
                ..first
            },
        ] {
            assert_eq!(inherited.find(&other, &tables), None, "{other:?}");
        }
    }
}
