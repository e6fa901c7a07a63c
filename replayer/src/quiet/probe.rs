//! A small fixed piece of work on each processor, and how long it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::Look;
use crate::execute::work::Work;

/// Where there are more processors, none is looked at: each needs a thread.
const MOST_PROCESSORS: usize = 16;
/// From one piece of work to the next. Each takes some 15 µs, so that it costs what runs meanwhile some thousandths.
const PERIOD: Duration = Duration::from_millis(4);
/// No more pieces are remembered, so that days need no more memory than minutes.
const MOST_TIMES: usize = 16_384;
/// Units of work that don't count: what ran before left its own in the caches.
const WARM: u32 = 50;
/// And that do, so often. The shortest counts: an interrupt is no disturbance.
const UNITS: u32 = 100;
pub const UNITS_OF_WORK: f64 = UNITS as f64;
const TRIES: usize = 3;
/// Of what the kernel counts (`USER_HZ`, proc(5)): 100 on each architecture that there is a build for.
pub const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes that a processor fetches at a time.
const LINE: usize = 64;
/// So many times the size of a processor's own cache are gone through before a run.
const TIMES_CACHE: usize = 2;
/// And so many bytes where the size isn't told;
const TYPICAL_CACHE: usize = 2 << 20;
/// no more than these.
const LARGEST_CACHE: usize = 8 << 20;
/// What took this many times as long as the shortest had an interrupt or another thread in it.
const LONGEST: f64 = 2.5;

type Thread = JoinHandle<Vec<(Instant, f64)>>;

/// Threads that do it again and again, one on each processor.
pub struct Probes {
    stop: Arc<AtomicBool>,
    /// Of each processor, if it could be started.
    threads: Vec<(usize, Option<Thread>)>,
    since: Instant,
    /// By processor, as the kernel counts it.
    used: Vec<f64>,
}

impl Probes {
    /// Begins, with emptied caches if that is asked for: it takes some milliseconds. Where a thread can't be had, its processor isn't looked at.
    pub fn begin(empty_caches: bool) -> Probes {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = processors().into_iter().map(|cpu| {
            let stop = Arc::clone(&stop);
            let thread = std::thread::Builder::new().name("look".into());
            let thread = thread.spawn(move || again_and_again(cpu, empty_caches, &stop));
            (cpu, thread.ok())
        });
        Probes {
            threads: threads.collect(),
            stop,
            since: Instant::now(),
            used: used(),
        }
    }

    /// What was seen until now doesn't count.
    pub fn from_now_on(mut self) -> Probes {
        (self.since, self.used) = (Instant::now(), used());
        self
    }

    /// Ends, and tells what was seen.
    pub fn end(mut self) -> Look {
        let now = used();
        let (since, before) = (self.since, std::mem::take(&mut self.used));
        let mut look = Look::default();
        let mut all_told = true;
        for (cpu, thread) in self.stop() {
            // One that failed has nothing to tell.
            let times = thread.and_then(|thread| thread.join().ok());
            let times = times.unwrap_or_default();
            let meanwhile = times.iter().filter(|(at, _)| *at >= since);
            let meanwhile: Vec<f64> = meanwhile.map(|(_, time)| *time).collect();
            look.times.push(average(&meanwhile));
            let used = now.get(cpu).zip(before.get(cpu));
            all_told &= used.is_some();
            let used = used.map_or(0.0, |(now, before)| now - before);
            look.used.push(used.max(0.0));
        }
        // A container may number processors in another way.
        if !all_told {
            look.used.clear();
        }
        look
    }

    fn stop(&mut self) -> Vec<(usize, Option<Thread>)> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = std::mem::take(&mut self.threads);
        for (_, thread) in &threads {
            if let Some(thread) = thread {
                thread.thread().unpark();
            }
        }
        threads
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        for (_, thread) in self.stop() {
            // It has nothing to tell any more.
            let _ = thread.map(JoinHandle::join);
        }
    }
}

/// How long each processor was used since the machine began, in the kernel's ticks (`/proc/stat`, proc(5)). Nothing where that isn't told.
fn used() -> Vec<f64> {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut used = Vec::new();
    for line in text.lines() {
        let Some((number, times)) = line
            .strip_prefix("cpu")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let times = times.split_ascii_whitespace();
        let times: Vec<f64> = times.map(|time| time.parse().unwrap_or(0.0)).collect();
        if let (Ok(number), [user, nice, system, _, _, irq, softirq, ..]) =
            (number.parse::<usize>(), times.as_slice())
            && number < CpuSet::MAX_CPU
        {
            used.resize(used.len().max(number + 1), 0.0);
            used[number] = user + nice + system + irq + softirq;
        }
    }
    used
}

