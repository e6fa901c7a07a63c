//! Structures behind pointers. The layouts are those of 64-bit Linux, alike on x86_64 and aarch64.

use fsreplay_trace::call::{ArgKind, Call, NONE};

use super::Arguments;
use crate::session::memory::Memory;

/// The most bytes of an argument list that are kept.
const ARGUMENTS_MAX: usize = 128 * 1024;
/// As the kernel's own limit on vectors.
const IOV_MAX: u64 = 1024;
/// The most bytes of control data that are looked at.
const CONTROL_MAX: u64 = 64 * 1024;

/// `struct open_how`: flags, mode, resolve, 8 bytes each.
pub fn open_how(kind: ArgKind, address: u64, memory: &impl Memory) -> u64 {
    let offset = match kind {
        ArgKind::Flags => 0,
        ArgKind::Mode => 8,
        _ => 16,
    };
    memory.read_u64(address.wrapping_add(offset)).unwrap_or(0)
}

/// The sum of the lengths of an array of `struct iovec`.
pub fn iovec_length(address: u64, count: u64, memory: &impl Memory) -> u64 {
    const CHUNK: u64 = 32;
    let count = count.min(IOV_MAX);
    let mut bytes = [0u8; CHUNK as usize * 16];
    let mut sum = 0u64;
    let mut done = 0;
    while done < count {
        let now = CHUNK.min(count - done);
        let part = &mut bytes[..now as usize * 16];
        if memory
            .read_exact(address.wrapping_add(done * 16), part)
            .is_none()
        {
            return sum;
        }
        for iovec in part.chunks_exact(16) {
            sum = sum.saturating_add(word(iovec, 8));
        }
        done += now;
    }
    sum
}

/// The native-endian u64 at an offset of a slice that is long enough; 0 otherwise.
fn word(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..offset + 8)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_ne_bytes)
}

/// The native-endian i32 at an offset, likewise.
fn half(bytes: &[u8], offset: usize) -> i32 {
    bytes
        .get(offset..offset + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, i32::from_ne_bytes)
}

/// An `off_t *`; [`NONE`] for NULL.
pub fn offset(address: u64, memory: &impl Memory) -> u64 {
    if address == 0 {
        return NONE;
    }
    memory.read_u64(address).unwrap_or(NONE)
}

/// One of the two times of `utime`, `utimes`, `futimesat`, `utimensat`.
pub fn time(call: Call, kind: ArgKind, address: u64, memory: &impl Memory) -> u64 {
    if address == 0 {
        return NONE;
    }
    let index = u64::from(kind == ArgKind::Mtime);
    if call == Call::utime {
        let seconds = memory.read_u64(address.wrapping_add(index * 8));
        return seconds.map_or(NONE, |s| nanoseconds(s as i64, 0));
    }
    let mut bytes = [0u8; 16];
    if memory
        .read_exact(address.wrapping_add(index * 16), &mut bytes)
        .is_none()
    {
        return NONE;
    }
    let (seconds, fraction) = (word(&bytes, 0) as i64, word(&bytes, 8) as i64);
    match (call, fraction) {
        (Call::utimensat, libc::UTIME_NOW | libc::UTIME_OMIT) => fraction as u64,
        (Call::utimensat, _) => nanoseconds(seconds, fraction),
        _ => nanoseconds(seconds, fraction.saturating_mul(1000)),
    }
}

fn nanoseconds(seconds: i64, fraction: i64) -> u64 {
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(fraction) as u64
}

/// A member of `struct flock`: type and whence (16 bits each), start at 8, length at 16.
pub fn flock(kind: ArgKind, address: u64, memory: &impl Memory) -> u64 {
    let mut bytes = [0u8; 24];
    if memory.read_exact(address, &mut bytes).is_none() {
        return 0;
    }
    let short = |at: usize| i64::from(i16::from_ne_bytes([bytes[at], bytes[at + 1]])) as u64;
    match kind {
        ArgKind::Argument => short(0),
        ArgKind::Whence => short(2),
        ArgKind::LockStart => word(&bytes, 8),
        ArgKind::LockLength => word(&bytes, 16),
        _ => 0,
    }
}

