//! Arguments of a call, as the table says: numbers from registers, the rest from behind pointers.
//!
//! Pure: everything is read through [`Memory`]. What can't be read is [`NONE`]; the call itself
//! will fail with `EFAULT`.

mod pointers;

use std::ops::Range;

use fsreplay_trace::abi::{FICLONE, FICLONERANGE, O_CREAT, OpenFlags, PATH_MAX};
use fsreplay_trace::call::{ArgKind, Call, MAX_ARGS, NONE};

use crate::session::memory::Memory;

/// The longest name of an extended attribute.
const XATTR_NAME_MAX: usize = 256;

/// A string argument: which argument it is, and where its bytes are in [`Decoded::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Position in [`Decoded::args`].
    pub position: usize,
    /// What it is.
    pub kind: ArgKind,
    /// Its bytes.
    pub range: Range<usize>,
}

/// What is kept of a program's arguments: they hold passwords and tokens, and only the first is
/// needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Arguments {
    /// `argv[0]`: names the program where its path tells nothing (`/proc/self/exe`, a descriptor).
    #[default]
    First,
    /// All.
    All,
}

/// The arguments of a call. Reused from call to call, so that decoding allocates nothing.
#[derive(Debug, Default)]
pub struct Decoded {
    /// As in an event; for strings, [`NONE`] until they are interned.
    pub args: [u64; MAX_ARGS],
    /// The strings.
    pub strings: Vec<Text>,
    /// Bytes of the strings.
    pub text: Vec<u8>,
    /// What is kept of a program's arguments.
    pub keep: Arguments,
}

impl Decoded {
    /// The bytes of the string of that kind.
    pub fn string(&self, kind: ArgKind) -> Option<&[u8]> {
        let text = self.strings.iter().find(|text| text.kind == kind)?;
        self.text.get(text.range.clone())
    }
}

/// Decodes what is known at the entry of a call.
pub fn entry(call: Call, registers: &[u64; 6], memory: &impl Memory, out: &mut Decoded) {
    out.args = [0; MAX_ARGS];
    out.strings.clear();
    out.text.clear();
    for (position, (kind, register)) in call.row().args.iter().enumerate() {
        let raw = registers[usize::from(*register).min(5)];
        out.args[position] = match kind {
            ArgKind::Path if call == Call::bind => {
                let start = out.text.len();
                if pointers::socket_path(raw, registers[2], memory, &mut out.text).is_some() {
                    let range = start..out.text.len();
                    out.strings.push(Text {
                        position,
                        kind: *kind,
                        range,
                    });
                }
                NONE
            }
            kind if kind.is_text() => {
                read_text(position, *kind, raw, memory, out);
                NONE
            }
            _ => number(call, *kind, raw, registers, memory),
        };
    }
}

fn read_text(
    position: usize,
    kind: ArgKind,
    address: u64,
    memory: &impl Memory,
    out: &mut Decoded,
) {
    if address == 0 {
        return;
    }
    let start = out.text.len();
    let read = match kind {
        ArgKind::Argv => pointers::argument_list(address, out.keep, memory, &mut out.text),
        ArgKind::Name => memory.read_string(address, XATTR_NAME_MAX, &mut out.text),
        _ => memory.read_string(address, PATH_MAX, &mut out.text),
    };
    if read.is_some() {
        out.strings.push(Text {
            position,
            kind,
            range: start..out.text.len(),
        });
    }
}

/// Sign-extends a C `int`.
fn int(raw: u64) -> u64 {
    i64::from(raw as i32) as u64
}

/// Zero-extends a C `unsigned int`.
fn unsigned(raw: u64) -> u64 {
    u64::from(raw as u32)
}

