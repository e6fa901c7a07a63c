//! What was measured in the tries of calibration, all judged alike.

use fsreplay_measure::estimate::median;
use fsreplay_replayer::quiet::{Look, Response, Timed, slownesses};

use super::estimate::{Times, Try};

/// In nanoseconds.
const SECOND: f64 = 1e9;

/// The command and its replay in turn, which computes always as much.
#[derive(Debug)]
pub struct Turns {
    /// For each event on average, nanoseconds.
    pub computed: f64,
    /// Runs of the command.
    pub command: Vec<Timed>,
    /// Runs of its replay.
    pub replay: Vec<Timed>,
}

/// What each try says. All are judged by the same short looks, by what all of them tell of how command and replay grow where the machine is slowed, and as if
/// nothing had slowed any of them, as `play` does. Where most runs of the one were slowed and most of the other weren't, they would else seem to differ; and
/// where command and replay don't grow alike, a replay that takes as long as the command on a slow machine takes longer, or less, on another.
pub fn judged(all: &[Turns]) -> Vec<Try> {
    let looks = all.iter().flat_map(|turns| [&turns.command, &turns.replay]);
    let looks = looks.map(|runs| runs.iter().map(|run| &run.look).collect());
    let slow = slownesses(&looks.collect::<Vec<Vec<&Look>>>());
    let slow = || slow.chunks_exact(2);
    let commands = all.iter().map(|turns| &turns.command);
    let command = Responses::learnt(commands.zip(slow().map(|slow| &slow[0])));
    let replays = all.iter().map(|turns| &turns.replay);
    let replay = Responses::learnt(replays.zip(slow().map(|slow| &slow[1])));
    tracing::debug!(?command, ?replay, "judging tries");
    let one = |(turns, slow): (&Turns, &[Vec<f64>])| {
        let tool = command.unslowed(&turns.command, &slow[0]);
        let replay = replay.unslowed(&turns.replay, &slow[1]);
        Try {
            computed: turns.computed,
            wall: Times::of(tool.0, replay.0),
            cpu: Times::of(tool.1, replay.1),
        }
    };
    all.iter().zip(slow()).map(one).collect()
}

/// How time on the clock and on processors grows where the machine is slowed.
#[derive(Clone, Copy, Debug)]
struct Responses {
    wall: Response,
    cpu: Response,
}

impl Responses {
    /// Of one kind of runs, by several series of them and how slowed each was. Expected is, by the first: what isn't spent on a processor takes as long as ever.
    fn learnt<'r>(series: impl Iterator<Item = (&'r Vec<Timed>, &'r Vec<f64>)> + Clone) -> Self {
        let first = series.clone().next().map_or(&[][..], |(runs, _)| runs);
        let busy = first.iter().filter_map(|run| {
            let share = run.cpu_seconds? / run.wall_seconds;
            share.is_finite().then_some(share.clamp(0.0, 1.0))
        });
        let busy: Vec<f64> = busy.collect();
        let mut learnt = Responses {
            wall: Response::expected(match busy.is_empty() {
                true => 1.0,
                false => median(&busy),
            }),
            cpu: Response::expected(1.0),
        };
        for (runs, slow) in series {
            let each = runs.iter().zip(slow);
            let walls = each.clone().map(|(run, slow)| (wall(run), *slow));
            learnt.wall.learn(walls);
            learnt.cpu.learn(each.map(|(run, slow)| (cpu(run), *slow)));
        }
        learnt
    }

    /// Runs as they had been on a machine that nothing slows: times on the clock, and on processors.
    fn unslowed(&self, runs: &[Timed], slow: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let each = runs.iter().zip(slow);
        let both = each.map(|(run, slow)| {
            (
                self.wall.unslowed(wall(run), *slow),
                self.cpu.unslowed(cpu(run), *slow),
            )
        });
        both.unzip()
    }
}

fn wall(run: &Timed) -> f64 {
    run.wall_seconds * SECOND
}

/// Nothing if that isn't known.
fn cpu(run: &Timed) -> f64 {
    run.cpu_seconds.unwrap_or(0.0) * SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs that take so many milliseconds where nothing slows them and grow by that exponent.
    fn runs(milliseconds: f64, exponent: f64, slow: &[f64]) -> Vec<Timed> {
        let run = |slow: &f64| {
            let seconds = milliseconds / 1e3 * slow.powf(exponent);
            Timed {
                wall_seconds: seconds,
                cpu_seconds: Some(seconds),
                look: Look::of(vec![*slow]),
            }
        };
        // So often that what is expected hardly counts.
        std::iter::repeat_n(slow, 200).flatten().map(run).collect()
    }

    fn turns(computed: f64, command: Vec<Timed>, replay: Vec<Timed>) -> Turns {
        Turns {
            computed,
            command,
            replay,
        }
    }

    #[test]
    fn tries_of_a_slow_and_of_a_fast_minute_say_the_same() {
        // The command grows more than its replay does.
        let of = |slow: &[f64]| turns(0.0, runs(10.0, 1.5, slow), runs(12.0, 0.9, slow));
        let (fast, slow) = (of(&[1.0, 1.3]), of(&[1.3, 1.6]));
        let tries = judged(&[fast, slow]);
        let [first, last] = [0, 1].map(|index: usize| tries[index].wall.expect("times"));
        assert!(
            (first.ratio() / last.ratio() - 1.0).abs() < 0.01,
            "{tries:?}"
        );
        assert!((first.tool / 10e6 - 1.0).abs() < 0.01, "{tries:?}");
        assert!((first.ratio() / 1.2 - 1.0).abs() < 0.01, "{tries:?}");
    }

    #[test]
    fn a_replay_that_was_slowed_more_than_the_command_is_none_the_longer() {
        let command = runs(10.0, 1.0, &[1.0, 1.1]);
        let replay = runs(10.0, 1.0, &[1.3, 1.4]);
        let tries = judged(&[turns(0.0, command, replay)]);
        let (wall, cpu) = (tries[0].wall.expect("times"), tries[0].cpu.expect("times"));
        assert!((wall.ratio() - 1.0).abs() < 0.01, "{tries:?}");
        assert!((cpu.ratio() - 1.0).abs() < 0.01, "{tries:?}");
    }

    #[test]
    fn without_processor_time_the_clock_tells() {
        // One that was slowed is taken for one that computed.
        let two = || [1.0, 1.5].map(|slow| runs(10.0, 1.0, &[slow]).remove(0));
        let mut command = Vec::from(two());
        for run in &mut command {
            run.cpu_seconds = None;
        }
        let tries = judged(&[turns(5.0, command, runs(11.0, 1.0, &[1.0]))]);
        assert!(tries[0].cpu.is_none());
        let wall = tries[0].wall.expect("times");
        assert!((wall.ratio() - 1.1).abs() < 1e-3, "{tries:?}");
        assert_eq!(tries[0].computed, 5.0);
        assert!(judged(&[]).is_empty());
    }
}
