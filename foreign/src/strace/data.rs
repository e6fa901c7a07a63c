//! What is read and written, and where in a file.

use fsreplay_trace::call::{ArgKind, Op};

use super::files;
use super::learn::{Place, Told, World};
use super::tree::Id;

impl World {
    /// Follows the bytes that a call moved.
    pub fn moved_bytes(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let count = told.result.max(0) as u64;
        match told.call.row().op {
            Op::Read => self.reads(place, told, ArgKind::Fd, None, count),
            Op::PositionedRead => {
                self.reads(place, told, ArgKind::Fd, Some(ArgKind::Offset), count)
            }
            Op::Write => self.writes(place, told, ArgKind::Fd, None, count),
            Op::PositionedWrite => {
                self.writes(place, told, ArgKind::Fd, Some(ArgKind::Offset), count);
            }
            Op::SendFile | Op::CopyRange | Op::Splice => {
                self.reads(place, told, ArgKind::FdIn, Some(ArgKind::OffsetIn), count);
                self.writes(place, told, ArgKind::FdOut, Some(ArgKind::OffsetOut), count);
            }
            Op::Seek => {
                if let Some(description) = self.description(place, told, ArgKind::Fd) {
                    self.descriptions[description].offset = count;
                }
                self.sought(place, told);
            }
            Op::Map => {
                let fd = told.args.number(ArgKind::Fd).unwrap_or(-1) as i32;
                let object = place
                    .table
                    .get(fd)
                    .and_then(|known| self.descriptions[known.description].object);
                if let Some(object) = object {
                    self.tree.get_mut(object).read = true;
                }
            }
            _ => {}
        }
    }

    fn description(&self, place: &Place<'_>, told: &Told<'_>, kind: ArgKind) -> Option<usize> {
        let fd = told.args.number(kind)? as i32;
        place.table.get(fd).map(|known| known.description)
    }

    /// Goes on after a transfer of so many bytes, unless it says itself where it begins. Gives the
    /// object that it works on and where it began.
    fn transferred(
        &mut self,
        place: &Place<'_>,
        told: &Told<'_>,
        fd: ArgKind,
        offset: Option<ArgKind>,
        count: u64,
    ) -> Option<(Id, u64)> {
        let number = self.description(place, told, fd)?;
        let given = offset
            .and_then(|offset| told.args.number(offset))
            .and_then(|given| u64::try_from(given).ok());
        let description = &mut self.descriptions[number];
        let from = given.unwrap_or(description.offset);
        if given.is_none() {
            description.offset = from.saturating_add(count);
        }
        Some((description.object?, from))
    }

    fn reads(
        &mut self,
        place: &Place<'_>,
        told: &Told<'_>,
        fd: ArgKind,
        offset: Option<ArgKind>,
        count: u64,
    ) {
        let Some((object, from)) = self.transferred(place, told, fd, offset, count) else {
            return;
        };
        // Copies inside the kernel may end earlier than the file does.
        let asked = if fd == ArgKind::Fd {
            told.args.number(ArgKind::Length).unwrap_or(0) as u64
        } else {
            count
        };
        files::read(&mut self.tree, object, from, count, asked);
    }

    fn writes(
        &mut self,
        place: &Place<'_>,
        told: &Told<'_>,
        fd: ArgKind,
        offset: Option<ArgKind>,
        count: u64,
    ) {
        if let Some((object, _)) = self.transferred(place, told, fd, offset, count) {
            files::changed(&mut self.tree, object);
        }
    }

    /// A seek from the end tells where that is.
    fn sought(&mut self, place: &Place<'_>, told: &Told<'_>) {
        let whence = told.args.number(ArgKind::Whence).unwrap_or(0);
        let offset = told.args.number(ArgKind::Offset).unwrap_or(0);
        let description = self.description(place, told, ArgKind::Fd);
        let object = description.and_then(|number| self.descriptions[number].object);
        let Some(object) = object.map(|object| self.tree.get_mut(object)) else {
            return;
        };
        let end = u64::try_from(told.result.saturating_sub(offset));
        if let (i64_end, Ok(end), None, false) = (whence, end, object.size, object.changed)
            && i64_end == i64::from(libc::SEEK_END)
        {
            object.size = Some(end);
        }
    }
}
