//! Whether a trace was recorded on this machine, as far as that can be known, and on which of its
//! mounts.
//!
//! A trace keeps no name of its machine. What it keeps is the processor's architecture, the
//! kernel's release, and the table of mounts. Where the first two are others, the machine isn't
//! this one or has changed since; where all are the same, it may still be one of the same making.
//! How many processors there are says less: `taskset` and containers take some away.

use fsreplay_replayer::mounts::Line;
use fsreplay_trace::model::{Header, Mount};

use crate::caveats;
use crate::machine::kernel;

/// Where a trace was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    is_here: bool,
}

impl Origin {
    /// Of the trace with that header.
    pub fn of(header: &Header) -> Origin {
        Origin {
            is_here: header.architecture == std::env::consts::ARCH && header.kernel == kernel(),
        }
    }

    /// Of a trace of this machine.
    #[cfg(test)]
    pub fn here() -> Origin {
        Origin { is_here: true }
    }

    /// Whether nothing says that it was another machine.
    pub fn is_here(self) -> bool {
        self.is_here
    }

    /// Whether a recorded mount is that mount of this machine.
    pub fn is(self, recorded: &Mount, here: &Line) -> bool {
        self.is_here
            && recorded.mount_point == here.mount_point
            && recorded.fs_type == here.fs_type
            && recorded.source == here.source
            && recorded.root == here.root
    }
}

/// What to know of where a trace comes from, in sentences; nothing of one that may have been
/// recorded on this machine.
pub fn sentences(header: &Header) -> impl Iterator<Item = String> {
    let imported = caveats::of_import(header).map(|caveat| caveat.text);
    let told = caveat(header).into_iter().chain(imported);
    told.map(|text| caveats::sentence(None, &text))
}

/// What to know of a trace of another machine; nothing of one that may be of this one.
fn caveat(header: &Header) -> Option<String> {
    // Of an imported one, of which it isn't known, that is said.
    if Origin::of(header).is_here() || header.imported().is_some() {
        return None;
    }
    Some(format!(
        "the trace was recorded on another machine, or on this one under another kernel ({} Linux \
         {}; here {} Linux {}): none of the mounts here is taken for the one that it was recorded \
         on, and what it computed there is taken for what it computes here",
        header.architecture,
        header.kernel,
        std::env::consts::ARCH,
        kernel()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            architecture: std::env::consts::ARCH.into(),
            kernel: kernel(),
            ..Header::default()
        }
    }

    #[test]
    fn a_mount_of_another_machine_is_not_taken_for_one_of_this_one() {
        let recorded = Mount {
            mount_point: b"/".into(),
            fs_type: "ext4".into(),
            source: b"/dev/sda1".into(),
            root: b"/".into(),
            ..Mount::default()
        };
        let here = Line {
            mount_point: b"/".into(),
            fs_type: "ext4".into(),
            source: b"/dev/sda1".into(),
            root: b"/".into(),
            ..Line::default()
        };
        assert!(Origin::of(&header()).is(&recorded, &here));
        assert_eq!(caveat(&header()), None);
        let others = [
            Header {
                kernel: "5.15.0-elsewhere".into(),
                ..header()
            },
            Header {
                architecture: "riscv64".into(),
                ..header()
            },
        ];
        for other in others {
            assert!(!Origin::of(&other).is(&recorded, &here), "{other:?}");
            let told = caveat(&other).expect("a caveat");
            assert!(told.contains("another machine"), "{told}");
        }
        // Of this machine, but another disk or directory of it.
        for other in [
            Line {
                source: b"/dev/sdb1".into(),
                ..here.clone()
            },
            Line {
                root: b"/home".into(),
                ..here.clone()
            },
        ] {
            assert!(!Origin::of(&header()).is(&recorded, &other));
        }
    }
}
