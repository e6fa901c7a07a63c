//! Plays hostile traces beside canaries and says what came of it.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use fsreplay_hostile::assemble::assemble;
use fsreplay_hostile::generate::generate;
use fsreplay_hostile::script::Script;
use fsreplay_hostile::supervisor::{Fault, Outcome, Supervisor};
use fsreplay_hostile::{cage, seeds, texts, worker};

/// Plays hostile traces beside a directory of canaries, and fails if one of them is touched.
///
/// Works in a mount namespace in which all but its own directory is read-only; needs root.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Seconds after which no further trace is begun.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many traces are generated at most.
    #[arg(long)]
    count: Option<u64>,
    /// Number of the first generated trace.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Directory on the file system to work on; the system's temporary one unless told.
    #[arg(long)]
    target: Option<PathBuf>,
    /// Work on a tmpfs, mounted for that.
    #[arg(long)]
    tmpfs: bool,
    /// User that plays.
    #[arg(long, value_name = "UID", default_value_t = 0)]
    as_user: u32,
    /// Play this text, and no generated ones.
    #[arg(long, value_name = "FILE")]
    text: Vec<PathBuf>,
    /// Play the texts that were made by hand, too.
    #[arg(long)]
    texts: bool,
    /// Where the shortest form of each trace with a fault goes.
    #[arg(long, value_name = "DIR")]
    findings: Option<PathBuf>,
    /// Seconds after which a replay that was asked to stop counts as hanging.
    #[arg(long, default_value_t = 20)]
    patience: u64,
    /// End after so many faults.
    #[arg(long, default_value_t = 20)]
    most: u64,
    /// How many replays at once.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// Tell what became of each trace.
    #[arg(long, short)]
    verbose: bool,
    /// Do without the mount namespace, on a machine that may be damaged.
    #[arg(long)]
    no_cage: bool,
    /// Where the arenas go (for the program itself).
    #[arg(long, hide = true)]
    base: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Play what comes through standard input (for the program itself).
    #[command(hide = true)]
    Worker,
    /// Print the text of a generated trace.
    Show {
        /// Its number.
        seed: u64,
    },
    /// Write seeds for the fuzz targets, a directory for each (docs/fuzzing.md).
    Seeds {
        /// Where the directories go.
        corpus: PathBuf,
        /// Traces and JSON results to begin with.
        files: Vec<PathBuf>,
    },
    /// Make a trace file from a text.
    Assemble {
        /// The text.
        text: PathBuf,
        /// The trace.
        output: PathBuf,
        /// What `{outside}` stands for.
        #[arg(long, default_value = "/tmp/fsreplay-outside")]
        outside: String,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done: Result<bool, Box<dyn Error>> = match &args.command {
        Some(Command::Worker) => worker::serve().map(|()| true).map_err(Into::into),
        Some(Command::Show { seed }) => {
            print!("{}", generate(*seed));
            Ok(true)
        }
        Some(Command::Seeds { corpus, files }) => seeds::write(corpus, files).map(|()| true),
        Some(Command::Assemble {
            text,
            output,
            outside,
        }) => assemble_file(text, output, outside).map(|()| true),
        None => match args.base.clone() {
            Some(base) => run(&args, &base),
            None => run_apart(&args),
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", worker::chain(&*error));
            ExitCode::from(2)
        }
    }
}

fn assemble_file(text: &PathBuf, output: &PathBuf, outside: &str) -> Result<(), Box<dyn Error>> {
    let script: Script = std::fs::read_to_string(text)?.parse()?;
    Ok(std::fs::write(
        output,
        assemble(&script, outside.as_bytes())?,
    )?)
}

/// What was done and found so far.
#[derive(Default)]
struct Tally {
    traces: u64,
    refused: u64,
    stopped: u64,
    issued: u64,
    divergences: u64,
    /// Inodes that are looked at.
    watched: u64,
    faults: BTreeMap<Fault, u64>,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        self.traces += 1;
        if let Some(answer) = &outcome.answer {
            self.refused += u64::from(!answer.refused.is_empty());
            self.stopped += u64::from(answer.stopped);
            self.issued += answer.issued;
            self.divergences += answer.divergences;
        }
        for fault in outcome.faults.keys() {
            *self.faults.entry(*fault).or_default() += 1;
        }
    }

    fn of(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or(0)
    }
}

/// Makes a directory, does all in another process, which enters the cage, and removes it.
fn run_apart(args: &Args) -> Result<bool, Box<dyn Error>> {
    let parent = args.target.clone().unwrap_or_else(std::env::temp_dir);
    let base = tempfile::Builder::new()
        .prefix("fsreplay-hostile-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir_in(parent.canonicalize()?)?;
    if let Some(findings) = &args.findings {
        std::fs::create_dir_all(findings)?;
    }
    let mut apart = std::process::Command::new(std::env::current_exe()?);
    apart
        .args(std::env::args_os().skip(1))
        .arg("--base")
        .arg(base.path());
    let status = apart.status()?;
    base.close()?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(format!("the process in the cage ended: {status}").into()),
    }
}

