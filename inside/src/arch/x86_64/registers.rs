//! A task's registers, as a tracer has them.

/// General registers, as `NT_PRSTATUS` has them (`struct user_regs_struct`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers(pub [u64; 27]);

/// rbx, rbp, r12, r13, r14: no call changes them.
pub(super) const RESULTS: [usize; 5] = [5, 4, 3, 2, 1];
const R11: usize = 6;
const RAX: usize = 10;
const RDX: usize = 12;
const ORIGINAL_RAX: usize = 15;
const RIP: usize = 16;
const CS: usize = 17;
/// The code segment of 64-bit programs.
const USER_CS: u64 = 0x33;
const FLAGS: usize = 18;
const GS_BASE: usize = 22;
const GS: usize = 26;
/// rdi, rsi, rdx, r10, r8, r9.
const ARGUMENTS: [usize; 6] = [14, 13, 12, 7, 9, 8];
/// Sign, zero, auxiliary carry, parity, carry: what `lahf` loads.
const LOW_FLAGS: u64 = 0xd5;
const OVERFLOW: u64 = 0x800;

impl Registers {
    /// The next instruction.
    pub fn next(&self) -> u64 {
        self.0[RIP]
    }

    /// Goes on elsewhere.
    pub fn set_next(&mut self, address: u64) {
        self.0[RIP] = address;
    }

    /// The result of a call, or its number.
    pub fn result(&self) -> u64 {
        self.0[RAX]
    }

    pub(crate) fn set_result(&mut self, value: u64) {
        self.0[RAX] = value;
    }

    /// The number of the call that it is in.
    pub(crate) fn call(&self) -> u64 {
        self.0[ORIGINAL_RAX]
    }

    pub(crate) fn third(&self) -> u64 {
        self.0[RDX]
    }

    pub(crate) fn set_third(&mut self, value: u64) {
        self.0[RDX] = value;
    }

    pub(crate) fn set_first_two(&mut self, first: u64, second: u64) {
        self.0[ARGUMENTS[0]] = first;
        self.0[ARGUMENTS[1]] = second;
    }

    pub(crate) fn link(&self) -> u64 {
        self.0[R11]
    }

    /// The flags, as the stub puts them away.
    pub(crate) fn kept_flags(&self) -> u64 {
        let low = self.0[FLAGS] & LOW_FLAGS;
        low << 8 | u64::from(self.0[FLAGS] & OVERFLOW != 0)
    }

    /// Puts the flags back that the stub put away.
    pub(crate) fn set_flags(&mut self, kept: u64) {
        let low = (kept >> 8) & LOW_FLAGS;
        let overflow = if kept & 1 != 0 { OVERFLOW } else { 0 };
        self.0[FLAGS] = self.0[FLAGS] & !(LOW_FLAGS | OVERFLOW) | low | overflow;
    }

    /// The `gs` base.
    pub(crate) fn segment(&self) -> u64 {
        self.0[GS_BASE]
    }

    /// Sets it.
    pub(crate) fn set_segment(&mut self, address: u64) {
        self.0[GS_BASE] = address;
    }

    /// Whether it runs 64-bit code.
    pub fn is_native(&self) -> bool {
        self.0[CS] == USER_CS
    }

    /// Whether the task uses `gs` for anything.
    pub(crate) fn uses_segment(&self) -> bool {
        self.0[GS] != 0 || self.0[GS_BASE] != 0
    }

    /// What the calls of a [`super::script`] gave, in their order.
    pub fn results(&self) -> [i64; RESULTS.len()] {
        RESULTS.map(|register| self.0[register].cast_signed())
    }

    /// It is in no call any more: one that it stands before is not made.
    pub(crate) fn forget_call(&mut self) {
        self.0[ORIGINAL_RAX] = u64::MAX;
    }

    /// Stands before that call, at a `syscall` instruction.
    pub fn set_call(&mut self, at: u64, number: i64, arguments: [u64; 6]) {
        self.0[RIP] = at;
        self.0[RAX] = number.cast_unsigned();
        // It is in none that would be restarted.
        self.forget_call();
        for (register, value) in ARGUMENTS.iter().zip(arguments) {
            self.0[*register] = value;
        }
    }
}
