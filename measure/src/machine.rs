//! What the machine did meanwhile: who else had the processors, and who waited for one.
//!
//! Everything here may be missing: a kernel without pressure (`CONFIG_PSI`), a container that hides
//! files, a guest that isn't told of steal. What isn't known is `None`, never an error.

use std::fs::read_to_string;
use std::time::{Duration, Instant};

/// The kernel's ticks of /proc/stat and /proc/self/stat (`USER_HZ`), the same on all Linux that
/// is replayed on.
const TICKS_PER_SECOND: u64 = 100;

/// What a thread has had of the scheduler so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// On a processor.
    pub processor: Duration,
    /// Ready, while others had the processors.
    pub queue: Duration,
}

/// Of the calling thread.
pub fn scheduled() -> Option<Scheduled> {
    parse_schedstat(&read_to_string("/proc/thread-self/schedstat").ok()?)
}

/// Of a line of /proc/PID/task/TID/schedstat: nanoseconds on a processor, nanoseconds in the queue,
/// number of turns.
fn parse_schedstat(text: &str) -> Option<Scheduled> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok().map(Duration::from_nanos);
    Some(Scheduled {
        processor: next()?,
        queue: next()?,
    })
}

/// Processor time since the machine's start, of all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Processors {
    /// For programs and for the kernel.
    busy: Duration,
    /// Idle, or waiting for devices.
    idle: Duration,
    /// Taken by the host, or by other guests of it.
    stolen: Duration,
}

/// The first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal, guest...
fn parse_stat(text: &str) -> Option<Processors> {
    let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let numbers = all.split_ascii_whitespace().map(str::parse);
    let ticks: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    // What guests take is in user and nice, too.
    let [user, nice, system, idle, iowait, irq, softirq, steal] = *ticks.first_chunk()?;
    Some(Processors {
        busy: in_time(user + nice + system + irq + softirq),
        idle: in_time(idle + iowait),
        stolen: in_time(steal),
    })
}

/// User and system time of a line of /proc/PID/stat: of the process and of its ended children.
fn parse_process(text: &str) -> Option<Duration> {
    // The name in parentheses may hold anything.
    let (_, after_name) = text.rsplit_once(')')?;
    let times = after_name.split_ascii_whitespace().skip(11).take(4);
    let ticks: Vec<u64> = times.map(str::parse).collect::<Result<_, _>>().ok()?;
    (ticks.len() == 4).then(|| in_time(ticks.iter().sum()))
}

fn in_time(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SECOND))
}

/// The total of the line `some` of /proc/pressure/cpu: for how long someone waited for a processor.
fn parse_pressure(text: &str) -> Option<Duration> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut fields = some.split_ascii_whitespace();
    let total = fields.find_map(|field| field.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

/// The machine at one time.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    at: Instant,
    processors: Option<Processors>,
    own: Option<Duration>,
    pressure: Option<Duration>,
}

impl Look {
    /// Looks.
    pub fn now() -> Look {
        let read = |path| read_to_string(path).ok();
        Look {
            at: Instant::now(),
            processors: read("/proc/stat").and_then(|text| parse_stat(&text)),
            own: read("/proc/self/stat").and_then(|text| parse_process(&text)),
            pressure: read("/proc/pressure/cpu").and_then(|text| parse_pressure(&text)),
        }
    }

    /// What the machine did from this look to a later one. Of less than some tenths of a second
    /// the shares are coarse: the kernel counts in hundredths.
    pub fn until(&self, later: &Look) -> Meanwhile {
        let wall = later.at.saturating_duration_since(self.at);
        let share = |part: Duration, whole: Duration| {
            (!whole.is_zero()).then(|| (part.as_secs_f64() / whole.as_secs_f64()).clamp(0.0, 1.0))
        };
        let spent = self
            .processors
            .zip(later.processors)
            .map(|(before, after)| Processors {
                busy: after.busy.saturating_sub(before.busy),
                idle: after.idle.saturating_sub(before.idle),
                stolen: after.stolen.saturating_sub(before.stolen),
            });
        let own = self
            .own
            .zip(later.own)
            .map(|(before, after)| after.saturating_sub(before));
        let pressure = self.pressure.zip(later.pressure);
        Meanwhile {
            wall,
            others: spent.zip(own).and_then(|(spent, own)| {
                share(spent.busy.saturating_sub(own) + spent.stolen, spent.all())
            }),
            stolen: spent.and_then(|spent| share(spent.stolen, spent.all())),
            pressure: pressure
                .and_then(|(before, after)| share(after.saturating_sub(before), wall)),
        }
    }
}

