//! What the single runs of a log say together: how far each way to predict is off, beside how far
//! the tool's own runs are from each other.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::io;
use std::path::Path;

use super::log::{AT_REST, HEAD, TOOL};

/// Mounts whose times differ by more have an order, as a share; a ratio that is off by no more is
/// near.
const DIFFERS: f64 = 0.1;
/// What the tool itself took: the median of its runs.
const TRUE: &str = "the tool";
/// Its runs in odd rounds and in even ones. That one half predicts the other no better is what the
/// machine leaves to be predicted.
const HALVES: [&str; 2] = ["odd rounds", "even rounds"];

/// By workload, then mount in the order of the log, then what: its wall time, seconds.
type Times = BTreeMap<String, Vec<(String, BTreeMap<String, f64>)>>;

/// Prints what a log says of each way to predict. On mounts named `shares` the tool at rest is what
/// is predicted, on others the tool that is run again at once. Ratios are to the mount `base`, or
/// the first one in the log.
///
/// # Errors
/// A log that can't be read, or that holds what is no line of one.
pub fn analyse(log: &Path, shares: &[String], base: Option<&str>) -> io::Result<()> {
    let text = read_to_string(log)?;
    let mut times = times(&text, shares)?;
    if let Some(base) = base {
        put_first(&mut times, base)?;
    }
    print!("{}", tables(&times));
    Ok(())
}

/// Lets ratios be to that mount.
fn put_first(times: &mut Times, base: &str) -> io::Result<()> {
    for (workload, mounts) in times {
        if !mounts.iter().any(|(mount, _)| mount == base) {
            let message = format!("{workload} was not run on {base}: take another --base");
            return Err(io::Error::other(message));
        }
        mounts.sort_by_key(|(mount, _)| base != mount);
    }
    Ok(())
}

/// Runs of one kind on a mount: number of the round, and wall time.
type Runs = Vec<(u32, f64)>;
/// All runs on a mount, by what ran.
type RunsOf<'a> = BTreeMap<&'a str, Runs>;

