//! The plan that the replay loop is measured with.

use std::collections::HashMap;
use std::ffi::CString;
use std::path::Path;

use fsreplay_replayer::plan::*;
use fsreplay_trace::call::Call;
use fsreplay_trace::model::FileKind;

use super::{CALLS, Kind, SIZE};

/// A plan with the calls of all passes, and the paths of the files.
pub fn plan(dir: &Path, kind: Kind) -> (Plan, Vec<CString>) {
    let mut plan = Plan {
        roots: vec![Root {
            recorded: b"/".to_vec(),
            target: dir.into(),
        }],
        slots: 2,
        longest_transfer: 4096,
        ..Plan::default()
    };
    let (texts, paths) = files(&mut plan, kind.files());
    let (root, fd) = (Slot(0), Slot(1));
    plan.lanes.push(Lane::default());
    let mut known = HashMap::new();
    for _ in 0..kind.passes() {
        for path in &texts {
            let at = At {
                dir: root,
                path: *path,
            };
            for (action, expected, check) in calls(at, fd) {
                let op = Op {
                    expected,
                    check,
                    ..Op::new(action, Call::openat)
                };
                add(&mut plan, &mut known, op);
            }
        }
    }
    (plan, paths)
}

/// Puts a directory and its files into the tree; gives the names of the files, as the plan has them
/// and as calls take them.
fn files(plan: &mut Plan, count: usize) -> (Vec<Text>, Vec<CString>) {
    let mut texts = Vec::new();
    let mut paths = Vec::new();
    for number in 0..=count {
        let name = if number == 0 {
            String::new()
        } else {
            format!("file{number}")
        };
        let at = Text(plan.text.len() as u32);
        plan.text.extend_from_slice(name.as_bytes());
        plan.text.push(0);
        let kind = if number == 0 {
            FileKind::Directory
        } else {
            FileKind::File
        };
        plan.tree.push(TreeEntry {
            size: if number == 0 { 0 } else { SIZE },
            mode: 0o755,
            data: true,
            ..TreeEntry::new(at, kind)
        });
        if number > 0 {
            texts.push(at);
            paths.extend(CString::new(name));
        }
    }
    (texts, paths)
}

/// What is done with each file, what comes of it, and how that is checked.
fn calls(at: At, fd: Slot) -> [(Action, i64, Check); CALLS] {
    let open = Action::Open {
        at,
        flags: libc::O_RDONLY,
        mode: 0,
        resolve: 0,
        out: fd,
    };
    let read = Action::Read {
        fd,
        length: 4096,
        vectors: 0,
    };
    [
        (Action::Stat { at, flags: 0 }, 0, Check::Exact),
        (open, 3, Check::Success),
        (Action::FdStat { fd }, 0, Check::Exact),
        (read, SIZE as i64, Check::Exact),
        (read, 0, Check::Exact),
        (Action::Close { fd }, 0, Check::Exact),
    ]
}

/// Ops that are alike stand once, as the planner has it.
fn add(plan: &mut Plan, known: &mut HashMap<Op, Step>, op: Op) {
    let moment = plan.lanes[0].len() as u32;
    if let Some(step) = known.get(&op) {
        plan.lanes[0].push(*step, moment, Pace::NONE);
        return;
    }
    known.extend(Step::of(plan.ops.len()).map(|step| (op, step)));
    plan.push(0, op, moment, Pace::NONE);
}
