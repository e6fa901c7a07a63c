//! aarch64 has no stub yet: everything is recorded by ptrace ([`is_supported`] says so).
//!
//! `svc` and `b` are both four bytes, so that a site could jump by itself within 128 MiB; what
//! [`Registers`] has stands for what a stub there would need.

use super::Marks;

/// Bytes of a trampoline.
pub const TRAMPOLINE: usize = 32;
/// Where in a trampoline its own call is.
pub const TRACED: u64 = 16;

/// Whether this machine can do it.
pub fn is_supported() -> bool {
    false
}

/// All at the beginning.
pub fn marks() -> Marks {
    Marks {
        saved: 0,
        flags: 0,
        call: 0,
        called: 0,
        result: 0,
        written: 0,
        refused: 0,
        woken: 0,
        end: 0,
    }
}

/// None.
pub fn takes(_number: u64, _arguments: &[u64; 6]) -> bool {
    false
}

/// No code.
pub fn stub() -> Vec<u8> {
    Vec::new()
}

/// None.
pub fn trampoline(_at: u64, _site: u64) -> Option<[u8; TRAMPOLINE]> {
    None
}

/// Calls of a script.
pub const SCRIPT_CALLS: usize = 5;

/// No code.
pub fn script(_calls: [(i64, [u64; 6]); SCRIPT_CALLS], _last: i64) -> Vec<u8> {
    Vec::new()
}

/// No counter is asked.
pub fn ticks() -> u64 {
    0
}

/// General registers, as `NT_PRSTATUS` has them (`struct user_pt_regs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers(pub [u64; 34]);

#[allow(missing_docs)]
impl Registers {
    pub fn next(&self) -> u64 {
        self.0[32]
    }

    pub fn set_next(&mut self, address: u64) {
        self.0[32] = address;
    }

    pub fn result(&self) -> u64 {
        self.0[0]
    }

    pub(crate) fn set_result(&mut self, value: u64) {
        self.0[0] = value;
    }

    pub(crate) fn set_third(&mut self, _value: u64) {}

    pub(crate) fn link(&self) -> u64 {
        0
    }

    pub(crate) fn set_flags(&mut self, _kept: u64) {}

    pub fn area(&self) -> u64 {
        0
    }

    pub fn set_area(&mut self, _address: u64) {}

    pub fn is_native(&self) -> bool {
        false
    }

    pub fn uses_segment(&self) -> bool {
        true
    }

    pub fn results(&self) -> [i64; SCRIPT_CALLS] {
        [-1; SCRIPT_CALLS]
    }

    pub fn drop_call(&mut self) {}

    pub fn set_call(&mut self, _at: u64, _number: i64, _arguments: [u64; 6]) {}
}

/// Sites of which none can be patched.
pub mod sites {
    /// Bytes of a call.
    pub const SYSCALL: [u8; 2] = [0, 0];
    /// None is looked at.
    pub const NEIGHBOURHOOD: u64 = 0;
    /// As above.
    pub const GAPS: u64 = 0;
    /// No jump.
    pub const SHORT_JUMP: u8 = 0;

    /// Room for a jump.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs)]
    pub struct Padding {
        pub address: u64,
        pub length: usize,
    }

    /// The way from a site to a jump that leads anywhere.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs)]
    pub struct Way {
        pub hop: Option<Padding>,
        pub last: Padding,
    }

    /// Code of a tool.
    #[derive(Clone, Copy, Debug)]
    #[allow(dead_code, missing_docs)]
    pub struct Code<'a> {
        pub address: u64,
        pub bytes: &'a [u8],
        pub gaps: &'a [crate::functions::Gap],
    }

    /// None.
    pub fn way(_code: Code<'_>, _site: u64) -> Option<Way> {
        None
    }

    /// None.
    pub fn short_jump(_from: u64, _padding: Padding) -> Option<[u8; 2]> {
        None
    }

    /// None.
    pub fn jump(_from: u64, _to: u64) -> Option<[u8; 5]> {
        None
    }
}