/// Whether there was no fault.
fn run(args: &Args, base: &Path) -> Result<bool, Box<dyn Error>> {
    let findings = args
        .findings
        .as_deref()
        .map(Path::canonicalize)
        .transpose()?;
    if !args.no_cage {
        cage::enter(base, args.tmpfs, findings.as_deref())?;
    }
    let work = Work {
        args,
        base,
        begin: Instant::now(),
        scripts: Mutex::new(scripts(args)?),
        tally: Mutex::default(),
    };
    let failed = std::thread::scope(|scope| {
        let jobs: Vec<_> = (0..args.jobs.max(1))
            .map(|job| {
                scope.spawn({
                    let work = &work;
                    move || work.job(job).map_err(|error| worker::chain(&*error))
                })
            })
            .collect();
        let ended = jobs.into_iter().map(|job| job.join());
        ended
            .filter_map(|ended| ended.unwrap_or(Ok(())).err())
            .next()
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    let tally = work.tally.lock().map_err(|error| error.to_string())?;
    report(&tally, args, base, work.begin.elapsed());
    Ok(tally.faults.is_empty())
}

/// What jobs share.
struct Work<'a> {
    args: &'a Args,
    base: &'a Path,
    begin: Instant,
    scripts: Mutex<Scripts>,
    tally: Mutex<Tally>,
}

impl Work<'_> {
    /// Plays scripts, with an arena and a worker of its own, until there are no more.
    fn job(&self, number: usize) -> Result<(), Box<dyn Error>> {
        let base = self.base.join(format!("job{number}"));
        std::fs::create_dir(&base)?;
        let patience = Duration::from_secs(self.args.patience);
        let mut supervisor = Supervisor::new(base, self.args.as_user, patience);
        let watched = supervisor.watched()? as u64;
        self.tally()?.watched += watched;
        while let Some((name, script)) = self.next()? {
            let outcome = supervisor.play(&script)?;
            self.tally()?.add(&outcome);
            if let Some(answer) = outcome.answer.as_ref().filter(|_| self.args.verbose) {
                println!("{name}: {answer:?}");
            }
            for (fault, how) in &outcome.faults {
                let smaller = self.smaller(&mut supervisor, &script, *fault)?;
                let _alone = self.tally()?;
                tell(self.args, &name, (*fault, how), smaller)?;
            }
        }
        Ok(())
    }

    fn tally(&self) -> Result<MutexGuard<'_, Tally>, String> {
        self.tally.lock().map_err(|error| error.to_string())
    }

    fn next(&self) -> Result<Option<Named>, String> {
        let over = self.begin.elapsed() >= Duration::from_secs(self.args.seconds);
        if over || self.tally()?.faults.values().sum::<u64>() >= self.args.most {
            return Ok(None);
        }
        let mut scripts = self.scripts.lock().map_err(|error| error.to_string())?;
        Ok(scripts.next())
    }

    /// The shortest script that has the fault, if it is to be kept.
    fn smaller(
        &self,
        supervisor: &mut Supervisor,
        script: &Script,
        fault: Fault,
    ) -> std::io::Result<Option<Script>> {
        match (&self.args.findings, fault) {
            (None, _) => Ok(None),
            // Takes too long to be tried again and again.
            (Some(_), Fault::Hang) => Ok(Some(script.clone())),
            (Some(_), fault) => supervisor.smaller(script, fault).map(Some),
        }
    }
}

/// Names and scripts in the order in which they are played.
type Scripts = Box<dyn Iterator<Item = Named> + Send>;

type Named = (String, Script);

fn scripts(args: &Args) -> Result<Scripts, Box<dyn Error>> {
    let mut by_hand = Vec::new();
    for path in &args.text {
        by_hand.push((
            path.display().to_string(),
            std::fs::read_to_string(path)?.parse()?,
        ));
    }
    if args.texts {
        for (name, text) in texts::TEXTS {
            by_hand.push((name.to_string(), text.parse()?));
        }
    }
    let none = !args.text.is_empty();
    let count = if none {
        0
    } else {
        args.count.unwrap_or(u64::MAX)
    };
    let seeds = args.seed..args.seed.saturating_add(count);
    let generated = seeds.map(|seed| (format!("seed {seed}"), generate(seed)));
    Ok(Box::new(by_hand.into_iter().chain(generated)))
}

/// Tells of a fault, and keeps the shortest script that has it.
fn tell(
    args: &Args,
    name: &str,
    (fault, how): (Fault, &Vec<String>),
    smaller: Option<Script>,
) -> Result<(), Box<dyn Error>> {
    println!("{fault}: {name}");
    for line in how.iter().take(8) {
        println!("    {line}");
    }
    let (Some(findings), Some(smaller)) = (&args.findings, smaller) else {
        return Ok(());
    };
    for line in &smaller.lines {
        println!("    {line}");
    }
    let file = format!("{fault}-{}.txt", name.replace(['/', ' '], "-"));
    let text = format!("# {fault}: {name}: {}\n{smaller}", how.join("; "));
    Ok(std::fs::write(findings.join(file), text)?)
}

fn report(tally: &Tally, args: &Args, base: &Path, elapsed: Duration) {
    println!(
        "{}, as uid {}: {} traces in {:.1} s ({} refused, {} asked to stop), {} calls issued, \
         {} with another outcome than recorded; {} inodes outside watched",
        worker::file_system(base),
        args.as_user,
        tally.traces,
        elapsed.as_secs_f64(),
        tally.refused,
        tally.stopped,
        tally.issued,
        tally.divergences,
        tally.watched,
    );
    let told = Fault::ALL.map(|fault| format!("{fault} {}", tally.of(fault)));
    println!("{}", told.join(", "));
}
