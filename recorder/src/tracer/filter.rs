//! The seccomp filter, assembled from the table of calls.
//!
//! It answers `RET_TRACE` for the calls of the table and allows all others. Calls are looked up by
//! binary search, so that a traced call costs a handful of instructions; a call that is always
//! allowed is answered by the kernel's own cache and runs no filter. What is no event by its
//! arguments ([`Call::may_be_event`]) passes as well.

use fsreplay_trace::abi::{MADV_FREE, MADV_KEEPONFORK, MADV_MERGEABLE, MAP_ANONYMOUS};
use fsreplay_trace::call::Call;

use crate::arch;
use crate::options::RecordOptions;
use crate::sys::seccomp::Instruction;

/// Data of a stop at a call of the table.
pub const TABLE_CALL: u32 = 0;
/// Data of a stop at a call of another architecture.
pub const FOREIGN_CALL: u32 = 1;
/// Data of a stop at a call that is no event, and that the recorder must know of or answer.
pub const SIDE_CALL: u32 = 2;

const RET_ERRNO: u32 = 0x0005_0000;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_TRACE: u32 = 0x7ff0_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
/// The part of an answer that says what to do.
const RET_ACTION: u32 = 0xffff_0000;

// Offsets in struct seccomp_data. Both architectures are little-endian: the low half of an argument
// comes first.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const INSTRUCTION: u32 = 8;
const fn argument(index: u32) -> u32 {
    16 + index * 8
}
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

/// `PR_SET_SYSCALL_USER_DISPATCH`.
const SET_DISPATCH: u32 = 59;
/// `SECCOMP_SET_MODE_STRICT`, `SECCOMP_SET_MODE_FILTER`.
const SETTING_MODE: &[u32] = &[0, 1];
/// `PTRACE_TRACEME`, `PTRACE_ATTACH`, `PTRACE_SEIZE`: each begins to trace.
const TRACING: &[u32] = &[0, 16, 0x4206];

/// Calls that are no events, each with when it stops.
///
/// `clone3` has its flags in memory, where a filter can't look: it stops each time, which is one
/// stop more for a new task than the two that the task itself costs.
const SIDE_CALLS: [(libc::c_long, Answer); 7] = [
    (libc::SYS_sched_getaffinity, Answer::Trace(SIDE_CALL)),
    (libc::SYS_sched_setaffinity, Answer::Trace(SIDE_CALL)),
    (libc::SYS_clone3, Answer::Trace(SIDE_CALL)),
    (
        libc::SYS_clone,
        Answer::AnyBit(argument(0), libc::CLONE_UNTRACED as u32),
    ),
    (
        libc::SYS_prctl,
        Answer::OneOf(
            argument(0),
            &[
                libc::PR_GET_SECCOMP as u32,
                libc::PR_SET_SECCOMP as u32,
                SET_DISPATCH,
            ],
        ),
    ),
    (libc::SYS_seccomp, Answer::OneOf(argument(0), SETTING_MODE)),
    (libc::SYS_ptrace, Answer::OneOf(argument(0), TRACING)),
];

/// What a tool may have of io_uring, whose work no recorder sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rings {
    /// As without a recorder.
    Allowed,
    /// `io_uring_setup` fails with `ENOSYS`, as where the kernel has none.
    Withheld,
}

impl Rings {
    /// What options say.
    pub fn of(options: &RecordOptions) -> Rings {
        if options.withhold_io_uring {
            Rings::Withheld
        } else {
            Rings::Allowed
        }
    }
}

