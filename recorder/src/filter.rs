//! The seccomp filter, assembled from the table of calls.
//!
//! It answers `RET_TRACE` for the calls of the table and allows all others. Calls are looked up by
//! binary search, so that a traced call costs a handful of instructions; a call that is always allowed is answered
//! by the kernel's own cache and runs no filter.

use fsreplay_trace::call::Call;

use crate::arch;
use crate::sys::seccomp::Instruction;

/// Data of a stop at a call of the table.
pub const TABLE_CALL: u32 = 0;
/// Data of a stop at a call of another architecture.
pub const FOREIGN_CALL: u32 = 1;
/// Data of a stop at `sched_getaffinity` or `sched_setaffinity`.
pub const AFFINITY_CALL: u32 = 2;

const RET_TRACE: u32 = 0x7ff0_0000;
const RET_ALLOW: u32 = 0x7fff_0000;

// Offsets in struct seccomp_data. Both architectures are little-endian: the low half of an argument comes first.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const MMAP_FLAGS: u32 = 16 + 3 * 8;
const MADVISE_ADVICE: u32 = 16 + 2 * 8;
const POLL_TIMEOUT: u32 = 16 + 2 * 8;
const EPOLL_TIMEOUT: u32 = 16 + 3 * 8;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Advice that only concerns anonymous memory (or core dumps): `MADV_FREE`, `MADV_MERGEABLE` …
/// `MADV_KEEPONFORK`. Allocators and runtimes give it all the time.
const ANONYMOUS_ADVICE: [u32; 2] = [8, 12];
const ANONYMOUS_ADVICE_END: u32 = 19;

/// The filter of this architecture.
pub fn assemble() -> Vec<Instruction> {
    let mut program = vec![
        statement(LOAD, ARCH),
        jump(IF_EQUAL, arch::AUDIT_ARCH, 1, 0),
        statement(RETURN, RET_TRACE | FOREIGN_CALL),
        statement(LOAD, NUMBER),
    ];
    if let Some(first) = arch::FOREIGN_FROM {
        program.push(jump(IF_AT_LEAST, first, 0, 1));
        program.push(statement(RETURN, RET_TRACE | FOREIGN_CALL));
    }
    let mut answers: Vec<(u32, Answer)> = arch::NUMBERS
        .iter()
        .map(|(number, call)| {
            let answer = match call {
                Call::mmap => Answer::Mmap,
                Call::madvise => Answer::Madvise,
                Call::poll => Answer::Unless0(POLL_TIMEOUT),
                Call::epoll_wait | Call::epoll_pwait => Answer::Unless0(EPOLL_TIMEOUT),
                _ => Answer::Trace(TABLE_CALL),
            };
            (*number, answer)
        })
        .collect();
    for number in [libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity] {
        answers.push((number as u32, Answer::Trace(AFFINITY_CALL)));
    }
    // A call of the table that goes on.
    answers.push((libc::SYS_restart_syscall as u32, Answer::Trace(TABLE_CALL)));
    answers.sort_unstable_by_key(|(number, _)| *number);
    program.extend(search(&ranges(&answers)));
    program
}

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Trace(u32),
    Mmap,
    Madvise,
    /// A look without waiting is allowed: event loops and schedulers take one all the time.
    Unless0(u32),
}

/// Numbers with the same answer: from, up to and without, answer.
type Range = (u32, u32, Answer);

fn ranges(answers: &[(u32, Answer)]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (number, answer) in answers {
        match ranges.last_mut() {
            Some((_, end, last)) if *end == *number && last == answer => *end += 1,
            _ => ranges.push((*number, number + 1, *answer)),
        }
    }
    ranges
}

/// A binary search over ranges; every path of it returns.
fn search(ranges: &[Range]) -> Vec<Instruction> {
    match ranges {
        [] => vec![statement(RETURN, RET_ALLOW)],
        [(from, end, answer)] => {
            let mut code = vec![
                jump(IF_AT_LEAST, *from, 0, 1),
                jump(IF_AT_LEAST, *end, 0, 1),
                statement(RETURN, RET_ALLOW),
            ];
            code.extend(answer_code(*answer));
            code
        }
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let low_code = search(low);
            let first_high = high.first().map_or(0, |range| range.0);
            // Conditional jumps reach 255 instructions, unconditional ones reach any.
            let mut code = vec![
                jump(IF_AT_LEAST, first_high, 0, 1),
                statement(JUMP, low_code.len() as u32),
            ];
            code.extend(low_code);
            code.extend(search(high));
            code
        }
    }
}

