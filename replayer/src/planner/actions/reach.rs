//! Where the paths of calls lead.

use fsreplay_trace::call::ArgKind;

use super::super::land::resolve::{End, WalkStart};
use super::super::paths::magic::Through;
use super::super::paths::{Asked, Hint, Reached};
use super::super::{Class, Cx, Draft, Planner};
use super::refused_by_flags;
use crate::plan::Slot;

impl Planner {
    /// Follows the path of a call, by its `DirFd` and `Path` arguments. Where nothing is to be
    /// issued, the draft of that.
    pub(crate) fn reach<'t>(&mut self, cx: &Cx<'t>, hint: Hint) -> Result<Reached<'t>, Draft> {
        self.reach_by(cx, ArgKind::DirFd, ArgKind::Path, hint)
    }

    /// Follows the second path of a call that has two, or that of a call which makes a link.
    pub(crate) fn reach_new<'t>(&mut self, cx: &Cx<'t>, hint: Hint) -> Result<Reached<'t>, Draft> {
        self.reach_by(cx, ArgKind::NewDirFd, ArgKind::NewPath, hint)
    }

    fn reach_by<'t>(
        &mut self,
        cx: &Cx<'t>,
        dirfd: ArgKind,
        path: ArgKind,
        hint: Hint,
    ) -> Result<Reached<'t>, Draft> {
        let last = self.setting.dialect.last(cx.event, path);
        let Some(string) = cx.string(path) else {
            // A bad pointer can't be had again.
            return Err(Draft::nothing(cx, Class::Unresolved));
        };
        let whole = cx.tables.string(string);
        let root = self.holdings.procs.fs(cx.task).root;
        let notes = &mut self.tally.notes;
        let mut from = 0;
        let start = if let Some((fd, behind)) = self.holdings.descriptor_link(cx, whole) {
            let opened = self.holdings.opened_at(cx, fd)?;
            let (rest, tree) = (&whole[behind..], &self.land.tree);
            match self.paths.through(cx, opened, rest, last, tree, notes)? {
                Through::Reached(at, walked, start) => {
                    return Ok(self.passed(Reached { at, walked, start }));
                }
                Through::Below(start) => {
                    from = behind;
                    start
                }
            }
        } else if whole.first() == Some(&b'/') {
            let slot = Slot(0);
            WalkStart { slot, ino: root }
        } else {
            self.holdings.start(cx, cx.event.fd(dirfd), notes)?
        };
        let asked = Asked {
            string,
            from,
            bytes: &whole[from..],
            start,
            root,
            last,
            hint,
        };
        self.walked(cx, &asked)
    }

    /// Walks a path.
    fn walked<'t>(&mut self, cx: &Cx<'t>, asked: &Asked<'t>) -> Result<Reached<'t>, Draft> {
        let (land, notes) = (&mut self.land, &mut self.tally.notes);
        let concurrent = self.order.concurrent;
        let walked = match self.paths.cached(asked, &land.tree, concurrent) {
            Some(walked) => walked,
            None => self.paths.follow(asked, cx.tables, land, notes),
        };
        match walked.end {
            End::Pseudo => {
                land.led_below_mount(&walked, notes);
                return Err(Draft::nothing(cx, Class::Pseudo));
            }
            End::Skipped => return Err(Draft::nothing(cx, Class::Skipped)),
            _ => {}
        }
        if refused_by_flags(cx, &land.tree, &walked, notes) {
            return Err(Draft::nothing(cx, Class::Other));
        }
        let at = self.paths.spell(cx, asked, &walked, &land.tree, notes);
        if land.found_unmade(cx, &walked, notes) {
            return Err(Draft::nothing(cx, Class::Other));
        }
        let start = asked.start;
        Ok(self.passed(Reached { at, walked, start }))
    }

    /// The call is put in order with what its walk passed through.
    fn passed<'t>(&mut self, mut reached: Reached<'t>) -> Reached<'t> {
        let (order, uses) = (&self.order, &mut self.uses);
        self.paths.pass(&mut reached, &mut self.land, order, uses);
        reached
    }
}
