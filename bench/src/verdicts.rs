//! How often `compare` is right beside a busy neighbour: verdicts of a recording whose answer is
//! known, beside so many loops that take all of a processor that they get.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use fsreplay_measure::estimate::median;
use fsreplay_results::compare::Compare;
use fsreplay_results::{Document, Verdict};

/// What is measured.
#[derive(clap::Args)]
pub struct Options {
    /// The fsreplay binary
    #[arg(long, default_value = "target/release/fsreplay")]
    pub fsreplay: PathBuf,
    /// A recording
    #[arg(long)]
    pub trace: PathBuf,
    /// A directory on a mount; the first one is the baseline (two at least)
    #[arg(long, value_name = "NAME=DIR")]
    pub target: Vec<String>,
    /// What is true of a target, as it was found with the real tool: faster, slower or same
    #[arg(long, value_name = "NAME=VERDICT")]
    pub truth: Vec<String>,
    /// How many loops run beside it, one measurement after the other
    #[arg(long, value_delimiter = ',', default_value = "0,4,8")]
    pub beside: Vec<usize>,
    /// Comparisons beside each number of loops
    #[arg(long, default_value_t = 20)]
    pub times: usize,
    /// What each may take
    #[arg(long, default_value = "30s")]
    pub budget: String,
}

/// Loops that end when dropped.
struct Loops(Vec<Child>);

impl Loops {
    fn start(count: usize) -> io::Result<Loops> {
        let one = || {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", "while :; do :; done"])
                .stdin(Stdio::null())
                .spawn()
        };
        (0..count)
            .map(|_| one())
            .collect::<Result<_, _>>()
            .map(Loops)
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // One that has ended needs no end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Prints, for each number of loops and target, how often which verdict came.
pub fn run(options: &Options) -> io::Result<()> {
    let truth: BTreeMap<&str, &str> = options
        .truth
        .iter()
        .filter_map(|text| text.split_once('='))
        .collect();
    println!("| loops | target | truth | right | wrong | can't be told | seconds, median |");
    println!("|---|---|---|---|---|---|---|");
    for count in &options.beside {
        let loops = Loops::start(*count)?;
        let mut verdicts: BTreeMap<String, Vec<Verdict>> = BTreeMap::new();
        let mut took = Vec::new();
        for _ in 0..options.times {
            let began = Instant::now();
            let found = compare(options)?;
            took.push(began.elapsed().as_secs_f64());
            for target in found.targets.iter().filter(|t| t.name != found.baseline) {
                let all = verdicts.entry(target.name.clone()).or_default();
                all.push(target.ratio.verdict);
            }
        }
        drop(loops);
        for (name, found) in &verdicts {
            let truth = truth.get(name.as_str()).copied().unwrap_or("?");
            let is_right = |one: &&Verdict| match truth {
                "same" => one.is_even(),
                truth => one.text() == truth,
            };
            let right = found.iter().filter(is_right).count();
            let open = found
                .iter()
                .filter(|one| **one == Verdict::CannotTell)
                .count();
            let wrong = found.len() - right - open;
            let seconds = median(&took);
            println!("| {count} | {name} | {truth} | {right} | {wrong} | {open} | {seconds:.1} |");
        }
    }
    Ok(())
}

fn compare(options: &Options) -> io::Result<Compare> {
    let mut command = Command::new(&options.fsreplay);
    command
        .arg("compare")
        .arg(&options.trace)
        .args(["--json", "-", "--budget"]);
    command.arg(&options.budget);
    for target in &options.target {
        command.arg("--target").arg(target);
    }
    if let Some((name, _)) = options.target.first().and_then(|text| text.split_once('=')) {
        command.args(["--baseline", name]);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    match Document::parse(&name_of(&options.trace), &output.stdout) {
        Ok(Document::Compare(found)) => Ok(found),
        Ok(_) => Err(io::Error::other("no comparison")),
        Err(error) => Err(io::Error::other(error)),
    }
}

fn name_of(path: &Path) -> String {
    path.display().to_string()
}
