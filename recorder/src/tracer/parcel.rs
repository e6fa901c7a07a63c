//! Memory that a task is lent for what it is made to call: a filter, and a message with a
//! descriptor.

use crate::sys::seccomp::Instruction;

/// Contents for one address, and where in it things are.
pub struct Parcel {
    /// Where it is, and its `struct msghdr`.
    pub at: u64,
    /// All of it.
    pub bytes: Vec<u8>,
    /// `struct sock_fprog`.
    pub program: u64,
    /// `struct sockaddr_un` of whom the message is for, and its size.
    pub address: (u64, u64),
    /// The descriptor that it carries, 4 bytes.
    pub descriptor: u64,
}

// Offsets. Both architectures have these structures alike.
const IOVEC: u64 = 64;
const DATA: u64 = 80;
const CONTROL: u64 = 96;
const ADDRESS: u64 = 128;
const PROGRAM: u64 = 256;
const FILTER: u64 = 272;
/// Of `struct cmsghdr` with one descriptor.
const CONTROL_SIZE: u64 = 24;
const CONTROL_LENGTH: u64 = 20;

impl Parcel {
    /// Bytes that are mapped for it: room for any filter.
    pub const SIZE: u64 = 64 << 10;

    /// For that address.
    pub fn new(at: u64, address: &[u8], filter: &[Instruction]) -> Parcel {
        let mut bytes = Vec::new();
        // struct msghdr: no name, one iovec, control data.
        words(
            &mut bytes,
            &[0, 0, at + IOVEC, 1, at + CONTROL, CONTROL_SIZE, 0],
        );
        pad(&mut bytes, IOVEC);
        words(&mut bytes, &[at + DATA, 1]);
        pad(&mut bytes, CONTROL);
        words(&mut bytes, &[CONTROL_LENGTH]);
        bytes.extend(libc::SOL_SOCKET.to_ne_bytes());
        bytes.extend(libc::SCM_RIGHTS.to_ne_bytes());
        let descriptor = at + bytes.len() as u64;
        pad(&mut bytes, ADDRESS);
        bytes.extend(address);
        pad(&mut bytes, PROGRAM);
        words(&mut bytes, &[filter.len() as u64, at + FILTER]);
        for instruction in filter {
            bytes.extend(instruction.code.to_ne_bytes());
            bytes.extend([instruction.jt, instruction.jf]);
            bytes.extend(instruction.k.to_ne_bytes());
        }
        Parcel {
            at,
            bytes,
            program: at + PROGRAM,
            address: (at + ADDRESS, address.len() as u64),
            descriptor,
        }
    }
}

fn words(bytes: &mut Vec<u8>, words: &[u64]) {
    bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
}

fn pad(bytes: &mut Vec<u8>, to: u64) {
    debug_assert!(bytes.len() as u64 <= to, "structures overlap");
    bytes.resize(to as usize, 0);
}
