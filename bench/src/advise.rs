//! Whether advice holds: a project is recorded on a slow mount, as a workspace that is bound into a
//! container is, and what `advise` predicts for its packages on a disk is set beside what the tool
//! itself gains, run with that placement. Needs root, npm and bindfs.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fsreplay_measure::estimate::median;

use crate::fsreplay::{json, number, record};
use crate::shell::shell;
use crate::timing::run;

/// A tool that uses the packages of a project, and leaves it as it was.
struct Tool {
    name: &'static str,
    command: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "tsc",
        command: &["node", "node_modules/typescript/bin/tsc", "--noEmit"],
    },
    Tool {
        name: "npm ls",
        command: &["npm", "ls", "--all", "--offline"],
    },
    Tool {
        name: "tar",
        command: &["sh", "-c", "tar cf - node_modules | cat > /dev/null"],
    },
    Tool {
        name: "du",
        command: &["du", "-s", "node_modules"],
    },
    Tool {
        name: "grep -r",
        command: &["grep", "-rl", "use strict", "node_modules"],
    },
];

const PROJECT: &str = r#"mkdir app && cd app
echo '{"name":"app","version":"1.0.0","private":true}' > package.json
npm install --no-audit --no-fund --ignore-scripts express@4.21.2 typescript@5.7.2 \
    @types/express@4.17.21 @types/node@22.10.5 > npm.log
mkdir src
for i in $(seq 30); do
    {
        echo 'import express from "express";'
        printf 'import { value as next } from "./m%d";\n' $((i % 30 + 1))
        echo 'export const value: number = next + 1;'
        echo 'export const app = express;'
    } > src/m$i.ts
done
echo '{"compilerOptions":{"strict":true,"esModuleInterop":true,"module":"nodenext",
    "skipLibCheck":true},"include":["src"]}' > tsconfig.json
mkdir .room"#;

/// As it lies now: all of it on a mount that goes through another process.
const NOW: &str = "mkdir now room && cp -a app now.source && bindfs now.source now";

/// As advised: the same, with the packages on the disk, mounted over their place as a container
/// does with a volume.
const ADVISED: &str = "mkdir advised && mv app advised.source && \
    mv advised.source/node_modules packages && mkdir advised.source/node_modules && \
    bindfs advised.source advised && mount --bind packages advised/node_modules";

/// The project twice.
struct Projects {
    now: PathBuf,
    advised: PathBuf,
}

impl Projects {
    fn make(dir: &Path) -> io::Result<Projects> {
        shell(dir, PROJECT)?;
        let projects = Projects {
            now: dir.join("now"),
            advised: dir.join("advised"),
        };
        shell(dir, NOW)?;
        shell(dir, ADVISED)?;
        Ok(projects)
    }
}

impl Drop for Projects {
    fn drop(&mut self) {
        let points = [
            self.advised.join("node_modules"),
            self.advised.clone(),
            self.now.clone(),
        ];
        for point in points {
            if let Err(error) = shell(Path::new("/"), &format!("umount '{}'", point.display())) {
                eprintln!("fsreplay-bench: {error}");
            }
        }
    }
}

/// Prints a row for each tool.
pub fn run_all(fsreplay: &Path, rounds: usize, dir: &Path, only: &str) -> io::Result<()> {
    let fsreplay = fsreplay.canonicalize()?;
    let dir = dir.join(format!("advise-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let dir = dir.canonicalize()?;
    let projects = Projects::make(&dir)?;
    println!(
        "| tool | now ms | predicted | packages moved ms | predicted | gain ms | predicted gain \
         | error % | advice |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---|");
    for tool in TOOLS.iter().filter(|tool| tool.name.contains(only)) {
        if let Err(error) = row(tool, &projects, &fsreplay, rounds, &dir) {
            eprintln!("fsreplay-bench: {}: {error}", tool.name);
        }
    }
    drop(projects);
    std::fs::remove_dir_all(&dir)
}

fn row(
    tool: &Tool,
    projects: &Projects,
    fsreplay: &Path,
    rounds: usize,
    dir: &Path,
) -> io::Result<()> {
    let trace = dir.join("trace.zst");
    run(&projects.now, tool.command)?;
    record(fsreplay, &projects.now, &trace, "", tool.command)?;
    let packages = projects.now.join("node_modules");
    let advice = json(
        fsreplay,
        &[
            "advise".to_owned(),
            trace.to_string_lossy().into_owned(),
            "--target".into(),
            format!("fuse={}/.room", projects.now.display()),
            "--target".into(),
            format!("disk={}/room", dir.display()),
            "--rounds".into(),
            rounds.to_string(),
        ],
    )?;
    let (now, moved) = really(tool, projects, rounds)?;
    let none = Vec::new();
    let moves = advice["moves"].as_array().unwrap_or(&none);
    let found = moves.iter().find(|one| {
        one["to"] == "disk" && one["paths"] == serde_json::json!([packages.to_string_lossy()])
    });
    let base = number(&advice["baseline"]["seconds"], "value") * 1e3;
    let predicted = found.map_or(base, |one| number(&one["seconds"], "value") * 1e3);
    println!(
        "| {} | {now:.1} | {base:.1} | {moved:.1} | {predicted:.1} | {:.1} | {:.1} | {:+.1} | {} |",
        tool.name,
        now - moved,
        base - predicted,
        ((base - predicted) / (now - moved) - 1.0) * 100.0,
        advice["sentence"]
            .as_str()
            .unwrap_or("")
            .replace(&*projects.now.to_string_lossy(), "…"),
    );
    Ok(())
}

/// What FUSE keeps of attributes and names is then no longer valid: neither people nor the rounds
/// of a replay run a tool again within a second.
const EXPIRED: Duration = Duration::from_millis(1200);

/// Medians of the tool's own times, now and as advised, in turn; milliseconds.
fn really(tool: &Tool, projects: &Projects, rounds: usize) -> io::Result<(f64, f64)> {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for (home, times) in [&projects.now, &projects.advised]
            .into_iter()
            .zip(&mut times)
        {
            std::thread::sleep(EXPIRED);
            let home_fs = std::fs::File::open(home)?;
            rustix::fs::syncfs(&home_fs)?; // what was written before is not the tool's to write
            let seconds = run(home, tool.command)?;
            if round > 0 {
                times.push(seconds * 1e3); // the first run warms caches
            }
        }
    }
    let [now, moved] = times.map(|times| median(&times));
    Ok((now, moved))
}
