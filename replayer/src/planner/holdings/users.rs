//! As whom tasks ask: the user that the kernel checks permissions for is a task's, and a recording
//! that root began may have children that are somebody else (su, gosu, a database's own user).
//!
//! A set-user-id program runs as its owner, if root recorded. Others' recordings need
//! `no_new_privs`, under which such a program stays who started it. So do root's where a container
//! takes `CAP_SYS_ADMIN` from it, which a trace doesn't tell.

use fsreplay_trace::call::ArgKind;
use fsreplay_trace::model::Header;

use super::super::hash::FastMap;
use super::super::land::Land;
use super::super::land::tree::{CHANGED, NONE};
use super::super::setting::Owners;
use super::super::{Class, Cx, Draft};

const ROOT: u32 = 0;

/// Whom tasks ask as.
pub(crate) struct Users {
    /// File-system user ids of the tasks that aren't the recording user's.
    ids: FastMap<u32, u32>,
    /// Whether programs on a mount of the recorded machine run as their owners, by its index.
    set_user: Vec<bool>,
}

impl Users {
    /// For a recording.
    pub(crate) fn new(header: &Header) -> Users {
        let takes = |options: &str| !options.split(',').any(|option| option == "nosuid");
        let mounts = header.mounts.iter();
        let set_user = mounts.map(|mount| header.uid == ROOT && takes(&mount.options));
        Users {
            ids: FastMap::default(),
            set_user: set_user.collect(),
        }
    }

    /// A new task is who its parent is.
    pub(crate) fn started(&mut self, task: u32, parent: u32) {
        if let Some(uid) = self.ids.get(&parent).copied() {
            self.ids.insert(task, uid);
        }
    }

    /// The task ended; its number may be given again.
    pub(crate) fn ended(&mut self, task: u32) {
        self.ids.remove(&task);
    }

    /// `setuid`, `setreuid`, `setresuid`, `setfsuid`: whom the task asks as from now on. With the
    /// effective user id the kernel sets that for files, too (credentials(7)).
    pub(crate) fn set_user(&mut self, cx: &Cx) -> Draft {
        let asked = cx.event.arg(ArgKind::Uid);
        let uid = asked.and_then(|uid| u32::try_from(uid).ok()); // -1 leaves it
        if let Some(uid) = uid.filter(|_| cx.ok()) {
            self.ids.insert(cx.task, uid);
        }
        Draft::nothing(cx, Class::Other)
    }

    /// A task runs a program: as its owner, if the mode says so that it had at first. What became
    /// of one that the tool changed isn't followed.
    pub(crate) fn runs_as(&mut self, task: u32, program: u32, land: &Land) {
        if program == NONE {
            return;
        }
        let inode = land.tree.inode(program);
        let honoured = self.set_user.get(usize::from(inode.mount)) == Some(&true);
        if !honoured || inode.flags & CHANGED != 0 {
            return;
        }
        if let Some(owner) = land.initial.set_user(&land.tree, program) {
            self.ids.insert(task, owner);
        }
    }

    /// Whether a call may have been refused to its task only because of who that was, so that it
    /// would go well for the replay: root is refused next to nothing, and any other user owns all
    /// of the replay's tree.
    pub(crate) fn was_another(&self, cx: &Cx, owners: &Owners) -> bool {
        let recorded = owners.uid;
        let asked_as = self.of(cx.task).unwrap_or(recorded);
        asked_as != ROOT && (owners.as_root || asked_as != recorded)
    }

    fn of(&self, task: u32) -> Option<u32> {
        self.ids.get(&task).copied()
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Call;
    use fsreplay_trace::format::Tables;

    use super::super::super::tests::calls;
    use super::*;

    #[test]
    fn a_refusal_is_another_users_only_where_the_replay_would_not_be_refused() {
        let tables = Tables::new();
        let recorded = |uid: u32, as_root: bool| {
            let header = Header {
                uid,
                ..Header::default()
            };
            (Users::new(&header), Owners::new(&header, as_root))
        };
        let event = calls::event(0, Call::setuid, &[(ArgKind::Uid, 33)], 0);
        let cx = calls::alone(&event, &tables, 0);
        for as_root in [false, true] {
            let (mut users, owners) = recorded(ROOT, as_root);
            assert!(!users.was_another(&cx, &owners));
            users.set_user(&cx);
            assert!(users.was_another(&cx, &owners));
            users.ended(0);
            assert!(!users.was_another(&cx, &owners));
        }
        let (mut users, owners) = recorded(33, false);
        users.set_user(&cx);
        assert!(
            !users.was_another(&cx, &owners),
            "the recording user itself"
        );
    }

    #[test]
    fn a_call_that_failed_leaves_who_the_task_is() {
        let tables = Tables::new();
        let (mut users, owners) = (Users::new(&Header::default()), Owners::default());
        let event = calls::event(0, Call::setuid, &[(ArgKind::Uid, 33)], -1);
        let cx = calls::alone(&event, &tables, 0);
        users.set_user(&cx);
        assert!(!users.was_another(&cx, &owners));
    }
}
