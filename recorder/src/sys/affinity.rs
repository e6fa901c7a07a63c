//! Which processors a task may use.

use std::io;

use super::check;

/// A mask of processors, as the kernel's bytes: up to 8,192 of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask(Vec<u8>);

impl Mask {
    /// One processor only.
    pub fn single(cpu: usize) -> Mask {
        let mut bytes = vec![0; (cpu / 64 + 1) * 8];
        bytes[cpu / 8] = 1 << (cpu % 8);
        Mask(bytes)
    }

    /// Its bytes, without trailing words that are 0 beyond what the kernel gave.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether that processor is in it.
    pub fn contains(&self, cpu: usize) -> bool {
        self.0
            .get(cpu / 8)
            .is_some_and(|b| b & (1 << (cpu % 8)) != 0)
    }

    /// Whether it is the same set, whatever the length of its bytes.
    pub fn same(&self, other: &Mask) -> bool {
        let bytes = |mask: &Mask| {
            let used = mask.0.iter().rposition(|b| *b != 0);
            mask.0[..used.map_or(0, |last| last + 1)].to_vec()
        };
        bytes(self) == bytes(other)
    }

    /// How many processors.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|b| b.count_ones()).sum()
    }
}

/// The mask of a task; 0 is the calling thread.
pub fn get(tid: i32) -> io::Result<Mask> {
    let mut bytes = vec![0u8; 1024];
    // SAFETY: the buffer has the length that is passed; the raw call gives the number of bytes
    // written.
    let got = check(unsafe {
        libc::syscall(
            libc::SYS_sched_getaffinity,
            tid,
            bytes.len(),
            bytes.as_mut_ptr(),
        )
    })?;
    bytes.truncate(usize::try_from(got).unwrap_or(0));
    Ok(Mask(bytes))
}

/// Sets the mask of a task; 0 is the calling thread.
pub fn set(tid: i32, mask: &Mask) -> io::Result<()> {
    // SAFETY: the mask's bytes are as many as the length says, and only read.
    check(unsafe {
        libc::syscall(
            libc::SYS_sched_setaffinity,
            tid,
            mask.0.len(),
            mask.0.as_ptr(),
        )
    })
    .map(drop)
}

/// The processor that this thread is on.
pub fn current_cpu() -> Option<usize> {
    // SAFETY: no preconditions.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}