fn times(text: &str, shares: &[String]) -> io::Result<Times> {
    let mut runs: BTreeMap<&str, Vec<(&str, RunsOf<'_>)>> = BTreeMap::new();
    for line in text.lines().filter(|line| *line != HEAD) {
        let wrong = || io::Error::other(format!("no line of a log: {line}"));
        let fields: Vec<&str> = line.split(',').collect();
        let [workload, mount, what, round, wall, ..] = fields[..] else {
            return Err(wrong());
        };
        let round: u32 = round.parse().map_err(|_| wrong())?;
        let wall: f64 = wall.parse().map_err(|_| wrong())?;
        let mounts = runs.entry(workload).or_default();
        let known = mounts.iter().position(|(name, _)| *name == mount);
        let at = known.unwrap_or(mounts.len());
        if known.is_none() {
            mounts.push((mount, BTreeMap::new()));
        }
        mounts[at].1.entry(what).or_default().push((round, wall));
    }
    let of_mount = |(mount, whats): (&str, RunsOf<'_>)| {
        let is_share = shares.iter().any(|name| name == mount);
        (mount.to_owned(), of_mount(&whats, is_share))
    };
    let workloads = runs.into_iter();
    Ok(workloads
        .map(|(workload, mounts)| {
            let mounts = mounts.into_iter().map(of_mount);
            (workload.into(), mounts.collect())
        })
        .collect())
}

/// Medians of all that was run on a mount.
fn of_mount(whats: &RunsOf<'_>, is_share: bool) -> BTreeMap<String, f64> {
    let typical = whats.iter().map(|(what, runs)| {
        (
            (*what).into(),
            middle(runs.iter().map(|(_, wall)| *wall).collect()),
        )
    });
    let mut times: BTreeMap<String, f64> = typical.collect();
    let real = if is_share { AT_REST } else { TOOL };
    // It is what is predicted, and would predict itself.
    let (Some(typical), Some(runs)) = (times.remove(real), whats.get(real)) else {
        return times;
    };
    times.insert(TRUE.into(), typical);
    for (name, rest) in HALVES.into_iter().zip([1, 0]) {
        let half = runs.iter().filter(|(round, _)| round % 2 == rest);
        let half: Vec<f64> = half.map(|(_, wall)| *wall).collect();
        if !half.is_empty() {
            times.insert(name.into(), middle(half));
        }
    }
    times
}

fn tables(times: &Times) -> String {
    let all = || times.values().flatten();
    let mut whats: Vec<&str> = all()
        .flat_map(|(_, what)| what.keys().map(String::as_str))
        .filter(|what| *what != TRUE && !HALVES.contains(what))
        .collect();
    whats.sort_unstable();
    whats.dedup();
    let mut mounts: Vec<&str> = all().map(|(mount, _)| mount.as_str()).collect();
    mounts.sort_unstable();
    mounts.dedup();
    mounts.push("");
    let mut text = String::from(
        "| predicted by | mount | pairs | error, median % | mean % | largest % | bias % | \
         ratio error, median % | mean % | ratio within 10 % | order right |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for what in whats {
        for mount in &mounts {
            text += &row(times, [TRUE, what], what, mount);
        }
    }
    for mount in &mounts {
        text += &row(times, HALVES, "(the tool's other rounds)", mount);
    }
    text
}

/// How far a prediction is off, over pairs of a workload and a mount.
#[derive(Default)]
struct Errors {
    /// Of times, percent.
    times: Vec<f64>,
    /// Of ratios to the first mount, percent.
    ratios: Vec<f64>,
    near: usize,
    ordered: usize,
    right: usize,
}

impl Errors {
    /// Of one workload; what is real and what was said of each mount. Only those of the named
    /// mount count, or all.
    fn add(&mut self, pairs: &[(&str, f64, f64)], mount: &str) {
        for (number, (name, real, said)) in pairs.iter().enumerate() {
            if !mount.is_empty() && *name != mount {
                continue;
            }
            self.times.push((said / real - 1.0) * 100.0);
            for (before, (_, other_real, other_said)) in pairs[..number].iter().enumerate() {
                let (real, said) = (real / other_real, said / other_said);
                let error = said / real - 1.0;
                if before == 0 {
                    self.ratios.push(error * 100.0);
                    self.near += usize::from(error.abs() <= DIFFERS);
                }
                if (real - 1.0).abs() > DIFFERS {
                    self.ordered += 1;
                    self.right += usize::from((real > 1.0) == (said > 1.0));
                }
            }
        }
    }
}

/// What is said of a way to predict on a mount, or on all. Of the two, the second predicts the
/// first.
fn row(times: &Times, [real, said]: [&str; 2], name: &str, mount: &str) -> String {
    let mut errors = Errors::default();
    for mounts in times.values() {
        let pairs = mounts
            .iter()
            .filter_map(|(name, of)| Some((name.as_str(), *of.get(real)?, *of.get(said)?)));
        errors.add(&pairs.collect::<Vec<_>>(), mount);
    }
    if errors.times.is_empty() {
        return String::new();
    }
    let [median, mean, largest] = sizes(&errors.times);
    let [ratio_median, ratio_mean, _] = sizes(&errors.ratios);
    format!(
        "| {name} | {} | {} | {median:.1} | {mean:.1} | {largest:.1} | {:+.1} | {ratio_median:.1} \
         | {ratio_mean:.1} | {}/{} | {}/{} |\n",
        if mount.is_empty() { "all" } else { mount },
        errors.times.len(),
        middle(errors.times.clone()),
        errors.near,
        errors.ratios.len(),
        errors.right,
        errors.ordered,
    )
}

/// Median, mean and largest of what errors are without their signs; 0 where there are none.
fn sizes(errors: &[f64]) -> [f64; 3] {
    if errors.is_empty() {
        return [0.0; 3];
    }
    let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    [middle(sizes), mean, largest]
}

fn middle(values: Vec<f64>) -> f64 {
    fsreplay_measure::estimate::median(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str, shares: &[String]) -> String {
        tables(&times(&format!("{HEAD}\n{lines}"), shares).expect("a log"))
    }

    #[test]
    fn errors_ratios_and_order_are_those_of_medians_by_the_clock() {
        let told = told(
            "t,a,tool,0,1.0,0,\nt,a,tool,1,9.0,0,\nt,a,tool,2,2.0,0,\nt,b,tool,0,4.0,0,\n\
             t,a,sim,0,2.2,0,\nt,b,sim,0,2.0,0,\n",
            &[],
        );
        for row in [
            "| sim | a | 1 | 10.0 | 10.0 | 10.0 | +10.0 | 0.0 | 0.0 | 0/0 | 0/0 |",
            "| sim | b | 1 | 50.0 | 50.0 | 50.0 | -50.0 | 54.5 | 54.5 | 0/1 | 0/1 |",
            "| sim | all | 2 | 30.0 |",
        ] {
            assert!(told.contains(row), "{told}");
        }
    }

    #[test]
    fn on_a_share_the_tool_at_rest_is_predicted() {
        let lines = "t,a,tool,1,1.0,0,\nt,a,at rest,1,2.0,0,\nt,a,sim,1,2.0,0,\n";
        assert!(told(lines, &[]).contains("| sim | all | 1 | 100.0 |"));
        assert!(told(lines, &["a".into()]).contains("| sim | all | 1 | 0.0 |"));
    }

    #[test]
    fn one_half_of_the_tool_s_rounds_stands_beside_the_other() {
        let told = told(
            "t,a,tool,1,1.0,0,\nt,a,tool,2,1.5,0,\nt,a,tool,3,1.0,0,\nt,a,sim,1,1.0,0,\n",
            &[],
        );
        let row = "| (the tool's other rounds) | all | 1 | 50.0 | 50.0 | 50.0 | +50.0 |";
        assert!(told.contains(row), "{told}");
    }

    #[test]
    fn ratios_are_to_the_mount_that_is_named() {
        let lines = "t,a,tool,1,1.0,0,\nt,b,tool,1,2.0,0,\n";
        let mut times = times(&format!("{HEAD}\n{lines}"), &[]).expect("a log");
        put_first(&mut times, "b").expect("it is there");
        assert_eq!(times["t"][0].0, "b");
        assert!(put_first(&mut times, "c").is_err());
    }

    #[test]
    fn what_is_no_line_is_refused() {
        assert!(times("t,a,tool,0,fast,0,", &[]).is_err());
        assert!(times("t,a,tool,first,1.0,0,", &[]).is_err());
        assert!(times("t,a", &[]).is_err());
    }
}
