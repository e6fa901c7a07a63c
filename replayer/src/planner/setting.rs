//! What the header and the caller say, which no record changes.

use fsreplay_trace::model::Header;

use super::PlanOptions;
use super::dialect::Dialect;
use super::initial::Owners;
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
}
