//! What the header and the caller say, which no record changes.

use fsreplay_trace::call::ArgKind;
use fsreplay_trace::model::Header;

use super::dialect::Dialect;
use super::land::initial::Owners;
use super::{Cx, PlanOptions};
use crate::plan::Root;

/// What the header and the caller say.
pub(crate) struct Setting {
    pub(crate) options: PlanOptions,
    pub(crate) owners: Owners,
    pub(crate) dialect: Dialect,
    /// Where the tool was started, as recorded.
    pub(crate) cwd: Vec<u8>,
    /// Of the first task, permission bits only.
    pub(crate) umask: u32,
    /// Directories that the plan goes to.
    pub(crate) roots: Vec<Root>,
}

impl Setting {
    /// For a trace with that header, to be replayed at those roots.
    pub(crate) fn new(header: &Header, options: PlanOptions, roots: Vec<Root>) -> Setting {
        Setting {
            owners: Owners::new(header, options.as_root),
            dialect: Dialect::of(header),
            cwd: header.cwd.clone(),
            umask: header.umask & 0o777,
            options,
            roots,
        }
    }

    /// The ids that a chown is issued with: an ordinary user can give files to nobody else.
    pub(crate) fn owner(&self, cx: &Cx) -> (u32, u32) {
        let asked = (
            cx.number(ArgKind::Uid) as u32,
            cx.number(ArgKind::Gid) as u32,
        );
        if self.options.as_root || !cx.ok() {
            return asked;
        }
        let own = |asked: u32, own: u32| if asked == u32::MAX { asked } else { own };
        (
            own(asked.0, self.options.uid),
            own(asked.1, self.options.gid),
        )
    }
}
