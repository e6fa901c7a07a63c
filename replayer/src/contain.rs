//! The first line of containment: nothing that a plan holds can name a place outside its roots.
//!
//! Every path of a plan is walked by the kernel from a descriptor of something inside a root. Such
//! a walk leaves the root only by `..` or by an absolute path, and it meets these in the path or in
//! the text of a link. So neither holds any: paths and texts have no `..`, no path is absolute, and
//! the texts that have to be absolute are made from a root's own directory when they are written.
//! Every link in the tree is one of these, at every moment and wherever it is moved to, so that
//! this needs no model of the tree, and holds whatever the replay meets.
//!
//! The planner writes plans so; [`check`] doesn't rely on it.

use crate::error::ReplayError;
use crate::plan::{Action, Plan, Text};

/// Whether a path or a link's text can't lead out of the directory that it starts from.
fn is_contained(text: &[u8]) -> bool {
    text.first() != Some(&b'/') && !text.split(|byte| *byte == b'/').any(|name| name == b"..")
}

/// Refuses a plan with a path or a link's text that could lead out of its roots.
pub(crate) fn check(plan: &Plan) -> Result<(), ReplayError> {
    let contained = |text: Text| {
        let bytes = plan.bytes(text);
        if is_contained(bytes) {
            return Ok(());
        }
        Err(ReplayError::Plan(format!(
            "it holds a path that could lead out of the target: {}",
            bytes.escape_ascii()
        )))
    };
    let known = |root: u32| {
        if (root as usize) < plan.roots.len() {
            return Ok(());
        }
        Err(ReplayError::Plan(format!("there is no root {root} in it")))
    };
    for action in plan.ops.iter().map(|op| op.action) {
        action.paths().try_for_each(|at| contained(at.path))?;
        if let Action::Symlink {
            target,
            target_root,
            ..
        } = action
        {
            contained(target)?;
            target_root.map_or(Ok(()), |root| known(root.into()))?;
        }
    }
    for entry in &plan.tree {
        known(entry.root)?;
        contained(entry.path)?;
        entry.target.map_or(Ok(()), contained)?;
        entry.target_root.map_or(Ok(()), known)?;
    }
    let mut initial = plan.initial_fds.iter();
    initial.try_for_each(|initial| contained(initial.at.path))
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::call::Call;
    use fsreplay_trace::model::FileKind;

    use super::*;
    use crate::plan::{At, Check, Op, Root, Slot, TreeEntry};

    #[test]
    fn only_parent_names_and_absolute_paths_lead_out() {
        for inside in ["", ".", "a", "a/./b", "..a/b..", "...", "a//b/"] {
            assert!(is_contained(inside.as_bytes()), "{inside}");
        }
        for outside in [
            "/", "/a", "..", "../a", "a/..", "a/../b", "a//..//b", "./..",
        ] {
            assert!(!is_contained(outside.as_bytes()), "{outside}");
        }
    }

    fn plan(action: Action, text: &[u8]) -> Plan {
        let op = Op {
            check: Check::Success,
            ..Op::new(action, Call::stat)
        };
        Plan {
            roots: vec![Root {
                recorded: b"/".to_vec(),
                target: "/t".into(),
            }],
            text: [text, b"\0"].concat(),
            ops: vec![op],
            ..Plan::default()
        }
    }

    #[test]
    fn paths_and_texts_of_ops_are_looked_at() {
        let at = At {
            dir: Slot(0),
            path: Text(0),
        };
        let stat = Action::Stat { at, flags: 0 };
        assert!(check(&plan(stat, b"a/b")).is_ok());
        assert!(check(&plan(stat, b"a/../../b")).is_err());
        let link = |target_root| Action::Symlink {
            target: Text(1),
            target_root,
            at,
        };
        assert!(check(&plan(link(None), b"\0a")).is_ok());
        assert!(check(&plan(link(Some(0)), b"\0a")).is_ok());
        assert!(check(&plan(link(Some(1)), b"\0a")).is_err());
        assert!(check(&plan(link(None), b"\0/a")).is_err());
        assert!(check(&plan(link(Some(0)), b"\0../a")).is_err());
    }

    #[test]
    fn the_initial_tree_is_looked_at() {
        let entry = |path, target| TreeEntry {
            target,
            ..TreeEntry::new(Text(path), FileKind::File)
        };
        let tree = |entry| Plan {
            tree: vec![entry],
            ..plan(Action::Nothing, b"a\0../b")
        };
        assert!(check(&tree(entry(0, None))).is_ok());
        assert!(check(&tree(entry(2, None))).is_err());
        assert!(check(&tree(entry(0, Some(Text(2))))).is_err());
    }
}
