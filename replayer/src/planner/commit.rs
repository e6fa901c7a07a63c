//! Ops into lanes: with what they wait for, what they cost, and what they change.

use super::land::tree::NONE;
use super::writer::Writer;
use super::{Class, Cx, Draft, Planner};
use crate::plan::Op;

impl Planner {
    /// What writes ops into lanes.
    pub(super) fn writer(&mut self) -> Writer<'_> {
        let moment = self.tally.moment();
        let (order, tree) = (&mut self.order, &mut self.land.tree);
        Writer::new(order, tree, &mut self.holdings, &mut self.time, moment)
    }

    /// Writes the op of an event into its lane.
    pub(super) fn commit(&mut self, cx: &Cx, draft: Draft) {
        self.tally.count(draft.class);
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
            let moment = self.tally.moment();
            let (order, tree) = (&mut self.order, &mut self.land.tree);
            let mut writer = Writer::new(order, tree, &mut self.holdings, &mut self.time, moment);
            writer.visit(cx.lane, cx.horizon, self.uses.all());
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
        let took = self.time.paces.took(cx, &draft);
        let pace = self.time.paces.event(cx.event, &draft);
        let when = (cx.number, cx.event.exit());
        let id = self.order.commit(cx.lane, op, pace, when);
        self.order.lanes[id.lane as usize].keep(id.op as usize, took);
        self.time.paces.slept(cx, id, &pace, &mut self.order);
    }
}