/// A member of `struct file_clone_range`: source descriptor, its offset, length, destination
/// offset.
pub fn clone_range(kind: ArgKind, address: u64, memory: &impl Memory) -> u64 {
    let offset = match kind {
        ArgKind::FdIn => 0,
        ArgKind::OffsetIn => 8,
        ArgKind::Length => 16,
        _ => 24,
    };
    memory
        .read_u64(address.wrapping_add(offset))
        .unwrap_or(NONE)
}

/// Appends what is kept of the strings of an `argv`, joined by NUL; stops at the limit. What isn't
/// kept is not read.
pub fn argument_list(
    address: u64,
    keep: Arguments,
    memory: &impl Memory,
    out: &mut Vec<u8>,
) -> Option<()> {
    let start = out.len();
    let mut at = address;
    loop {
        let pointer = memory.read_u64(at)?;
        if pointer == 0 {
            return Some(());
        }
        let used = out.len() - start;
        if used >= ARGUMENTS_MAX {
            return Some(());
        }
        if at != address {
            out.push(0);
        }
        memory.read_string(pointer, ARGUMENTS_MAX - used, out)?;
        if keep == Arguments::First {
            return Some(());
        }
        at = at.wrapping_add(8);
    }
}

/// Appends the path of a `struct sockaddr_un`, up to its length or a NUL (unix(7)); `None`, with
/// `out` as it was, for other families, no name, and names outside of the tree (a NUL first).
pub fn socket_path(
    address: u64,
    length: u64,
    memory: &impl Memory,
    out: &mut Vec<u8>,
) -> Option<()> {
    const FAMILY: usize = 2;
    let mut bytes = [0u8; FAMILY + 108];
    // The length is an int, and the kernel refuses longer ones.
    let length = usize::try_from(length as u32).ok()?;
    let bytes = bytes.get_mut(..length)?;
    memory.read_exact(address, bytes)?;
    let (family, name) = bytes.split_at_checked(FAMILY)?;
    let end = name.iter().position(|byte| *byte == 0);
    let name = &name[..end.unwrap_or(name.len())];
    let is_unix = i32::from(u16::from_ne_bytes([family[0], family[1]])) == libc::AF_UNIX;
    if !is_unix || name.is_empty() {
        return None;
    }
    out.extend_from_slice(name);
    Some(())
}

/// The permission bits that the value of `system.posix_acl_*` stands for (acl(5),
/// `linux/posix_acl_xattr.h`): a version and entries of tag, permissions and id. [`NONE`] for
/// anything but the three entries that every mode has.
pub fn acl_mode(address: u64, length: u64, memory: &impl Memory) -> u64 {
    const VERSION: i32 = 2;
    const TAGS: [u16; 3] = [0x01, 0x04, 0x20]; // owner, owning group, others
    let mut bytes = [0u8; 28];
    if length != 28
        || memory.read_exact(address, &mut bytes).is_none()
        || half(&bytes, 0) != VERSION
    {
        return NONE;
    }
    let mut mode = 0;
    for (entry, tag) in bytes[4..].chunks_exact(8).zip(TAGS) {
        let permissions = u16::from_ne_bytes([entry[2], entry[3]]);
        if u16::from_ne_bytes([entry[0], entry[1]]) != tag || permissions > 7 {
            return NONE;
        }
        mode = mode << 3 | u64::from(permissions);
    }
    mode
}

/// The descriptors in the `SCM_RIGHTS` messages of a `struct msghdr`.
pub fn received_descriptors(address: u64, memory: &impl Memory) -> Option<Vec<i32>> {
    const SOL_SOCKET: i32 = 1;
    const SCM_RIGHTS: i32 = 1;
    const HEADER: usize = 16;
    let control = memory.read_u64(address.wrapping_add(32))?;
    let length = memory.read_u64(address.wrapping_add(40))?.min(CONTROL_MAX);
    if control == 0 || length == 0 {
        return None;
    }
    let mut bytes = vec![0u8; length as usize];
    memory.read_exact(control, &mut bytes)?;
    let mut fds = Vec::new();
    let mut rest = bytes.as_slice();
    while rest.len() >= HEADER {
        let length = usize::try_from(word(rest, 0)).ok()?;
        if length < HEADER || length > rest.len() {
            break;
        }
        if half(rest, 8) == SOL_SOCKET && half(rest, 12) == SCM_RIGHTS {
            fds.extend(rest[HEADER..length].chunks_exact(4).map(|fd| half(fd, 0)));
        }
        rest = rest.get(length.next_multiple_of(8)..).unwrap_or(&[]);
    }
    Some(fds)
}
