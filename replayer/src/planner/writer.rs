//! Ops into lanes: those without a recorded counterpart, and what any op has to wait for.

use fsreplay_trace::call::Call;

use super::holdings::Holdings;
use super::holdings::fds::Descriptors;
use super::holdings::mappings::Mappings;
use super::land::tree::{NONE, Tree};
use super::order::uses::{Resource, Use};
use super::order::{Order, Side};
use super::time::Time;
use crate::plan::{Action, Check, Op, Pace};

/// Writes ops into lanes. Who used a resource last is kept where the resource is.
pub(crate) struct Writer<'a> {
    pub(crate) order: &'a mut Order,
    pub(crate) tree: &'a mut Tree,
    pub(crate) fds: &'a mut Descriptors,
    maps: &'a mut Mappings,
    time: &'a mut Time,
    /// Number of events so far.
    moment: u32,
}

impl<'a> Writer<'a> {
    /// Writes ops that come after so many events.
    pub(crate) fn new(
        order: &'a mut Order,
        tree: &'a mut Tree,
        holdings: &'a mut Holdings,
        time: &'a mut Time,
        moment: u32,
    ) -> Writer<'a> {
        Writer {
            order,
            tree,
            fds: &mut holdings.fds,
            maps: &mut holdings.maps,
            time,
            moment,
        }
    }

    /// A lane computes that long, and does nothing else: so that others can wait for the end of it.
    pub(crate) fn compute(&mut self, lane: u32, time: u64, think: f32, call: Call) {
        if think > 0.0 {
            self.time.computes(think);
            self.extra(lane, time, Action::Nothing, call, &[]);
        }
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
    pub(crate) fn extra(
        &mut self,
        lane: u32,
        time: u64,
        action: Action,
        call: Call,
        needs: &[Use],
    ) {
        let moment = self.moment;
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
            think: self.time.take_computed(),
            ..Pace::default()
        };
        self.order.commit(lane, op, pace, (moment, time));
    }

    /// What an op about to be committed on `lane` uses, and so what it has to wait for. The first
    /// `horizon` events had returned when its call began.
    pub(crate) fn visit(&mut self, lane: u32, horizon: u32, needs: &[Use]) {
        for (resource, side) in needs {
            let frontier = match *resource {
                Resource::Inode(ino) => &mut self.tree.inodes[ino as usize].frontier,
                Resource::Dent(dent) => &mut self.tree.dents[dent as usize].frontier,
                Resource::Place(ino) => match self.tree.directory(ino) {
                    Some(directory) => &mut directory.place,
                    None => continue,
                },
                Resource::Members(ino) => match self.tree.directory(ino) {
                    Some(directory) => &mut directory.members,
                    None => continue,
                },
                Resource::Slot(slot) => match self.fds.slots.get_mut(slot as usize) {
                    Some(frontier) => frontier,
                    None => continue,
                },
                Resource::Offset(number) => &mut self.fds.by_number(number).frontier,
                Resource::Map(map) => &mut self.maps.all[map as usize].frontier,
            };
            self.order
                .visit(frontier, lane, horizon, *side, resource.timing());
        }
    }
}

#[cfg(test)]
mod tests {
    use fsreplay_trace::model::Header;

    use super::*;
    use crate::plan::Slot;

    #[test]
    fn ops_of_the_replays_own_wait_for_who_used_the_slot_before() {
        let (mut order, mut tree) = (Order::default(), Tree::new());
        let mut holdings = Holdings::new(&Header::default(), 2, false);
        let mut time = Time::new(&Header::default());
        order.concurrent = true;
        let [one, other] = [order.add_lane(), order.add_lane()];
        let mut writer = Writer::new(&mut order, &mut tree, &mut holdings, &mut time, 0);
        let close = |slot: u32| (Action::Close { fd: Slot(slot) }, Resource::Slot(slot));
        let (action, resource) = close(1);
        writer.extra_write(one, 0, action, Call::close, resource);
        writer.extra_write(other, 0, action, Call::close, resource);
        let (elsewhere, unused) = close(0);
        writer.extra_write(other, 0, elsewhere, Call::close, unused);
        let waits = |op: usize| order.lanes[other as usize].waits_of(op).len();
        assert_eq!((waits(0), waits(1)), (1, 0));
    }

    #[test]
    fn a_lane_that_computes_does_so_before_one_op() {
        let (mut order, mut tree) = (Order::default(), Tree::new());
        let mut holdings = Holdings::new(&Header::default(), 1, false);
        let mut time = Time::new(&Header::default());
        let lane = order.add_lane();
        let mut writer = Writer::new(&mut order, &mut tree, &mut holdings, &mut time, 0);
        writer.compute(lane, 0, 0.0, Call::execve);
        writer.compute(lane, 0, 7.0, Call::execve);
        let action = Action::Close { fd: Slot(0) };
        writer.extra(lane, 0, action, Call::close, &[]);
        let lane = &order.lanes[0];
        assert_eq!(lane.len(), 2, "no op where nothing is computed");
        assert_eq!((lane.pace(0).think, lane.pace(1).think), (7.0, 0.0));
    }
}
