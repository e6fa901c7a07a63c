//! Plans made by hand.
#![allow(dead_code)] // each test file uses a part

use std::path::Path;
use std::sync::atomic::AtomicBool;

use fsreplay_replayer::plan::*;
use fsreplay_replayer::{PlayOptions, ReplayError, play};
use fsreplay_results::play::Play;
use fsreplay_trace::call::Call;
use fsreplay_trace::model::FileKind;

/// Makes plans by hand.
pub struct Builder {
    /// The plan so far.
    pub plan: Plan,
}

/// The slot of the root.
pub const ROOT: Slot = Slot(0);

impl Builder {
    /// An empty tree in a target.
    pub fn new(target: &Path) -> Builder {
        let plan = Plan {
            roots: vec![Root {
                recorded: b"/".to_vec(),
                target: target.into(),
            }],
            slots: 16,
            longest_transfer: 1 << 16,
            ..Plan::default()
        };
        let mut builder = Builder { plan };
        builder.entry("", FileKind::Directory, 0);
        builder
    }

    /// Adds a text.
    pub fn text(&mut self, text: &str) -> Text {
        let at = self.plan.text.len() as u32;
        self.plan.text.extend_from_slice(text.as_bytes());
        self.plan.text.push(0);
        Text(at)
    }

    /// A path below the root.
    pub fn at(&mut self, path: &str) -> At {
        At {
            dir: ROOT,
            path: self.text(path),
        }
    }

    /// Adds an entry of the initial tree.
    pub fn entry(&mut self, path: &str, kind: FileKind, size: u64) -> &mut TreeEntry {
        let path = self.text(path);
        self.plan.tree.push(TreeEntry {
            size,
            ..TreeEntry::new(path, kind)
        });
        self.plan.tree.last_mut().expect("just pushed")
    }

    /// Adds a lane.
    pub fn lane(&mut self) -> usize {
        self.plan.lanes.push(Lane::default());
        self.plan.lanes.len() - 1
    }

    /// Adds an op that is expected to give a number, exactly.
    pub fn op(&mut self, lane: usize, action: Action, expected: i64) -> u32 {
        let event = self.plan.coverage.events as u32;
        self.plan.coverage.events += 1;
        let check = if matches!(action, Action::Open { .. } | Action::Dup { .. }) {
            Check::Success
        } else {
            Check::Exact
        };
        let op = Op {
            expected,
            check,
            ..Op::new(action, Call::openat)
        };
        self.plan.push(lane, op, event, Pace::NONE);
        let last = self.plan.lanes[lane].len() - 1;
        self.plan.lanes[lane].publish(last);
        ops_len(&self.plan, lane)
    }

    /// The last op of a lane waits until another has done so many.
    pub fn wait(&mut self, lane: usize, other: usize, done: u32) {
        let until = WaitFor {
            lane: other as u32,
            done,
        };
        self.plan.lanes[lane].wait(until);
    }

    /// What a lane does besides an op; nothing, unless it is said.
    pub fn pace(&mut self, lane: usize, op: usize, pace: Pace) {
        self.plan.lanes[lane].set_pace(op, pace);
    }

    /// Plays once and keeps the tree.
    pub fn play(&self) -> Result<Play, ReplayError> {
        play(
            &self.plan,
            PlayOptions {
                rounds: 1,
                keep: true,
                timing: Default::default(),
                cache: Default::default(),
            },
            &AtomicBool::new(false),
            &|_| {},
        )
        .map(|played| played.result)
    }
}

fn ops_len(plan: &Plan, lane: usize) -> u32 {
    plan.lanes[lane].len() as u32
}
