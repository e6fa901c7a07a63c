//! Memory of a task that is written once for many changes: patching asks for few bytes at a time,
//! and each of these questions costs as much as one for a page.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use crate::arch::Registers;
use crate::layout::PAGE;
use crate::tracee::{Signals, Tracee};

/// A page of the task's, as it is to be.
struct Sheet {
    bytes: Vec<u8>,
    /// As it is.
    before: Vec<u8>,
    /// What differs from the task's.
    changed: Range<usize>,
}

/// A task whose memory stays as it is until [`Draft::finish`]. Only for one that is alone in its
/// memory, and stands still meanwhile.
pub struct Draft<'a, T> {
    tracee: &'a mut T,
    sheets: BTreeMap<u64, Sheet>,
}

impl<'a, T: Tracee> Draft<'a, T> {
    /// Nothing is changed yet.
    pub fn new(tracee: &'a mut T) -> Draft<'a, T> {
        Draft {
            tracee,
            sheets: BTreeMap::new(),
        }
    }

    /// Writes all changes. If one can't be written, those before it are taken back: half of a
    /// change must not be executed.
    pub fn finish(self) -> io::Result<()> {
        let mut written: Vec<(u64, Vec<u8>)> = Vec::new();
        for (page, sheet) in self.sheets {
            let at = page + sheet.changed.start as u64;
            let bytes = &sheet.bytes[sheet.changed.clone()];
            if bytes.is_empty() {
                continue;
            }
            written.push((at, sheet.before[sheet.changed].to_vec()));
            if let Err(error) = self.tracee.write(at, bytes) {
                for (at, before) in written {
                    // Fails only where it is gone, or for the one that failed.
                    let _ = self.tracee.write(at, &before);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn sheet(&mut self, page: u64) -> io::Result<&mut Sheet> {
        if !self.sheets.contains_key(&page) {
            let mut bytes = vec![0; PAGE as usize];
            let length = self.tracee.read(page, &mut bytes)?;
            bytes.truncate(length);
            let sheet = Sheet {
                before: bytes.clone(),
                bytes,
                changed: 0..0,
            };
            self.sheets.insert(page, sheet);
        }
        let sheet = self.sheets.get_mut(&page);
        sheet.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Goes over bytes from an address on, page by page: each page, where in it they are, and which
    /// of them. Ends where `act` says so.
    fn each(
        &mut self,
        address: u64,
        length: usize,
        mut act: impl FnMut(&mut Sheet, usize, Range<usize>) -> bool,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < length {
            let at = address.wrapping_add(done as u64);
            let offset = (at % PAGE) as usize;
            let here = (length - done).min(PAGE as usize - offset);
            let sheet = self.sheet(at - at % PAGE)?;
            if !act(sheet, offset, done..done + here) {
                break;
            }
            done += here;
        }
        Ok(())
    }
}

impl<T: Tracee> Tracee for Draft<'_, T> {
    fn registers(&mut self) -> io::Result<Registers> {
        self.tracee.registers()
    }

    fn set_registers(&mut self, registers: &Registers) -> io::Result<()> {
        self.tracee.set_registers(registers)
    }

    fn read(&mut self, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        self.each(address, buffer.len(), |sheet, offset, part| {
            let there = sheet.bytes.get(offset..).unwrap_or_default();
            let count = part.len().min(there.len());
            buffer[part.start..part.start + count].copy_from_slice(&there[..count]);
            got += count;
            count == part.len()
        })?;
        Ok(got)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        self.each(address, bytes.len(), |sheet, offset, part| {
            let range = offset..offset + part.len();
            let Some(there) = sheet.bytes.get_mut(range.clone()) else {
                return false;
            };
            written += part.len();
            there.copy_from_slice(&bytes[part]);
            sheet.changed = if sheet.changed.is_empty() {
                range
            } else {
                sheet.changed.start.min(range.start)..sheet.changed.end.max(range.end)
            };
            true
        })?;
        if written == bytes.len() {
            return Ok(());
        }
        Err(io::ErrorKind::WriteZero.into())
    }

    fn make_call(&mut self) -> io::Result<()> {
        self.tracee.make_call()
    }

    fn to_handler(&mut self, signal: i32) -> io::Result<Option<i32>> {
        self.tracee.to_handler(signal)
    }

    fn set_number(&mut self, number: i32) -> io::Result<()> {
        self.tracee.set_number(number)
    }

    fn thread_pointer(&mut self) -> io::Result<u64> {
        self.tracee.thread_pointer()
    }

    fn set_thread_pointer(&mut self, value: u64) -> io::Result<()> {
        self.tracee.set_thread_pointer(value)
    }

    fn maps(&mut self) -> io::Result<String> {
        self.tracee.maps()
    }

    fn may_be_changed(&mut self) -> bool {
        self.tracee.may_be_changed()
    }

    fn may_be_started(&mut self) -> bool {
        self.tracee.may_be_started()
    }

    fn signals_of(&mut self, other: i32) -> Option<Signals> {
        self.tracee.signals_of(other)
    }

    fn signal_mask(&mut self) -> io::Result<u64> {
        self.tracee.signal_mask()
    }

    fn set_signal_mask(&mut self, mask: u64) -> io::Result<()> {
        self.tracee.set_signal_mask(mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    /// Where its memory begins.
    const AT: u64 = 16 * PAGE;

    /// Two pages.
    fn pages(read_only: Option<usize>) -> Fake {
        Fake {
            at: AT,
            bytes: vec![1; 2 * PAGE as usize],
            read_only,
            ..Fake::default()
        }
    }

    #[test]
    fn what_is_written_is_read_and_not_there_before_the_end() {
        let mut pages = pages(None);
        let mut draft = Draft::new(&mut pages);
        let edge = AT + PAGE - 1;
        draft.write(edge, &[2, 3]).expect("written");
        let mut bytes = [0; 4];
        assert_eq!(draft.read(edge - 1, &mut bytes).expect("read"), 4);
        assert_eq!(bytes, [1, 2, 3, 1]);
        assert!(draft.tracee.bytes.iter().all(|byte| *byte == 1));
        draft.finish().expect("finished");
        let edge = PAGE as usize - 1;
        assert_eq!(pages.bytes[edge - 1..edge + 3], [1, 2, 3, 1]);
        // Behind the end.
        let mut draft = Draft::new(&mut pages);
        assert!(draft.write(AT + 2 * PAGE - 1, &[2, 3]).is_err());
    }

    #[test]
    fn half_of_a_change_is_taken_back() {
        let mut pages = pages(Some(PAGE as usize));
        let mut draft = Draft::new(&mut pages);
        draft.write(AT + PAGE - 1, &[2, 3]).expect("written");
        assert!(draft.finish().is_err());
        assert!(pages.bytes.iter().all(|byte| *byte == 1));
    }
}
