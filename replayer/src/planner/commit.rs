//! Ops into lanes: with what they wait for, what they cost, and what they change.

use fsreplay_trace::call::Call;

use super::order::Side;
use super::tree::NONE;
use super::uses::Use;
use super::{Class, Cx, Draft, Planner, Resource};
use crate::plan::{Action, Check, Op, Pace};

impl Planner {
    /// Writes the op of an event into its lane.
    pub(super) fn commit(&mut self, cx: &Cx, draft: Draft) {
        self.tally.coverage.events += 1;
        let count = match draft.class {
            Class::Issued => &mut self.tally.coverage.issued,
            Class::Pseudo => &mut self.tally.coverage.pseudo,
            Class::Other => &mut self.tally.coverage.other,
            Class::Skipped => &mut self.tally.coverage.skipped,
            Class::Unresolved => &mut self.tally.coverage.unresolved,
            Class::Unfinished => &mut self.tally.coverage.unfinished,
        };
        *count += 1;
        let mut place = NONE;
        if draft.class == Class::Issued {
            place = self
                .paths
                .places
                .now(&self.uses, &self.land.tree, &self.setting.roots);
            if cx.ok() {
                self.land.layers.changed_by(cx, &self.uses, &self.land.tree);
                self.land.tree.mark_changed(&self.uses);
            }
        }
        if !self.order.single() && draft.class == Class::Issued {
            let uses = std::mem::take(&mut self.uses);
            self.visit(cx.lane, cx.horizon, uses.all());
            self.uses = uses;
        }
        let op = Op {
            action: draft.action,
            expected: draft.expected,
            check: draft.check,
            call: cx.event.call,
            recorded: true,
            mount: draft.mount,
            place,
        };
        let keep = self.setting.options.keep_durations;
        let took = keep.then(|| self.time.paces.took(cx, &draft));
        let pace = self.time.paces.event(cx.event, &draft);
        let when = (cx.number, cx.event.exit());
        let id = self.order.commit(cx.lane, op, pace, when);
        if let Some(took) = took {
            self.order.lanes[id.lane as usize].keep(id.op as usize, took);
        }
        self.time.paces.slept(cx, id, &pace, &mut self.order);
    }

    /// A lane computes that long, and does nothing else: so that others can wait for the end of it.
    pub(crate) fn compute(&mut self, lane: u32, time: u64, think: f32, call: Call) {
        if think > 0.0 {
            self.time.extra_think = think;
            self.extra(lane, time, Action::Nothing, call, &[]);
        }
    }

    /// Number of events so far.
    pub(crate) fn moment(&self) -> u32 {
        self.tally.coverage.events.min(u64::from(NONE)) as u32
    }

    /// An op without a recorded counterpart that changes something of the replay's own.
    pub(crate) fn extra_write(
        &mut self,
        lane: u32,
        time: u64,
        action: Action,
        call: Call,
        resource: Resource,
    ) {
        self.extra(lane, time, action, call, &[(resource, Side::Write)]);
    }

    /// Writes an op without a recorded counterpart into a lane.
    pub(super) fn extra(
        &mut self,
        lane: u32,
        time: u64,
        action: Action,
        call: Call,
        needs: &[Use],
    ) {
        let moment = self.moment();
        if !self.order.single() {
            self.visit(lane, moment, needs);
        }
        let op = Op {
            action,
            expected: 0,
            check: Check::Nothing,
            call,
            recorded: false,
            mount: u16::MAX,
            place: NONE,
        };
        let pace = Pace {
            think: std::mem::take(&mut self.time.extra_think),
            ..Pace::default()
        };
        self.order.commit(lane, op, pace, (moment, time));
    }

    fn visit(&mut self, lane: u32, horizon: u32, needs: &[Use]) {
        for (resource, side) in needs {
            let order = &mut self.order;
            let frontier = match *resource {
                Resource::Inode(ino) => &mut self.land.tree.inodes[ino as usize].frontier,
                Resource::Dent(dent) => &mut self.land.tree.dents[dent as usize].frontier,
                Resource::Place(ino) => match self.land.tree.directory(ino) {
                    Some(directory) => &mut directory.place,
                    None => continue,
                },
                Resource::Members(ino) => match self.land.tree.directory(ino) {
                    Some(directory) => &mut directory.members,
                    None => continue,
                },
                Resource::Slot(slot) => match self.holdings.fds.slots.get_mut(slot as usize) {
                    Some(frontier) => frontier,
                    None => continue,
                },
                Resource::Offset(number) => &mut self.holdings.fds.by_number(number).frontier,
                Resource::Map(map) => &mut self.holdings.maps.all[map as usize].frontier,
            };
            order.visit(frontier, lane, horizon, *side, resource.timing());
        }
    }
}
