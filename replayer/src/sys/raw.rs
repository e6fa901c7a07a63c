//! The system-call instruction itself and the processor's counter, by architecture.
//!
//! The C library's `syscall` goes through a variadic call and thread-local `errno`, which would be
//! a measurable part of a replayed `close`.

#[cfg(target_arch = "x86_64")]
use std::arch::asm;

#[cfg(target_arch = "aarch64")]
use std::arch::asm;

use fsreplay_trace::call::{Call, TABLE};

/// What can be an argument of a system call.
pub trait Argument {
    /// As the kernel takes it: numbers sign- or zero-extended, addresses as they are.
    fn register(self) -> usize;
}

macro_rules! arguments {
    ($($kind:ty),*) => {$(
        impl Argument for $kind {
            #[inline(always)]
            fn register(self) -> usize {
                self as usize
            }
        }
    )*};
}

arguments!(i32, u32, i64, u64, usize);

impl<T> Argument for *const T {
    #[inline(always)]
    fn register(self) -> usize {
        self as usize
    }
}

impl<T> Argument for *mut T {
    #[inline(always)]
    fn register(self) -> usize {
        self as usize
    }
}

/// The number of a call here, as the table of calls has it; where it doesn't exist, that doesn't
/// compile.
pub const fn number(call: Call) -> i64 {
    let numbers = TABLE[call as usize].numbers;
    #[cfg(target_arch = "x86_64")]
    let number = numbers.x86_64;
    #[cfg(target_arch = "aarch64")]
    let number = numbers.aarch64;
    number.expect("a call that exists here") as i64
}

/// Issues a system call: its value or `-errno`.
///
/// # Safety
///
/// The arguments must be such that the kernel touches only memory that the caller may let it touch.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn syscall<const N: usize>(number: i64, args: [usize; N]) -> i64 {
    let arg = |index: usize| if index < N { args[index] } else { 0 };
    let value: i64;
    // SAFETY: the instruction clobbers rcx and r11 and nothing else; what the kernel does with
    // memory is the caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => value,
            in("rdi") arg(0),
            in("rsi") arg(1),
            in("rdx") arg(2),
            in("r10") arg(3),
            in("r8") arg(4),
            in("r9") arg(5),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack, preserves_flags)
        );
    }
    value
}

/// Issues a system call: its value or `-errno`.
///
/// # Safety
///
/// The arguments must be such that the kernel touches only memory that the caller may let it touch.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub unsafe fn syscall<const N: usize>(number: i64, args: [usize; N]) -> i64 {
    let arg = |index: usize| if index < N { args[index] } else { 0 };
    let value: i64;
    // SAFETY: the kernel keeps all registers but x0; what it does with memory is the caller's
    // promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arg(0) as i64 => value,
            in("x1") arg(1),
            in("x2") arg(2),
            in("x3") arg(3),
            in("x4") arg(4),
            in("x5") arg(5),
            options(nostack, preserves_flags)
        );
    }
    value
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("fsreplay runs on x86_64 and aarch64");

/// The processor's time stamp counter.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn counter() -> u64 {
    // SAFETY: rdtsc reads a register and is allowed in user mode wherever the kernel keeps time by
    // it.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// The virtual counter.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub fn counter() -> u64 {
    let value: u64;
    // SAFETY: reads the virtual counter, which Linux lets user mode do.
    unsafe {
        asm!("mrs {}, cntvct_el0", out(reg) value, options(nomem, nostack, preserves_flags));
    }
    value
}

/// Asks the processor to have memory at hand soon: system calls between two ops wear out its own
/// guesses.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; it never faults, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a hint; it never faults, whatever the address.
    unsafe {
        asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
}
