//! Limits of this process that a replay may meet: looked at before anything is made, since some
//! leave no way to remove it again.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::ReplayError;
use crate::plan::Plan;

/// Bytes of the stack of each thread that replays a lane.
pub(crate) const STACK: usize = 256 << 10;

/// Descriptors besides those of the plan: for preparing, removing, probes, pipes.
const MORE_DESCRIPTORS: u64 = 64;

/// Addresses besides those that grow with a plan, bytes. The C library reserves 64 MiB for each of
/// the first threads; a replay of npm with 11 threads took up to 0.93 GB, and 0.12 GB of memory.
const MORE_ADDRESSES: u64 = 1 << 30;

/// Memory maps of a thread: its stack and that of its signal handlers, each with a guard.
const MAPS_OF_THREAD: usize = 4;
/// Maps that a process has besides its threads' own, with room for what a replay maps.
const OTHER_MAPS: usize = 4096;

/// Raises the limit on open files as far as it goes, and fails if that is not enough: all lanes
/// share one table of descriptors.
pub(crate) fn descriptors(plan: &Plan) -> Result<(), ReplayError> {
    let raised = raised(Resource::Nofile);
    match raised {
        Some(most) if u64::from(plan.slots) + MORE_DESCRIPTORS > most => {
            Err(ReplayError::Plan(format!(
                "it needs {} open files at once, and {MORE_DESCRIPTORS} more, and the hard limit \
                 is {most} (raise it: ulimit -Hn, or Docker's --ulimit nofile=…)",
                plan.slots
            )))
        }
        _ => Ok(()),
    }
}

/// Raises the limit on addresses as far as it goes, and fails if that is not enough. A process that
/// gets no memory is ended on the spot, and would leave the tree.
pub(crate) fn addresses(plan: &Plan) -> Result<(), ReplayError> {
    let Some(most) = raised(Resource::As) else {
        return Ok(());
    };
    let needed = used_addresses().saturating_add(needed_addresses(plan));
    if needed <= most {
        return Ok(());
    }
    Err(ReplayError::Plan(format!(
        "it needs {} MiB of addresses, and the hard limit is {} MiB (raise it: ulimit -Hv)",
        needed >> 20,
        most >> 20
    )))
}

/// Memory maps that a process may have (`vm.max_map_count`, proc(5)).
pub(crate) fn most_maps() -> Option<usize> {
    let told = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?;
    told.trim().parse().ok()
}

/// Whether a thread can be started for each lane. The one that finds no room for the stack of its
/// signal handlers ends the process, and leaves the tree.
pub(crate) fn maps(lanes: usize, most_maps: Option<usize>) -> Result<(), ReplayError> {
    let needed = lanes.saturating_mul(MAPS_OF_THREAD) + OTHER_MAPS;
    match most_maps {
        Some(most) if needed > most => Err(ReplayError::Plan(format!(
            "{lanes} of its tasks lived at the same time, and a thread for each takes some \
             {needed} \
             memory maps of {most} that a process may have (raise it: sysctl vm.max_map_count)",
        ))),
        _ => Ok(()),
    }
}

/// Raises the soft limit to the hard one, which it gives; `None` without one.
fn raised(resource: Resource) -> Option<u64> {
    let maximum = getrlimit(resource).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    // Where that is denied, the calls that meet the limit tell of it.
    let _ = setrlimit(resource, limit);
    maximum
}

/// What an execution takes, roughly and rather too much, bytes: a stack for each lane, what each op
/// gave, and the texts with those of links rewritten.
fn needed_addresses(plan: &Plan) -> u64 {
    let ops: usize = plan.lanes.iter().map(|lane| lane.len()).sum();
    let stacks = plan.lanes.len().saturating_mul(2 * STACK);
    let samples = ops.saturating_mul(4 * size_of::<u32>());
    let texts = plan.text.len().saturating_mul(3);
    MORE_ADDRESSES + (stacks.saturating_add(samples).saturating_add(texts)) as u64
}

/// Addresses that this process uses now, bytes; 0 where that can't be told.
fn used_addresses() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let size = text.split_whitespace().next();
    let pages: u64 = size.and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages.saturating_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_tasks_at_a_time_than_threads_can_be_started_are_refused() {
        assert!(maps(8192, Some(65_530)).is_ok());
        assert!(maps(16_384, Some(65_530)).is_err());
        assert!(maps(16_384, Some(1 << 20)).is_ok());
        assert!(maps(16_384, None).is_ok());
    }
}
