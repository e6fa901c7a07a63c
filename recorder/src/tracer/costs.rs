//! What the recorder's own stops cost a task: measured on a child that does nothing but traced
//! calls, each time anew, since it depends on the machine, the kernel, its mitigations and who else
//! runs.

use fsreplay_trace::model::StopCosts;

use crate::error::RecordError;
use crate::options::Affinity;
use crate::spawn;
use crate::sys;
use crate::sys::process::{self, Work};
use crate::sys::ptrace::{self, Stop};
use crate::sys::signal::{self, Blocked};
use crate::tracer::affinity::Gatherer;
use crate::tracer::clock::Costs;
use crate::tracer::cpu_time::CpuTime;
use crate::tracer::filter::Rings;

/// Calls of the child while it shares the recorder's processor; apart, each takes many times as
/// long.
const CALLS: u32 = 400;
/// Calls of the child apart.
const CALLS_APART: u32 = 150;
/// Where few of the tool's calls stop, the costs of a stop matter as little, and the tool shall not
/// wait for them to be measured: so many calls, and only where recorder and tool begin.
const FEW_CALLS: u32 = 40;
/// The first of so many parts of them only warm up.
const PARTS: usize = 3;

/// Measures both; `few` if few of the tool's calls will stop.
pub fn measure(affinity: Affinity, few: bool, blocked: &Blocked) -> Result<Costs, RecordError> {
    if few {
        let few = calibrate(affinity, FEW_CALLS, blocked)?;
        return Ok(Costs {
            together: few,
            apart: few,
        });
    }
    let apart = calibrate(Affinity::Off, CALLS_APART, blocked)?;
    let together = match affinity {
        Affinity::Adaptive => calibrate(affinity, CALLS, blocked)?,
        Affinity::Off => apart,
    };
    Ok(Costs { together, apart })
}

fn calibrate(affinity: Affinity, calls: u32, blocked: &Blocked) -> Result<StopCosts, RecordError> {
    let mut child = spawn::spawn(Work::Calls(calls), Rings::Allowed, None, blocked)?;
    let pid = child.pid();
    let (gatherer, _) = Gatherer::new(affinity, pid);
    child
        .go()
        .map_err(RecordError::system("write to the child"))?;
    let seen = watch(pid);
    drop(gatherer);
    if !matches!(seen, Ok(Seen { ended: true, .. })) {
        signal::kill(pid, libc::SIGKILL);
        let _ = ptrace::wait_for(pid);
    }
    if let Some(source) = child.failure() {
        return Err(RecordError::SeccompMissing { source });
    }
    let Seen {
        mut think,
        mut cpu,
        mut duration,
        ..
    } = seen?;
    let alone = native();
    Ok(StopCosts {
        think: typical(&mut think),
        cpu: typical(&mut cpu).saturating_sub(alone),
        duration: typical(&mut duration).saturating_sub(alone),
    })
}

/// The call without a recorder, nanoseconds.
fn native() -> u64 {
    process::make_calls(CALLS);
    let begin = sys::now();
    process::make_calls(CALLS);
    sys::now().saturating_sub(begin) / u64::from(CALLS)
}

/// The mean without the first third, which warms up, and the largest tenth, which interrupts and
/// other processes make.
fn typical(times: &mut [u64]) -> u64 {
    let warm_up = times.len() / PARTS;
    let times = &mut times[warm_up..];
    times.sort_unstable();
    let kept = times.get(..times.len() * 9 / 10).unwrap_or_default();
    kept.iter().sum::<u64>() / kept.len().max(1) as u64
}

#[derive(Default)]
struct Seen {
    think: Vec<u64>,
    cpu: Vec<u64>,
    duration: Vec<u64>,
    ended: bool,
}

/// Handles the child's stops as the tracer does.
fn watch(pid: i32) -> Result<Seen, RecordError> {
    let mut seen = Seen::default();
    let mut time = CpuTime::new(pid);
    let mut entry = 0;
    loop {
        let status = ptrace::wait_for(pid).map_err(RecordError::system("waitpid"))?;
        if !libc::WIFSTOPPED(status) {
            seen.ended = true;
            return Ok(seen);
        }
        let at_filter = status >> 16 == libc::PTRACE_EVENT_SECCOMP;
        if !at_filter && status >> 8 != libc::SIGTRAP | 0x80 {
            ptrace::resume(pid, 0).map_err(RecordError::system("ptrace"))?;
            continue;
        }
        let info =
            ptrace::syscall_info(pid).map_err(|source| RecordError::KernelTooOld { source })?;
        if let Stop::Seccomp { .. } = info {
            entry = sys::now();
            seen.think.push(time.gap(entry, 0).think);
            ptrace::resume_to_exit(pid, 0)
        } else {
            let wall = sys::now().saturating_sub(entry);
            seen.duration.push(wall);
            seen.cpu.push(time.call(wall, 0).cpu);
            time.leaves(sys::now());
            ptrace::resume(pid, 0)
        }
        .map_err(RecordError::system("ptrace"))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_costs_something_and_not_everything() {
        let blocked = Blocked::new().expect("signals");
        match measure(Affinity::Adaptive, false, &blocked) {
            Ok(Costs {
                together: costs, ..
            }) => {
                assert!(costs.think > 100 && costs.think < 1_000_000, "{costs:?}");
                assert!(costs.cpu < 1_000_000, "{costs:?}");
                assert!(costs.duration >= costs.cpu, "{costs:?}");
            }
            Err(error) => {
                println!("skipped: {error}");
                assert!(std::env::var_os("CI").is_none(), "{error}");
            }
        }
    }

    #[test]
    fn interrupts_do_not_count() {
        let mut times = vec![1_000_000; 50];
        times.extend(vec![3000; 95]);
        times.extend(vec![900_000; 5]);
        assert_eq!(typical(&mut times), 3000);
        assert_eq!(typical(&mut []), 0);
    }
}
