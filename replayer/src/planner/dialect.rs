//! Flags of `open` as the recording machine writes them, and as this one does.

use fsreplay_trace::abi::OpenFlags;
use fsreplay_trace::call::{ArgKind, Last};
use fsreplay_trace::model::{Event, Header};

/// Both ways of writing them.
#[derive(Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) recorded: OpenFlags,
    pub(crate) here: OpenFlags,
}

impl Dialect {
    /// For a trace with that header, on this machine.
    pub(crate) fn of(header: &Header) -> Dialect {
        Dialect {
            recorded: OpenFlags::of(&header.architecture),
            here: OpenFlags::here(),
        }
    }

    /// What the call of an event does with a link at the end of one of its paths.
    pub(crate) fn last(&self, event: &Event, path: ArgKind) -> Last {
        event.last(path, self.recorded)
    }

    /// Recorded flags as this machine writes them.
    pub(crate) fn translate(&self, recorded: u32) -> u32 {
        self.recorded.translate(self.here, recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_any_machine_are_written_as_here() {
        for architecture in ["x86_64", "aarch64"] {
            let header = Header {
                architecture: architecture.into(),
                ..Header::default()
            };
            let dialect = Dialect::of(&header);
            let recorded = OpenFlags::of(architecture).directory | libc::O_CLOEXEC as u32;
            let here = (libc::O_DIRECTORY | libc::O_CLOEXEC) as u32;
            assert_eq!(dialect.translate(recorded), here, "{architecture}");
        }
    }
}
