//! A task's registers, as a tracer has them.

/// General registers, as `NT_PRSTATUS` has them (`struct user_pt_regs`): `x0` to `x30`, `sp`, `pc`,
/// `pstate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers(pub [u64; 34]);

/// x19 to x23: no call changes them.
pub(super) const RESULTS: [usize; 5] = [19, 20, 21, 22, 23];
const NUMBER: usize = 8;
const STACK: usize = 31;
const NEXT: usize = 32;
const STATE: usize = 33;
/// What kind of branch led to the next instruction.
const BRANCHED: u64 = 0xc00;
/// Of 32-bit programs.
const IS_32_BIT: u64 = 0x10;

impl Registers {
    /// The next instruction.
    pub fn next(&self) -> u64 {
        self.0[NEXT]
    }

    /// Goes on elsewhere, which nothing has branched to: what it has from a branch (`BTYPE`) would
    /// ask for a landing pad there.
    pub fn set_next(&mut self, address: u64) {
        self.0[NEXT] = address;
        self.0[STATE] &= !BRANCHED;
    }

    /// The result of a call, or its first argument.
    pub fn result(&self) -> u64 {
        self.0[0]
    }

    pub(crate) fn set_result(&mut self, value: u64) {
        self.0[0] = value;
    }

    /// The stack pointer.
    pub(crate) fn stack(&self) -> u64 {
        self.0[STACK]
    }

    /// Whether it runs 64-bit code.
    pub fn is_native(&self) -> bool {
        self.0[STATE] & IS_32_BIT == 0
    }

    /// What the calls of a [`super::script`] gave, in their order.
    pub fn results(&self) -> [i64; RESULTS.len()] {
        RESULTS.map(|register| self.0[register].cast_signed())
    }

    /// Stands before that call, at an `svc` instruction.
    pub fn set_call(&mut self, at: u64, number: i64, arguments: [u64; 6]) {
        self.0[NEXT] = at;
        self.0[NUMBER] = number.cast_unsigned();
        self.0[..arguments.len()].copy_from_slice(&arguments);
    }
}
