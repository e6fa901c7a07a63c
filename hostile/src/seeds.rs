//! What fuzzers begin with: traces, mount tables, results, and decisions of the generator.

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::assemble::assemble;
use crate::choices::Choices;
use crate::generate::generate;
use crate::inputs::unpack;
use crate::script::Script;
use crate::texts::TEXTS;

/// A mount table with all that the parser looks at.
pub const MOUNTINFO: &[u8] = b"\
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue
22 1 0:21 / /with\\040space ro - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
40 22 254:1 /docker/volumes/v/_data /data rw,relatime - ext4 /dev/vda1 rw
41 22 0:50 / /workspaces/a rw - fakeowner /run/host_mark/Users rw,fakeowner
42 22 0:51 / /w rw - 9p drvfs rw,aname=drvfs;path=C:\\134;uid=0
43 22 0:52 / /dev/shm rw - tmpfs shm rw,size=65536k
";

/// A marker's text.
pub const MARKER: &[u8] = b"\
A replay directory of fsreplay; `fsreplay clean` removes it once its replay is gone.
boot 0b6ea1c5-4f3e-4c3a-9d8b-2d7d6a0c0f0a
pid-namespace 4026531836
pid 4242
started 250403
locked true
";

/// The least of each kind of result.
pub const RESULTS: &[&[u8]] = &[
    br#"{"schema_version":1,"kind":"play","events":3,"rounds":[],
        "trace":{"id":"a","command":["x"]}}"#,
    br#"{"schema_version":1,"kind":"compare","targets":[{"path":"/a","seconds":[1.0]}],
        "trace":{"id":"a"}}"#,
    br#"{"schema_version":1,"kind":"advise","placements":[{"name":"x"}],"trace":{"id":"a"}}"#,
    br#"{"schema_version":1,"kind":"inspect","calls":[],"findings":[],"trace":{"id":"a"}}"#,
];

/// Seeds of a fuzz target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "reader" => traces(),
        "frames" => traces().iter().filter_map(|file| unpack(file)).collect(),
        "planner" | "replay" => (0..64).map(decisions).collect(),
        "mountinfo" => vec![MOUNTINFO.to_vec()],
        "report" => RESULTS.iter().map(|result| result.to_vec()).collect(),
        "marker" => vec![MARKER.to_vec()],
        "text" => TEXTS
            .iter()
            .map(|(_, text)| text.as_bytes().to_vec())
            .collect(),
        _ => Vec::new(),
    }
}

/// A trace that tells processor time, with every call.
const TOLD: &[u8] = include_bytes!("../../traces/tests/golden/everything-v7.zst");

/// Traces of few events, by hand and from numbers, and one that has all.
fn traces() -> Vec<Vec<u8>> {
    let by_hand = TEXTS.iter().filter_map(|(_, text)| text.parse().ok());
    let scripts = by_hand.chain((0..32).map(generate));
    let small = scripts.filter(|script: &Script| !is_large(script));
    small
        .filter_map(|script| assemble(&script, b"/outside").ok())
        .chain([TOLD.to_vec()])
        .collect()
}

/// Whether a script makes millions of something out of a line.
fn is_large(script: &Script) -> bool {
    script.to_string().len() > 100_000 || script.lines.iter().any(repeats)
}

fn repeats(line: &crate::script::Line) -> bool {
    matches!(line, crate::script::Line::Call(calls) if calls.count > 10_000)
}

fn decisions(seed: u64) -> Vec<u8> {
    let mut choices = Choices::seeded(seed);
    (0..400).map(|_| choices.below(256) as u8).collect()
}

/// Writes them below `corpus`, a directory for each target, with `files` added where they belong.
///
/// # Errors
/// Where a file can't be read or written.
pub fn write(corpus: &Path, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let targets = crate::inputs::INPUTS.iter().map(|(target, _)| *target);
    for target in targets.chain(["replay"]) {
        let mut seeds = of(target);
        for file in files {
            let bytes = std::fs::read(file)?;
            match (target, file.extension().and_then(|kind| kind.to_str())) {
                ("reader", Some("zst")) => seeds.push(bytes),
                ("frames", Some("zst")) => seeds.extend(unpack(&bytes)),
                ("report", Some("json")) => seeds.push(bytes),
                _ => {}
            }
        }
        let directory = corpus.join(target);
        std::fs::create_dir_all(&directory)?;
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(directory.join(format!("seed{number:04}")), seed)?;
        }
    }
    Ok(())
}
