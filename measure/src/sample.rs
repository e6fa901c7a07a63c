//! What one round took, and how much of it was waiting for a processor.

use std::time::Duration;

/// What one round took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// By the clock.
    pub wall: Duration,
    /// On a processor; none where that isn't known.
    pub processor: Option<Duration>,
    /// Ready to go on, while others had the processors ([`crate::machine::scheduled`]); none where
    /// that isn't known.
    ///
    /// Of the thread that the wall time is that of. A sum over threads that ran side by side is
    /// more than what the round was held up by, and belongs to no sample.
    pub queue: Option<Duration>,
}

impl Sample {
    /// A sample of which only the wall time is known.
    pub fn of(wall: Duration) -> Sample {
        Sample {
            wall,
            ..Sample::default()
        }
    }

    /// The only correction there is: the wall time, in seconds, without the time in the run queue.
    /// It is never less than the processor time, nor more than the wall time.
    ///
    /// What is left in it of busy neighbours are their shares of caches and of the processor's
    /// clock, which one thread can't know.
    pub fn undelayed_seconds(&self) -> f64 {
        let queue = self.queue.unwrap_or_default();
        let least = self.processor.unwrap_or_default().min(self.wall);
        self.wall.saturating_sub(queue).max(least).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_wait_for_a_processor_is_taken_out_and_nothing_else() {
        let plain = Sample::of(ms(300));
        assert_eq!(plain.undelayed_seconds(), 0.3);
        let delayed = Sample {
            wall: ms(300),
            processor: Some(ms(80)),
            queue: Some(ms(200)),
        };
        assert_eq!(delayed.undelayed_seconds(), 0.1);
        // Clocks of different grain may not agree.
        let odd = Sample {
            queue: Some(ms(290)),
            ..delayed
        };
        assert_eq!(odd.undelayed_seconds(), 0.08);
    }
}
