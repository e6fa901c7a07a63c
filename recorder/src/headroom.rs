//! Memory that a limit on the address space (`ulimit -v`) leaves to the recorder.
//!
//! An allocation that fails ends the process, and the tool with it. So a recording breaks off
//! before one can fail.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::error::RecordError;
use crate::limits;
use crate::sys;

/// Without that much a recording doesn't begin, bytes. The C library reserves half of it for the
/// thread that compresses.
const TO_BEGIN: u64 = 256 << 20;
/// What compressing a block takes at most, and what grows between two looks, bytes.
const TO_GO_ON: u64 = 64 << 20;
/// Events between two looks.
const EVENTS: u64 = 4096;

/// The limit, and what was used when the recording began.
pub struct Headroom {
    limit: u64,
    statm: File,
    data: u64,
    next: u64,
}

/// Bytes of address space, and those of them that hold data.
struct Used {
    all: u64,
    data: u64,
}

impl Headroom {
    /// Looks whether there is enough to begin. `None` where nothing is limited.
    pub fn new() -> Result<Option<Headroom>, RecordError> {
        let Some(limit) = limits::address_space() else {
            return Ok(None);
        };
        let statm = File::open("/proc/self/statm").map_err(RecordError::system("open statm"))?;
        let mut headroom = Headroom {
            limit,
            statm,
            data: 0,
            next: 0,
        };
        let used = headroom.used();
        headroom.data = used.data;
        headroom.has(&used, TO_BEGIN)?;
        Ok(Some(headroom))
    }

    /// Looks now and then whether there is enough to go on; `events` is how many were recorded.
    pub fn look(&mut self, events: u64) -> Result<(), RecordError> {
        if events < self.next {
            return Ok(());
        }
        self.next = events + EVENTS;
        let used = self.used();
        // A table that grows is there twice for a moment.
        let grown = used.data.saturating_sub(self.data);
        self.has(&used, TO_GO_ON + grown)
    }

    fn has(&self, used: &Used, needed: u64) -> Result<(), RecordError> {
        let left = self.limit.saturating_sub(used.all);
        if left < needed {
            return Err(RecordError::Memory { left, needed });
        }
        Ok(())
    }

    fn used(&self) -> Used {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0).unwrap_or(0);
        let text = String::from_utf8_lossy(&text[..length]);
        let mut pages = text.split_whitespace().map(|n| n.parse().unwrap_or(0));
        let mut bytes = |skipped| pages.nth(skipped).unwrap_or(0) * u64::from(sys::page_size());
        Used {
            all: bytes(0),
            data: bytes(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_known() {
        let statm = File::open("/proc/self/statm").expect("there");
        let headroom = |limit| Headroom {
            limit,
            statm: statm.try_clone().expect("a descriptor"),
            data: 0,
            next: 0,
        };
        let used = headroom(0).used();
        assert!(used.data > 0 && used.all > used.data);
        let enough = used.all + used.data + TO_GO_ON + (1 << 30);
        assert!(headroom(enough).look(0).is_ok());
        assert!(headroom(used.all + TO_GO_ON).look(0).is_err());
    }
}