/// When each piece of work was done, and nanoseconds; one more at the end.
fn again_and_again(cpu: usize, empty_caches: bool, stop: &AtomicBool) -> Vec<(Instant, f64)> {
    let mut times = Vec::new();
    if !go_to(cpu) {
        return times;
    }
    if empty_caches {
        empty_cache(cpu);
    }
    let mut work = Work::new();
    let mut period = PERIOD;
    loop {
        let is_last = stop.load(Ordering::Relaxed);
        let time = once(&mut work);
        times.push((Instant::now(), time));
        if is_last {
            return times;
        }
        if times.len() == MOST_TIMES {
            // Every other one, now and from now on: they stay evenly spread.
            let mut index = 0;
            times.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            period *= 2;
        }
        std::thread::park_timeout(period);
    }
}

/// Leaves nothing of what ran before in the processor's own cache: a run then begins with it as after other work, and not once as right after its like and
/// once as after six others (`tar` of 1,200 files: 8 or 9 ms).
fn empty_cache(cpu: usize) {
    let size = own_cache(cpu).unwrap_or(TYPICAL_CACHE).min(LARGEST_CACHE);
    let mut memory = vec![0u8; size * TIMES_CACHE];
    for line in memory.chunks_mut(LINE) {
        line[0] = 1;
    }
    std::hint::black_box(&memory);
}

/// Bytes of the second level, which is a core's own on most processors (`/sys/devices/system/cpu`).
fn own_cache(cpu: usize) -> Option<usize> {
    let file = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index2/size");
    let text = std::fs::read_to_string(file).ok()?;
    let kibibytes: usize = text.trim().strip_suffix('K')?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// What it takes on each processor at this moment, nanoseconds.
pub fn now() -> Vec<f64> {
    let thread = std::thread::Builder::new().spawn(|| {
        let mut work = Work::new();
        let mut on = |cpu| match go_to(cpu) {
            true => once(&mut work),
            false => f64::NAN,
        };
        processors().into_iter().map(&mut on).collect()
    });
    // One that can't be taken tells nothing.
    let times = thread.ok().and_then(|thread| thread.join().ok());
    times.unwrap_or_default()
}

fn once(work: &mut Work) -> f64 {
    work.run(WARM);
    let tries = (0..TRIES).map(|_| {
        let begin = Instant::now();
        work.run(UNITS);
        begin.elapsed().as_nanos() as f64
    });
    tries.fold(f64::INFINITY, f64::min)
}

fn processors() -> Vec<usize> {
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let allowed = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let allowed: Vec<usize> = allowed.collect();
    match allowed.len() > MOST_PROCESSORS {
        true => Vec::new(),
        false => allowed,
    }
}

fn go_to(cpu: usize) -> bool {
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).is_ok()
}

/// Without those that were interrupted; not a number of none.
fn average(times: &[f64]) -> f64 {
    let shortest = times.iter().copied().fold(f64::INFINITY, f64::min);
    let whole = times.iter().filter(|time| **time < shortest * LONGEST);
    let (sum, count) = whole.fold((0.0, 0.0), |(sum, count), time| (sum + time, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processor_is_seen_while_something_runs_and_at_once() {
        let probes = Probes::begin(true);
        std::thread::sleep(Duration::from_millis(30));
        let seen = probes.end().times;
        for seen in [seen, now()] {
            assert_eq!(seen.len(), processors().len());
            // Where a thread may not choose its processor, it sees none.
            let told = |time: &f64| *time > 0.0 || time.is_nan();
            assert!(seen.iter().all(told), "{seen:?}");
        }
    }

    #[test]
    fn the_kernel_counts_what_is_used() {
        let before = used();
        // By the processor's time: the clock goes on while others compute.
        let clock = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let spent = || clock().tv_sec * 1000 + clock().tv_nsec / 1_000_000;
        let begin = spent();
        while spent() < begin + 100 {
            std::hint::spin_loop();
        }
        let now = used();
        assert_eq!(before.len(), now.len());
        let more = now.iter().zip(&before);
        let more: f64 = more.map(|(now, before)| now - before).sum();
        // Not where it isn't told (gVisor).
        let all: f64 = now.iter().sum();
        assert!(more >= 1.0 || all == 0.0, "{before:?}, {now:?}");
    }

    #[test]
    fn what_was_interrupted_doesnt_count() {
        assert_eq!(average(&[10.0, 12.0, 200.0]), 11.0);
        assert!(average(&[]).is_nan());
    }
}
