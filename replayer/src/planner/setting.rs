//! What the header and the caller say, which no record changes.

use fsreplay_trace::call::ArgKind;
use fsreplay_trace::model::Header;

use super::dialect::Dialect;
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

/// Whose permissions count on the replaying side.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owners {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    pub(crate) as_root: bool,
}

impl Owners {
    pub(crate) fn new(header: &Header, as_root: bool) -> Owners {
        Owners {
            uid: header.uid,
            gid: header.gid,
            groups: header.groups.clone(),
            as_root,
        }
    }

    /// Permission bits with which an initial file is made: an ordinary user owns all of it, so the
    /// owner's bits must grant what the recording user was granted.
    pub(crate) fn mode(&self, mode: u32, uid: u32, gid: u32, directory: bool) -> u32 {
        if self.as_root || (self.uid == uid && self.uid != 0) {
            return mode;
        }
        if self.uid == 0 {
            let execute = if directory || mode & 0o111 != 0 {
                0o100
            } else {
                0
            };
            return mode | 0o600 | execute;
        }
        let granted = if self.gid == gid || self.groups.contains(&gid) {
            mode >> 3 & 7
        } else {
            mode & 7
        };
        mode & !0o700 | granted << 6
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Call;
    use fsreplay_trace::format::Tables;

    use super::super::tests::calls;
    use super::*;

    #[test]
    fn an_ordinary_user_gives_files_to_itself() {
        let tables = Tables::new();
        let owner = |as_root: bool, asked: (u32, u32), result: i64| {
            let options = PlanOptions {
                as_root,
                uid: 1000,
                gid: 100,
                ..PlanOptions::default()
            };
            let setting = Setting::new(&Header::default(), options, Vec::new());
            let args = [
                (ArgKind::Uid, asked.0.into()),
                (ArgKind::Gid, asked.1.into()),
            ];
            let event = calls::event(0, Call::chown, &args, result);
            setting.owner(&calls::alone(&event, &tables, 0))
        };
        assert_eq!(owner(true, (33, 33), 0), (33, 33));
        assert_eq!(owner(false, (33, 33), 0), (1000, 100));
        assert_eq!(owner(false, (u32::MAX, 33), 0), (u32::MAX, 100));
        assert_eq!(
            owner(false, (33, 33), -1),
            (33, 33),
            "what failed fails alike"
        );
    }
}