fn number(call: Call, kind: ArgKind, raw: u64, registers: &[u64; 6], memory: &impl Memory) -> u64 {
    match (call, kind) {
        (Call::openat2, _) if kind != ArgKind::DirFd => pointers::open_how(kind, raw, memory),
        (Call::fcntl, _) if kind != ArgKind::Fd => fcntl(kind, registers, memory),
        (Call::ioctl, _) if kind != ArgKind::Fd => ioctl(kind, registers, memory),
        // Before its umask; the permissions of the node are those of the socket, which are all.
        (Call::bind, ArgKind::Mode) => u64::from(libc::S_IFSOCK | 0o777),
        (Call::open | Call::openat, ArgKind::Mode) => {
            let flags = registers[if call == Call::open { 1 } else { 2 }] as u32;
            // Without these the kernel does not look at it, and what is in the register is chance.
            let used = flags & O_CREAT != 0 || OpenFlags::here().is_temporary(flags);
            if used { unsigned(raw) } else { 0 }
        }
        (Call::readv | Call::preadv | Call::preadv2, ArgKind::Length)
        | (Call::writev | Call::pwritev | Call::pwritev2, ArgKind::Length) => {
            pointers::iovec_length(raw, registers[2], memory)
        }
        (
            Call::copy_file_range | Call::splice | Call::sendfile,
            ArgKind::OffsetIn | ArgKind::OffsetOut,
        ) => pointers::offset(raw, memory),
        (
            Call::utime | Call::utimes | Call::futimesat | Call::utimensat,
            ArgKind::Atime | ArgKind::Mtime,
        ) => pointers::time(call, kind, raw, memory),
        (Call::setxattr | Call::lsetxattr | Call::fsetxattr, ArgKind::Mode) => {
            pointers::acl_mode(raw, registers[3], memory)
        }
        _ => plain(kind, raw),
    }
}

/// An argument that is in its register.
fn plain(kind: ArgKind, raw: u64) -> u64 {
    match kind {
        ArgKind::DirFd
        | ArgKind::NewDirFd
        | ArgKind::Fd
        | ArgKind::NewFd
        | ArgKind::FdIn
        | ArgKind::FdOut
        | ArgKind::Argument
        | ArgKind::Pid => int(raw),
        ArgKind::Uid | ArgKind::Gid => match unsigned(raw) {
            // -1 says "leave it".
            0xffff_ffff => u64::MAX,
            id => id,
        },
        ArgKind::Flags
        | ArgKind::Mode
        | ArgKind::Dev
        | ArgKind::Whence
        | ArgKind::Command
        | ArgKind::Mask
        | ArgKind::Prot => unsigned(raw),
        ArgKind::OutFd0 | ArgKind::OutFd1 => NONE,
        _ => raw,
    }
}

/// Whether a command of `fcntl` takes a `struct flock`.
pub fn is_lock_command(command: u64) -> bool {
    // F_GETLK, F_SETLK, F_SETLKW; F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW.
    matches!(command, 5..=7 | 36..=38)
}

fn fcntl(kind: ArgKind, registers: &[u64; 6], memory: &impl Memory) -> u64 {
    let command = unsigned(registers[1]);
    if kind == ArgKind::Command {
        return command;
    }
    if is_lock_command(command) {
        return pointers::flock(kind, registers[2], memory);
    }
    let takes_number = matches!(
        command as i32,
        libc::F_DUPFD
            | libc::F_DUPFD_CLOEXEC
            | libc::F_SETFD
            | libc::F_SETFL
            | libc::F_SETOWN
            | libc::F_SETLEASE
            | libc::F_NOTIFY
            | libc::F_SETPIPE_SZ
            | libc::F_ADD_SEALS
            | 10 // F_SETSIG
    );
    if kind == ArgKind::Argument && takes_number {
        int(registers[2])
    } else {
        0
    }
}

fn ioctl(kind: ArgKind, registers: &[u64; 6], memory: &impl Memory) -> u64 {
    let command = registers[1] as u32;
    match (kind, command) {
        (ArgKind::Command, _) => u64::from(command),
        (ArgKind::FdIn, FICLONE) => int(registers[2]),
        (_, FICLONERANGE) => pointers::clone_range(kind, registers[2], memory),
        (ArgKind::FdIn, _) => NONE,
        _ => 0,
    }
}

/// Fills in what is known only when the call has returned successfully.
pub fn exit(call: Call, registers: &[u64; 6], memory: &impl Memory, args: &mut [u64; MAX_ARGS]) {
    let row = call.row();
    if row.position(ArgKind::OutFd0).is_none() {
        return;
    }
    for (position, (kind, register)) in row.args.iter().enumerate() {
        let index = match kind {
            ArgKind::OutFd0 => 0,
            ArgKind::OutFd1 => 4,
            _ => continue,
        };
        let address = registers[usize::from(*register).min(5)].wrapping_add(index);
        args[position] = memory
            .read_i32(address)
            .map_or(NONE, |fd| i64::from(fd) as u64);
    }
}

/// The descriptors that a successful `recvmsg` brought (`SCM_RIGHTS`), from its `msghdr`.
pub fn received_descriptors(message: u64, memory: &impl Memory) -> Vec<i32> {
    pointers::received_descriptors(message, memory).unwrap_or_default()
}

#[cfg(test)]
mod tests;
