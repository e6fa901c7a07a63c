//! How long to wait until something is asked again that was denied.

/// The longest wait, stops.
const LONGEST: u32 = 1024;

/// Waits twice as long after each time that it was denied: what threads do with a signal is asked
/// of the kernel for each of them, and most often stays as it is.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// It is asked again after so many stops.
    until: u32,
    /// How long it waited last.
    wait: u32,
}

impl Patience {
    /// Whether it isn't asked yet after so many `stops`.
    pub(super) fn waits(&self, stops: u32) -> bool {
        stops < self.until
    }

    /// Asks, if it is time for that after so many `stops`; gives the answer, which else is no.
    pub(super) fn is_over(&mut self, stops: u32, ask: impl FnOnce() -> bool) -> bool {
        if self.waits(stops) {
            return false;
        }
        let answer = ask();
        self.wait = if answer {
            0
        } else {
            (2 * self.wait).clamp(1, LONGEST)
        };
        self.until = stops.saturating_add(self.wait);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_denied_again_and_again_is_asked_seldom() {
        let mut patience = Patience::default();
        let mut asked = Vec::new();
        for stops in 0..100 {
            assert!(!patience.is_over(stops, || {
                asked.push(stops);
                false
            }));
        }
        assert_eq!(asked, [0, 1, 3, 7, 15, 31, 63]);
        assert!(patience.is_over(127, || true));
        assert!(patience.is_over(127, || true));
    }
}