impl Processors {
    fn all(&self) -> Duration {
        self.busy + self.idle + self.stolen
    }
}

/// What the machine did between two looks. Shares are from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Meanwhile {
    /// Time between the looks.
    pub wall: Duration,
    /// Share of the machine's processors that others had: other processes, other guests of the
    /// host. A server of the process's own making that still runs (FUSE) counts as another.
    pub others: Option<f64>,
    /// Share of the processors that the host took.
    pub stolen: Option<f64>,
    /// Share of the time in which someone, no matter who, waited for a processor.
    pub pressure: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  1000 200 300 4000 500 60 40 100 900 0\n\
                        cpu0 500 100 150 2000 250 30 20 50 450 0\nintr 1 2 3\n";
    const PROCESS: &str = "42 (a (b) c) R 1 42 42 0 -1 4194304 100 0 0 0 70 20 7 3 20 0 1 0 99 0 0";
    const PRESSURE: &str = "some avg10=94.95 avg60=95.31 avg300=69.82 total=12154415\n\
                            full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_kernels_texts_are_read() {
        let thread = parse_schedstat("1500000 52428 7\n").unwrap();
        assert_eq!(thread.processor, Duration::from_micros(1500));
        assert_eq!(thread.queue, Duration::from_nanos(52_428));
        let all = parse_stat(STAT).unwrap();
        assert_eq!(all.busy, seconds(16));
        assert_eq!(all.idle, seconds(45));
        assert_eq!(all.stolen, seconds(1));
        assert_eq!(parse_process(PROCESS), Some(seconds(1)));
        let waited = Duration::from_micros(12_154_415);
        assert_eq!(parse_pressure(PRESSURE), Some(waited));
    }

    #[test]
    fn texts_that_are_cut_off_or_strange_tell_nothing() {
        for text in [
            "",
            "x",
            "1500000",
            "cpu",
            "cpu  1 2 3",
            "42 (a",
            "some",
            "some total=x",
        ] {
            assert_eq!(parse_schedstat(text), None, "{text}");
            assert_eq!(parse_stat(text), None, "{text}");
            assert_eq!(parse_process(text), None, "{text}");
            assert_eq!(parse_pressure(text), None, "{text}");
        }
        let cut = &PROCESS[..50];
        assert_eq!(parse_process(cut), None, "{cut}");
    }

    fn look(at: Instant, ticks: [u64; 3], own: u64) -> Look {
        Look {
            at,
            processors: Some(Processors {
                busy: in_time(ticks[0]),
                idle: in_time(ticks[1]),
                stolen: in_time(ticks[2]),
            }),
            own: Some(in_time(own)),
            pressure: Some(in_time(ticks[0])),
        }
    }

    #[test]
    fn others_are_all_that_was_busy_without_oneself_and_what_the_host_took() {
        let at = Instant::now();
        let before = look(at, [1000, 500, 0], 100);
        // Two processors for a second: 160 busy, 60 of them its own; 20 idle, 20 stolen.
        let after = look(at + seconds(1), [1160, 520, 20], 160);
        let meanwhile = before.until(&after);
        assert_eq!(meanwhile.others, Some(0.6));
        assert_eq!(meanwhile.stolen, Some(0.1));
        assert_eq!(meanwhile.pressure, Some(1.0));
        // Nothing known, or no time between, or counters that went back (a migrated guest).
        let nothing = Look {
            processors: None,
            own: None,
            pressure: None,
            ..after
        };
        let unknown = before.until(&nothing);
        assert_eq!((unknown.others, unknown.pressure), (None, None));
        assert_eq!(before.until(&before).others, None);
        assert_eq!(after.until(&before).others, None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let before = Look::now();
        let meanwhile = before.until(&Look::now());
        for share in [meanwhile.others, meanwhile.stolen, meanwhile.pressure] {
            assert!(share.is_none_or(|share| (0.0..=1.0).contains(&share)));
        }
        if let (Some(one), Some(later)) = (scheduled(), scheduled()) {
            assert!(one.processor <= later.processor);
        }
    }
}