fn answer_code(answer: Answer) -> Vec<Instruction> {
    let trace = statement(RETURN, RET_TRACE | TABLE_CALL);
    let allow = statement(RETURN, RET_ALLOW);
    match answer {
        Answer::Trace(data) => vec![statement(RETURN, RET_TRACE | data)],
        Answer::Mmap => vec![
            statement(LOAD, MMAP_FLAGS),
            jump(IF_ANY_BIT, libc::MAP_ANONYMOUS as u32, 1, 0),
            trace,
            allow,
        ],
        Answer::Unless0(argument) => vec![
            statement(LOAD, argument),
            jump(IF_EQUAL, 0, 1, 0),
            trace,
            allow,
        ],
        Answer::Madvise => vec![
            statement(LOAD, MADVISE_ADVICE),
            jump(IF_EQUAL, ANONYMOUS_ADVICE[0], 3, 0),
            jump(IF_AT_LEAST, ANONYMOUS_ADVICE[1], 0, 1),
            jump(IF_AT_LEAST, ANONYMOUS_ADVICE_END + 1, 0, 1),
            trace,
            allow,
        ],
    }
}

fn statement(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel would.
    fn run(program: &[Instruction], arch: u32, number: u32, args: [u64; 6]) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend(0u64.to_le_bytes());
        for arg in args {
            data.extend(arg.to_le_bytes());
        }
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            let branch = |condition: bool| usize::from(if condition { jt } else { jf });
            at += 1;
            match code {
                LOAD => {
                    let bytes = data[k as usize..k as usize + 4]
                        .try_into()
                        .expect("4 bytes");
                    accumulator = u32::from_le_bytes(bytes);
                }
                JUMP => at += k as usize,
                IF_EQUAL => at += branch(accumulator == k),
                IF_AT_LEAST => at += branch(accumulator >= k),
                IF_ANY_BIT => at += branch(accumulator & k != 0),
                RETURN => return k,
                _ => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn exactly_the_calls_of_the_table_stop() {
        let program = assemble();
        assert!(program.len() < 4096);
        for number in 0..600 {
            let goes_on = libc::SYS_restart_syscall == libc::c_long::from(number);
            let listed = goes_on || arch::NUMBERS.iter().any(|(n, _)| *n == number);
            let affinity = [libc::SYS_sched_getaffinity, libc::SYS_sched_setaffinity]
                .contains(&libc::c_long::from(number));
            let wanted = match (listed, affinity) {
                (true, _) => RET_TRACE | TABLE_CALL,
                (_, true) => RET_TRACE | AFFINITY_CALL,
                _ => RET_ALLOW,
            };
            assert_eq!(
                run(&program, arch::AUDIT_ARCH, number, [1; 6]),
                wanted,
                "{number}"
            );
        }
    }

    #[test]
    fn anonymous_memory_does_not_stop() {
        let program = assemble();
        let run = |number: libc::c_long, args| run(&program, arch::AUDIT_ARCH, number as u32, args);
        assert_eq!(run(libc::SYS_mmap, [0, 0, 0, 0x22, 0, 0]), RET_ALLOW);
        assert_eq!(run(libc::SYS_mmap, [0, 0, 0, 0x02, 3, 0]), RET_TRACE);
        for (advice, stops) in [
            (0, true),
            (3, true),
            (4, true),
            (8, false),
            (9, true),
            (14, false),
            (19, false),
            (20, true),
            (25, true),
        ] {
            let wanted = if stops { RET_TRACE } else { RET_ALLOW };
            assert_eq!(
                run(libc::SYS_madvise, [0, 0, advice, 0, 0, 0]),
                wanted,
                "{advice}"
            );
        }
    }

    #[test]
    fn looks_without_waiting_do_not_stop() {
        let program = assemble();
        let run = |number: libc::c_long, args| run(&program, arch::AUDIT_ARCH, number as u32, args);
        assert_eq!(run(libc::SYS_epoll_pwait, [4, 1, 8, 0, 1, 1]), RET_ALLOW);
        let forever = [4, 1, 8, -1i32 as u32 as u64, 1, 1];
        assert_eq!(run(libc::SYS_epoll_pwait, forever), RET_TRACE);
    }

    #[test]
    fn calls_of_another_architecture_stop_and_say_so() {
        let program = assemble();
        assert_eq!(
            run(&program, 0x4000_0003, 5, [0; 6]),
            RET_TRACE | FOREIGN_CALL
        );
        if let Some(first) = arch::FOREIGN_FROM {
            assert_eq!(
                run(&program, arch::AUDIT_ARCH, first + 2, [0; 6]),
                RET_TRACE | FOREIGN_CALL
            );
        }
    }
}
