//! Single runs as csv, one a line, and what they say together.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, read_to_string};
use std::io::{self, Write};
use std::path::Path;

/// The tool itself, run once more at once: what is predicted.
pub const TOOL: &str = "tool";
const HEAD: &str = "workload,mount,what,round,wall,cpu,run_queue";
/// Mounts whose times differ by more have an order, as a share.
const DIFFERS: f64 = 0.1;

/// One run or prediction; seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Single<'a> {
    /// The tool's name.
    pub workload: &'a str,
    /// The mount's.
    pub mount: &'a str,
    /// The tool or what predicts it.
    pub what: &'a str,
    /// Which of its kind.
    pub round: u32,
    /// By the clock.
    pub wall: f64,
    /// Processor time; of a prediction what it took to make.
    pub cpu: f64,
    /// Time in which threads waited for a processor, where that is known.
    pub run_queue: Option<f64>,
}

/// Adds to a log.
pub struct Writer(File);

impl Writer {
    /// A new file gets a head.
    pub fn append(file: &Path) -> io::Result<Writer> {
        let mut file = OpenOptions::new().create(true).append(true).open(file)?;
        if file.metadata()?.len() == 0 {
            writeln!(file, "{HEAD}")?;
        }
        Ok(Writer(file))
    }

    /// Adds a line.
    pub fn add(&mut self, single: &Single<'_>) -> io::Result<()> {
        let queue = single.run_queue.map(|queue| format!("{queue:.6}"));
        writeln!(
            self.0,
            "{},{},{},{},{:.6},{:.6},{}",
            single.workload.replace(',', ""),
            single.mount,
            single.what,
            single.round,
            single.wall,
            single.cpu,
            queue.unwrap_or_default()
        )
    }
}

/// Wall times by what took them.
type Walls<'a> = BTreeMap<&'a str, Vec<f64>>;
/// By workload, then mount in the order of the log, then what: the median wall time.
type Medians = BTreeMap<String, Vec<(String, BTreeMap<String, f64>)>>;

/// Prints what a log says of each way to predict what `real` took: [`TOOL`], or the tool at rest.
pub fn analyse(log: &Path, real: &str) -> io::Result<()> {
    let text = read_to_string(log)?;
    print!("{}", tables(&medians(&text)?, real));
    Ok(())
}

fn medians(text: &str) -> io::Result<Medians> {
    let mut runs: BTreeMap<&str, Vec<(&str, Walls<'_>)>> = BTreeMap::new();
    for line in text.lines().filter(|line| *line != HEAD) {
        let wrong = || io::Error::other(format!("no line of a log: {line}"));
        let fields: Vec<&str> = line.split(',').collect();
        let [workload, mount, what, _, wall, ..] = fields[..] else {
            return Err(wrong());
        };
        let wall: f64 = wall.parse().map_err(|_| wrong())?;
        let mounts = runs.entry(workload).or_default();
        let known = mounts.iter().position(|(name, _)| *name == mount);
        let at = known.unwrap_or(mounts.len());
        if known.is_none() {
            mounts.push((mount, BTreeMap::new()));
        }
        mounts[at].1.entry(what).or_default().push(wall);
    }
    let typical = |(what, walls): (&str, Vec<f64>)| (what.into(), middle(walls));
    let of_mount = |(mount, whats): (&str, Walls<'_>)| {
        (mount.into(), whats.into_iter().map(typical).collect())
    };
    let workloads = runs.into_iter();
    Ok(workloads
        .map(|(workload, mounts)| {
            let mounts = mounts.into_iter().map(of_mount);
            (workload.into(), mounts.collect())
        })
        .collect())
}

fn tables(medians: &Medians, real: &str) -> String {
    let mut text = String::new();
    let all = medians.values().flatten();
    let mut whats: Vec<&str> = all
        .flat_map(|(_, what)| what.keys().map(String::as_str))
        .filter(|what| *what != real)
        .collect();
    whats.sort_unstable();
    whats.dedup();
    text += "| predicted by | mount | pairs | error, median % | mean % | largest % | bias % | \
             ratio within 10 % | order right |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n";
    for what in whats {
        let mut mounts: Vec<&str> = medians
            .values()
            .flatten()
            .map(|(m, _)| m.as_str())
            .collect();
        mounts.sort_unstable();
        mounts.dedup();
        for mount in mounts {
            text += &row(medians, [real, what], mount);
        }
        text += &row(medians, [real, what], "");
    }
    text
}

/// What is said of a way to predict on a mount, or on all.
fn row(medians: &Medians, [tool, what]: [&str; 2], mount: &str) -> String {
    let (mut errors, mut ratios, mut near) = (Vec::new(), 0, 0);
    let (mut ordered, mut right) = (0, 0);
    for mounts in medians.values() {
        let pairs: Vec<(&str, f64, f64)> = mounts
            .iter()
            .filter_map(|(name, of)| Some((name.as_str(), *of.get(tool)?, *of.get(what)?)))
            .collect();
        for (number, (name, real, said)) in pairs.iter().enumerate() {
            if !mount.is_empty() && *name != mount {
                continue;
            }
            errors.push((said / real - 1.0) * 100.0);
            for (before, (_, other_real, other_said)) in pairs[..number].iter().enumerate() {
                let (real, said) = (real / other_real, said / other_said);
                if before == 0 {
                    ratios += 1;
                    near += u32::from((said / real - 1.0).abs() <= DIFFERS);
                }
                if (real - 1.0).abs() > DIFFERS {
                    ordered += 1;
                    right += u32::from((real > 1.0) == (said > 1.0));
                }
            }
        }
    }
    if errors.is_empty() {
        return String::new();
    }
    let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    format!(
        "| {what} | {} | {} | {:.1} | {:.1} | {:.1} | {:+.1} | {near}/{ratios} | \
         {right}/{ordered} |\n",
        if mount.is_empty() { "all" } else { mount },
        errors.len(),
        middle(sizes.clone()),
        sizes.iter().sum::<f64>() / sizes.len() as f64,
        sizes.iter().copied().fold(0.0, f64::max),
        middle(errors),
    )
}

fn middle(values: Vec<f64>) -> f64 {
    fsreplay_measure::estimate::median(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_ratios_and_order_are_those_of_medians_by_the_clock() {
        let log = format!(
            "{HEAD}\nt,a,tool,0,1.0,0,\nt,a,tool,1,9.0,0,\nt,a,tool,2,2.0,0,\nt,b,tool,0,4.0,0,\n\
             t,a,sim,0,2.2,0,\nt,b,sim,0,2.0,0,\n"
        );
        let medians = medians(&log).expect("a log");
        let told = tables(&medians, TOOL);
        assert!(
            told.contains("| sim | a | 1 | 10.0 | 10.0 | 10.0 | +10.0 | 0/0 | 0/0 |"),
            "{told}"
        );
        assert!(
            told.contains("| sim | b | 1 | 50.0 | 50.0 | 50.0 | -50.0 | 0/1 | 0/1 |"),
            "{told}"
        );
        assert!(told.contains("| sim | all | 2 | 30.0 |"), "{told}");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        assert!(medians("t,a,tool,0,fast,0,").is_err());
        assert!(medians("t,a").is_err());
    }
}
