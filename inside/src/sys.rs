//! Memory that is shared with a tool.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// A System V segment, mapped here and, by its number, in a tool: it needs no descriptor there.
///
/// It is marked for removal at once: it goes with the last process that has it mapped.
#[derive(Debug)]
pub struct Segment {
    id: i32,
    at: NonNull<u8>,
    length: usize,
}

impl Segment {
    /// A new one, all zero, of which only what is written to takes memory.
    pub fn new(length: usize) -> io::Result<Segment> {
        let flags = libc::IPC_CREAT | libc::SHM_NORESERVE | 0o600;
        // SAFETY: plain numbers.
        let id = unsafe { libc::shmget(libc::IPC_PRIVATE, length, flags) };
        if id < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel chooses where the segment is mapped.
        let at = unsafe { libc::shmat(id, std::ptr::null(), 0) };
        let failed = (at.addr() as isize == -1).then(io::Error::last_os_error);
        // SAFETY: plain numbers; it is this process's own.
        unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
        match (failed, NonNull::new(at.cast())) {
            (None, Some(at)) => Ok(Segment { id, at, length }),
            (error, _) => Err(error.unwrap_or_else(|| io::ErrorKind::Other.into())),
        }
    }

    /// Its number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Whether nobody else has it mapped.
    pub fn is_own(&self) -> bool {
        // SAFETY: all-zero bytes are a valid shmid_ds, which the kernel fills in.
        let mut state: libc::shmid_ds = unsafe { std::mem::zeroed() };
        // SAFETY: `state` is valid to write to.
        let asked = unsafe { libc::shmctl(self.id, libc::IPC_STAT, &mut state) };
        asked == 0 && state.shm_nattch == 1
    }

    /// The word at an offset, which must be a multiple of eight; 0 beyond the end.
    pub fn word(&self, offset: u64) -> u64 {
        self.atomic(offset)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Writes a word; nothing beyond the end.
    pub fn set_word(&self, offset: u64, value: u64) {
        if let Some(word) = self.atomic(offset) {
            word.store(value, Ordering::Release);
        }
    }

    fn atomic(&self, offset: u64) -> Option<&AtomicU64> {
        let offset = usize::try_from(offset).ok()?;
        let fits = offset.is_multiple_of(8) && offset.checked_add(8)? <= self.length;
        // SAFETY: within the segment, which is aligned to pages and mapped as long as `self` lives;
        // both sides write whole words.
        fits.then(|| unsafe { AtomicU64::from_ptr(self.at.as_ptr().add(offset).cast()) })
    }

    /// Appends the bytes from an offset, a multiple of eight, up to the first zero or the limit.
    pub fn text(&self, offset: u64, limit: u64, text: &mut Vec<u8>) {
        for at in (0..limit).step_by(8) {
            let bytes = self.word(offset + at).to_ne_bytes();
            let length = bytes.iter().position(|byte| *byte == 0);
            text.extend_from_slice(&bytes[..length.unwrap_or(bytes.len())]);
            if length.is_some() {
                break;
            }
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped by shmat, and unmapped once.
        unsafe { libc::shmdt(self.at.as_ptr().cast()) };
    }
}
