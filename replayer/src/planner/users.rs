//! As whom tasks ask: the user that the kernel checks permissions for is a task's, and a recording
//! that root began may have children that are somebody else (su, gosu, a database's own user).

use fsreplay_trace::call::ArgKind;

use super::hash::FastMap;
use super::{Class, Cx, Draft, Planner};

const ROOT: u32 = 0;

/// File-system user ids of the tasks that aren't the recording user's.
#[derive(Default)]
pub(crate) struct Users(FastMap<u32, u32>);

impl Users {
    /// A new task is who its parent is.
    pub(crate) fn started(&mut self, task: u32, parent: u32) {
        if let Some(uid) = self.0.get(&parent).copied() {
            self.0.insert(task, uid);
        }
    }

    /// The task ended; its number may be given again.
    pub(crate) fn ended(&mut self, task: u32) {
        self.0.remove(&task);
    }

    fn of(&self, task: u32) -> Option<u32> {
        self.0.get(&task).copied()
    }
}

impl Planner {
    /// `setuid`, `setreuid`, `setresuid`, `setfsuid`: whom the task asks as from now on. With the
    /// effective user id the kernel sets that for files, too (credentials(7)).
    pub(super) fn set_user(&mut self, cx: &Cx) -> Draft {
        let asked = cx.event.arg(ArgKind::Uid);
        let uid = asked.and_then(|uid| u32::try_from(uid).ok()); // -1 leaves it
        if let Some(uid) = uid.filter(|_| cx.ok()) {
            self.users.0.insert(cx.task, uid);
        }
        self.nothing(cx, Class::Other)
    }

    /// Whether a call may have been refused to its task only because of who that was, so that it
    /// would go well for the replay: root is refused next to nothing, and any other user owns all of
    /// the replay's tree.
    pub(super) fn was_another(&self, cx: &Cx) -> bool {
        let recorded = self.owners.uid;
        let asked_as = self.users.of(cx.task).unwrap_or(recorded);
        asked_as != ROOT && (self.owners.as_root || asked_as != recorded)
    }
}