/// The filter of this architecture. What is called by the instruction that ends at `inside` is
/// recorded there.
pub fn assemble(rings: Rings, inside: Option<u64>) -> Vec<Instruction> {
    let mut program = vec![
        statement(LOAD, ARCH),
        jump(IF_EQUAL, arch::AUDIT_ARCH, 1, 0),
        statement(RETURN, RET_TRACE | FOREIGN_CALL),
        statement(LOAD, NUMBER),
    ];
    if let Some(foreign) = arch::FOREIGN_NUMBERS {
        program.push(jump(IF_AT_LEAST, foreign.start, 0, 2));
        program.push(jump(IF_AT_LEAST, foreign.end, 1, 0));
        program.push(statement(RETURN, RET_TRACE | FOREIGN_CALL));
    }
    let mut answers: Vec<(u32, Answer)> = arch::numbers()
        .map(|(number, call)| {
            let answer = match call {
                Call::io_uring_setup if rings == Rings::Withheld => Answer::Refuse(libc::ENOSYS),
                Call::mmap => Answer::Mmap,
                Call::madvise => Answer::Madvise,
                Call::poll => Answer::Unless0(POLL_TIMEOUT),
                Call::epoll_wait | Call::epoll_pwait => Answer::Unless0(EPOLL_TIMEOUT),
                _ => Answer::Trace(TABLE_CALL),
            };
            (number, answer)
        })
        .collect();
    answers.extend(SIDE_CALLS.map(|(number, answer)| (number as u32, answer)));
    // A call of the table that goes on.
    answers.push((libc::SYS_restart_syscall as u32, Answer::Trace(TABLE_CALL)));
    answers.sort_unstable_by_key(|(number, _)| *number);
    program.extend(search(&ranges(&answers), inside));
    program
}

/// The filter of tasks that were let go: what stopped for the recorder asks a listener, which takes
/// precedence. `sendmsg` must not stop: it is what hands the listener over.
pub fn for_listener(program: &[Instruction]) -> Vec<Instruction> {
    let asks = |instruction: &Instruction| match instruction {
        Instruction {
            code: RETURN, k, ..
        } if k & RET_ACTION == RET_TRACE => statement(RETURN, RET_USER_NOTIF),
        other => *other,
    };
    program.iter().map(asks).collect()
}

/// Allows what one instruction calls.
fn pass(inside: u64) -> Vec<Instruction> {
    vec![
        statement(LOAD, INSTRUCTION + 4),
        jump(IF_EQUAL, (inside >> 32) as u32, 0, 3),
        statement(LOAD, INSTRUCTION),
        jump(IF_EQUAL, inside as u32, 0, 1),
        statement(RETURN, RET_ALLOW),
    ]
}

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Trace(u32),
    Mmap,
    Madvise,
    /// A look without waiting is allowed: event loops and schedulers take one all the time.
    Unless0(u32),
    /// A side call, where the argument at that offset has one of these bits.
    AnyBit(u32, u32),
    /// A side call, where the argument at that offset is one of these.
    OneOf(u32, &'static [u32]),
    /// It fails with that error.
    Refuse(i32),
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
fn search(ranges: &[Range], inside: Option<u64>) -> Vec<Instruction> {
    match ranges {
        [] => vec![statement(RETURN, RET_ALLOW)],
        [(from, end, answer)] => {
            let mut code = vec![
                jump(IF_AT_LEAST, *from, 0, 1),
                jump(IF_AT_LEAST, *end, 0, 1),
                statement(RETURN, RET_ALLOW),
            ];
            // Only here: what is always allowed must not depend on the instruction, or the kernel
            // would run the filter for it each time.
            let is_made_inside = match answer {
                Answer::Trace(data) => *data == TABLE_CALL,
                other => matches!(other, Answer::Mmap | Answer::Madvise | Answer::Unless0(_)),
            };
            if let Some(inside) = inside.filter(|_| is_made_inside) {
                code.extend(pass(inside));
            }
            code.extend(answer_code(*answer));
            code
        }
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let low_code = search(low, inside);
            let first_high = high.first().map_or(0, |range| range.0);
            // Conditional jumps reach 255 instructions, unconditional ones reach any.
            let mut code = vec![
                jump(IF_AT_LEAST, first_high, 0, 1),
                statement(JUMP, low_code.len() as u32),
            ];
            code.extend(low_code);
            code.extend(search(high, inside));
            code
        }
    }
}

