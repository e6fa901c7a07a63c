//! A machine on paper, to see what a contest tells where the truth is known.
//!
//! It has a clock of its own, neighbours that compete for its processors, a drift, slow phases, and
//! rounds that take much longer for no reason that anyone sees. The same seed gives the same
//! machine.

use std::convert::Infallible;
use std::time::Duration;

use crate::contest::{Failure, Rig};
use crate::sample::Sample;

/// Chance, the same for the same seed (splitmix64, Steele and others 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins anew.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// From 0 to 1, evenly.
    pub fn even(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// With a mean of 0 and a standard deviation of 1, normally.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.even()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.even()).cos()
    }

    /// With a mean of 1, as the times between events that don't know of each other.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.even()).ln()
    }
}

/// What disturbs the machine.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Processors.
    pub processors: f64,
    /// Loops beside, each of which wants a processor all the time.
    pub neighbours: f64,
    /// Share of its time that the host takes from a guest.
    pub steal: f64,
    /// How much slower everything becomes in ten minutes, as a share.
    pub drift: f64,
    /// How many times as long everything takes in slow phases (a processor that is too warm).
    pub slow: f64,
    /// Scatter of rounds that nothing disturbs: the standard deviation, as a share.
    pub jitter: f64,
    /// Share of rounds that take much longer for no reason, with a tail that has no variance.
    pub outliers: f64,
}

impl Conditions {
    /// Two processors, some drift and slow phases, a round in twenty far off, and these neighbours.
    pub fn beside(neighbours: u32) -> Conditions {
        Conditions {
            processors: 2.0,
            neighbours: f64::from(neighbours),
            steal: 0.02,
            drift: 0.05,
            slow: 1.4,
            jitter: 0.02,
            outliers: 0.05,
        }
    }
}

/// A contestant.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// What a round takes where nothing disturbs, seconds.
    pub seconds: f64,
    /// Share of it that needs a processor; the rest waits for a device.
    pub computing: f64,
}

/// A machine and what runs on it.
#[derive(Clone, Debug)]
pub struct Machine {
    contestants: Vec<Contestant>,
    conditions: Conditions,
    chance: Chance,
    clock: f64,
    /// Whether this is a slow phase, and when it ends.
    is_slow: bool,
    phase_end: f64,
}

impl Machine {
    /// A machine at its start.
    pub fn new(contestants: Vec<Contestant>, conditions: Conditions, seed: u64) -> Machine {
        Machine {
            contestants,
            conditions,
            chance: Chance::new(seed),
            clock: 0.0,
            is_slow: false,
            phase_end: 0.0,
        }
    }

    /// How many times as long anything takes now that is on a processor.
    fn slowness(&mut self) -> f64 {
        /// Seconds that phases last on average.
        const PHASE: f64 = 5.0;
        while self.phase_end <= self.clock {
            self.is_slow = self.chance.even() < 0.3;
            self.phase_end += PHASE * self.chance.exponential();
        }
        let drift = 1.0 + self.conditions.drift * self.clock / 600.0;
        drift
            * if self.is_slow {
                self.conditions.slow
            } else {
                1.0
            }
    }

    /// Time in the run queue beside some seconds on a processor. The scheduler is fair in the long
    /// run only: who has slept comes first, and who has just come may wait for a whole turn.
    fn queue(&mut self, processor: f64) -> f64 {
        let conditions = &self.conditions;
        let runnable = conditions.neighbours + 1.0;
        let fair = (runnable / conditions.processors - 1.0).max(0.0);
        // Turns of 3 ms: many of them are near their mean, few are not.
        let turns = (processor / 0.003).max(1.0);
        let scatter = (0.5 / turns.sqrt()).max(0.15) * self.chance.normal();
        let luck = 0.3 + 0.7 * self.chance.even();
        processor * fair * (luck + scatter).max(0.0)
    }

    /// What one round takes.
    fn sample(&mut self, contestant: Contestant) -> Sample {
        let slowness = self.slowness();
        let jitter = (self.conditions.jitter * self.chance.normal()).exp();
        let mut processor = contestant.seconds * contestant.computing * slowness * jitter;
        let device = contestant.seconds * (1.0 - contestant.computing) * jitter;
        let queue = self.queue(processor);
        if queue > 0.0 {
            // Neighbours share caches as well, which no queue tells of.
            processor *= 1.0 + 0.1 * self.chance.even();
        }
        let stolen = processor * self.conditions.steal * 2.0 * self.chance.even();
        let mut wall = processor + device + queue + stolen;
        if self.chance.even() < self.conditions.outliers {
            // Pareto with exponent 1.5.
            wall += contestant.seconds * ((1.0 - self.chance.even()).powf(-1.0 / 1.5) - 0.5);
        }
        let seconds = Duration::from_secs_f64;
        Sample {
            wall: seconds(wall),
            processor: Some(seconds(processor)),
            queue: Some(seconds(queue)),
        }
    }
}

impl Rig for Machine {
    type Round = Sample;
    type Error = Infallible;

    fn contestants(&self) -> usize {
        self.contestants.len()
    }

    fn round(&mut self, contestant: usize, _: u32) -> Result<Sample, Failure<Infallible>> {
        let sample = self.sample(self.contestants[contestant]);
        // Putting the tree back takes time, too.
        self.clock += sample.wall.as_secs_f64() * 1.3;
        Ok(sample)
    }

    fn now(&self) -> Duration {
        Duration::from_secs_f64(self.clock)
    }
}
