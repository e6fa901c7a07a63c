//! Time that the hypervisor gave to others while a processor of this machine had work to do.

use std::fs::read_to_string;

/// What the kernel has counted since the machine began (`/proc/stat`, proc(5)), in its ticks, of all processors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counted {
    used: f64,
    stolen: f64,
}

impl Counted {
    /// None where the kernel doesn't tell.
    pub fn now() -> Option<Counted> {
        Counted::of(&read_to_string("/proc/stat").ok()?)
    }

    fn of(text: &str) -> Option<Counted> {
        let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let times = all.split_ascii_whitespace();
        let times: Vec<f64> = times.map(|time| time.parse().unwrap_or(0.0)).collect();
        let [user, nice, system, _, _, irq, softirq, stolen, ..] = times[..] else {
            return None;
        };
        Some(Counted {
            used: user + nice + system + irq + softirq,
            stolen,
        })
    }

    /// How much was stolen since then, as a share of what was used.
    pub fn share_since(self, before: Counted) -> f64 {
        let used = self.used - before.used;
        match used > 0.0 {
            true => (self.stolen - before.stolen) / used,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stolen_is_told_as_a_share_of_what_was_used() {
        let at = |text: &str| Counted::of(text).expect("numbers");
        let before = at("cpu  100 10 50 1000 5 1 2 7 0 0\ncpu0 1 2 3\n");
        let after = at("cpu  140 15 90 1900 9 6 7 27 0 0\n");
        // 40, 5, 40, 5 and 5 used; neither idle nor waiting for a disk counts.
        assert!((after.share_since(before) - 20.0 / 95.0).abs() < 1e-9);
        assert_eq!(before.share_since(before), 0.0);
        assert_eq!(Counted::of("cpu  1 2 3\n"), None);
        assert_eq!(Counted::of(""), None);
    }
}