fn answer_code(answer: Answer) -> Vec<Instruction> {
    let trace = statement(RETURN, RET_TRACE | TABLE_CALL);
    let allow = statement(RETURN, RET_ALLOW);
    let side = statement(RETURN, RET_TRACE | SIDE_CALL);
    match answer {
        Answer::AnyBit(argument, bits) => vec![
            statement(LOAD, argument),
            jump(IF_ANY_BIT, bits, 0, 1),
            side,
            allow,
        ],
        Answer::OneOf(argument, values) => {
            let mut code = vec![statement(LOAD, argument)];
            // Each jumps over those that follow it, and the allowing one.
            let left = (1..=values.len()).rev();
            code.extend(
                (values.iter().zip(left)).map(|(v, left)| jump(IF_EQUAL, *v, left as u8, 0)),
            );
            code.extend([allow, side]);
            code
        }
        Answer::Refuse(error) => vec![statement(RETURN, RET_ERRNO | error as u32)],
        Answer::Trace(data) => vec![statement(RETURN, RET_TRACE | data)],
        Answer::Mmap => vec![
            statement(LOAD, MMAP_FLAGS),
            jump(IF_ANY_BIT, MAP_ANONYMOUS, 1, 0),
            trace,
            allow,
        ],
        Answer::Unless0(argument) => vec![
            statement(LOAD, argument),
            jump(IF_EQUAL, 0, 1, 0),
            trace,
            allow,
        ],
        // As `is_anonymous_advice` has it.
        Answer::Madvise => vec![
            statement(LOAD, MADVISE_ADVICE),
            jump(IF_EQUAL, MADV_FREE, 3, 0),
            jump(IF_AT_LEAST, MADV_MERGEABLE, 0, 1),
            jump(IF_AT_LEAST, MADV_KEEPONFORK + 1, 0, 1),
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
    use fsreplay_trace::abi::is_anonymous_advice;

    use super::*;

    /// Runs a filter as the kernel would.
    fn run(program: &[Instruction], arch: u32, number: u32, args: [u64; 6]) -> u32 {
        run_at(program, 0, arch, number, args)
    }

    fn run_at(
        program: &[Instruction],
        instruction: u64,
        arch: u32,
        number: u32,
        args: [u64; 6],
    ) -> u32 {
        let mut data = Vec::new();
        data.extend(number.to_le_bytes());
        data.extend(arch.to_le_bytes());
        data.extend(instruction.to_le_bytes());
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
        let program = assemble(Rings::Allowed, None);
        assert!(program.len() < 4096);
        for number in 0..600 {
            let goes_on = libc::SYS_restart_syscall == libc::c_long::from(number);
            let listed = goes_on || arch::numbers().any(|(n, _)| n == number);
            let side = [
                libc::SYS_sched_getaffinity,
                libc::SYS_sched_setaffinity,
                libc::SYS_clone3,
                libc::SYS_seccomp,
            ];
            let wanted = if listed {
                RET_TRACE | TABLE_CALL
            } else if side.contains(&libc::c_long::from(number)) {
                RET_TRACE | SIDE_CALL
            } else {
                RET_ALLOW
            };
            assert_eq!(
                run(&program, arch::AUDIT_ARCH, number, [1; 6]),
                wanted,
                "{number}"
            );
        }
    }

    #[test]
    fn only_the_instruction_inside_passes() {
        const INSIDE: u64 = 0x7e40_0000_0123;
        let program = assemble(Rings::Allowed, Some(INSIDE));
        for number in [libc::SYS_openat, libc::SYS_mmap, libc::SYS_madvise] {
            let number = number as u32;
            let answer =
                |instruction| run_at(&program, instruction, arch::AUDIT_ARCH, number, [0; 6]);
            assert_eq!(answer(INSIDE), RET_ALLOW);
            for other in [
                0,
                INSIDE + 1,
                INSIDE - 1,
                INSIDE ^ 1 << 32,
                INSIDE & 0xffff_ffff,
            ] {
                assert_eq!(answer(other), RET_TRACE | TABLE_CALL, "{other:#x}");
            }
        }
    }

    #[test]
    fn anonymous_memory_does_not_stop() {
        let program = assemble(Rings::Allowed, None);
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
        for advice in 0..256 {
            let answer = run(libc::SYS_madvise, [0, 0, advice, 0, 0, 0]);
            let is_allowed = answer == RET_ALLOW;
            assert_eq!(is_allowed, is_anonymous_advice(advice as u32), "{advice}");
        }
    }

    #[test]
    fn looks_without_waiting_do_not_stop() {
        let program = assemble(Rings::Allowed, None);
        let run = |number: libc::c_long, args| run(&program, arch::AUDIT_ARCH, number as u32, args);
        assert_eq!(run(libc::SYS_epoll_pwait, [4, 1, 8, 0, 1, 1]), RET_ALLOW);
        let forever = [4, 1, 8, -1i32 as u32 as u64, 1, 1];
        assert_eq!(run(libc::SYS_epoll_pwait, forever), RET_TRACE);
    }

    #[test]
    fn side_calls_stop_by_their_arguments() {
        let program = assemble(Rings::Allowed, None);
        let run = |number: libc::c_long, args| run(&program, arch::AUDIT_ARCH, number as u32, args);
        let untraced = libc::CLONE_UNTRACED as u64;
        let stops = RET_TRACE | SIDE_CALL;
        for (number, args, wanted) in [
            (libc::SYS_clone, [17, 0], RET_ALLOW),
            (libc::SYS_clone, [untraced | 17, 0], stops),
            (libc::SYS_prctl, [15, 0], RET_ALLOW),
            (libc::SYS_prctl, [21, 0], stops),
            (libc::SYS_prctl, [22, 2], stops),
            (libc::SYS_prctl, [59, 1], stops),
            (libc::SYS_seccomp, [0, 0], stops),
            (libc::SYS_seccomp, [1, 0], stops),
            (libc::SYS_seccomp, [1, 8], stops),
            (libc::SYS_seccomp, [2, 0], RET_ALLOW),
            (libc::SYS_ptrace, [0, 0], stops),
            (libc::SYS_ptrace, [16, 0], stops),
            (libc::SYS_ptrace, [0x4206, 0], stops),
            (libc::SYS_ptrace, [7, 0], RET_ALLOW),
        ] {
            let args = [args[0], args[1], 0, 0, 0, 0];
            assert_eq!(run(number, args), wanted, "{number} {args:?}");
        }
    }

    #[test]
    fn what_stops_a_traced_task_asks_the_listener_of_one_let_go() {
        const INSIDE: u64 = 0x7e40_0000_0123;
        let traced = assemble(Rings::Withheld, Some(INSIDE));
        let let_go = for_listener(&traced);
        let answer = |program, arch, number| run_at(program, INSIDE, arch, number, [1; 6]);
        for arch in [arch::AUDIT_ARCH, 0x4000_0003] {
            for number in 0..600 {
                let before = answer(&traced, arch, number);
                let wanted = if before & RET_ACTION == RET_TRACE {
                    RET_USER_NOTIF
                } else {
                    before
                };
                assert_eq!(answer(&let_go, arch, number), wanted, "{arch:#x} {number}");
            }
        }
        let sends = libc::SYS_sendmsg as u32;
        assert_eq!(answer(&let_go, arch::AUDIT_ARCH, sends), RET_ALLOW);
    }

    #[test]
    fn rings_are_withheld_if_asked_for() {
        let number = libc::SYS_io_uring_setup as u32;
        let answer = |rings| run(&assemble(rings, None), arch::AUDIT_ARCH, number, [1; 6]);
        assert_eq!(answer(Rings::Allowed), RET_TRACE | TABLE_CALL);
        assert_eq!(answer(Rings::Withheld), RET_ERRNO | libc::ENOSYS as u32);
    }

    #[test]
    fn calls_of_another_architecture_stop_and_say_so() {
        let program = assemble(Rings::Allowed, None);
        assert_eq!(
            run(&program, 0x4000_0003, 5, [0; 6]),
            RET_TRACE | FOREIGN_CALL
        );
        let native = |number| run(&program, arch::AUDIT_ARCH, number, [0; 6]);
        if let Some(foreign) = arch::FOREIGN_NUMBERS {
            assert_eq!(native(foreign.start + 2), RET_TRACE | FOREIGN_CALL);
            assert_eq!(native(foreign.end), RET_ALLOW);
        }
        // As `syscall(-1)`, which some make to see what the kernel answers.
        assert_eq!(native(u32::MAX), RET_ALLOW);
    }
}
