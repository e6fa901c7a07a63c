//! What fsreplay reads from elsewhere, each as a function from bytes that ends without a panic,
//! whatever the bytes are. Fuzzers and the test of mutated seeds go through the same ones.

use std::path::Path;

use fsreplay_inspector::{Options, inspect};
use fsreplay_replayer::mounts;
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_replayer::sandbox::{CleanOptions, clean};
use fsreplay_results::Document;
use fsreplay_trace::format::TraceReader;

use crate::assemble::assemble;
use crate::generate;
use crate::script::Script;

/// A function that takes whatever it is given.
pub type Input = fn(&[u8]);

/// All of them, by the names of their fuzz targets.
pub const INPUTS: &[(&str, Input)] = &[
    ("reader", reader),
    ("frames", frames),
    ("planner", planner),
    ("mountinfo", mountinfo),
    ("report", report),
    ("marker", marker),
    ("text", text),
];

/// The bytes of a trace file: read, inspected and planned.
pub fn reader(bytes: &[u8]) {
    let Ok(mut trace) = TraceReader::new(bytes.to_vec()) else {
        return;
    };
    while let Ok(Some(_)) = trace.next_record() {}
    if let Ok(mut trace) = TraceReader::new(bytes.to_vec()) {
        let options = Options {
            top: 5,
            truncated: true,
        };
        // An error is as good as a result.
        if let Ok(inspector) = inspect(&mut trace, &options) {
            drop(inspector.finish(trace.tables(), trace.footer(), &options));
        }
    }
    planned(bytes, &[]);
}

fn planned(bytes: &[u8], place: &[&str]) {
    let place = place.iter();
    for as_root in [true, false] {
        let options = PlanOptions {
            limits: Default::default(),
            target: "/nowhere".into(),
            place: place
                .clone()
                .map(|dir| (dir.as_bytes().to_vec(), "/elsewhere".into()))
                .collect(),
            skip: Vec::new(),
            as_root,
            uid: if as_root { 0 } else { 1000 },
            gid: 0,
        };
        if let Ok(mut trace) = TraceReader::new(bytes.to_vec()) {
            drop(plan(&mut trace, &options));
        }
    }
}

/// The most that one frame may unpack to here, bytes.
const FRAME: usize = 1 << 20;

/// Frames before they are compressed, each after its length in two bytes, little end first. So a
/// fuzzer needn't find checksums.
pub fn frames(bytes: &[u8]) {
    if let Some(file) = pack(bytes) {
        reader(&file);
    }
}

fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let script = Script::default();
    // The mark at the start is that of any trace.
    let mut file = assemble(&script, b"/").ok()?;
    file.truncate(MARK);
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_at_checked(2) {
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let (frame, after) = after.split_at(length.min(after.len()));
        file.extend(zstd::bulk::compress(frame, 1).ok()?);
        rest = after;
    }
    Some(file)
}

/// Length of the frame that every trace begins with.
const MARK: usize = 20;

/// The form that [`frames`] takes, of a trace file; nothing if a frame is too long for it.
pub fn unpack(file: &[u8]) -> Option<Vec<u8>> {
    let mut rest = file.get(MARK..)?;
    let mut whole = Vec::new();
    while !rest.is_empty() {
        let length = zstd::zstd_safe::find_frame_compressed_size(rest).ok()?;
        let (frame, after) = rest.split_at_checked(length)?;
        rest = after;
        // A seek table is no frame of bytes.
        let Ok(bytes) = zstd::bulk::decompress(frame, FRAME) else {
            continue;
        };
        if bytes.is_empty() {
            continue;
        }
        whole.extend(u16::try_from(bytes.len()).ok()?.to_le_bytes());
        whole.extend(bytes);
    }
    Some(whole)
}

/// Decisions of the generator.
pub fn planner(bytes: &[u8]) {
    let script = generate::from_bytes(bytes);
    if let Ok(trace) = assemble(&script, b"/outside") {
        planned(&trace, &["/ws/a"]);
        planned(&trace, &[]);
    }
}

/// A mount table.
pub fn mountinfo(bytes: &[u8]) {
    for line in mounts::parse(bytes) {
        let looked_at = (line.is_slave(), line.read_write());
        std::hint::black_box((looked_at, line.super_option("upperdir")));
    }
    for container in [false, true] {
        std::hint::black_box(mounts::classify(bytes, container));
    }
}

/// A JSON result, as `report` reads it, and the page that is made of it.
pub fn report(bytes: &[u8]) {
    if let Ok(document) = Document::parse("fuzz", bytes) {
        let page = fsreplay_report::render(vec![document.clone(), document]);
        std::hint::black_box(page);
    }
}

/// The file that marks a replay directory.
pub fn marker(bytes: &[u8]) {
    let Ok(target) = tempfile::tempdir() else {
        return;
    };
    let directory = target.path().join(".fsreplay-0123456789ab");
    let written = std::fs::create_dir(&directory)
        .and_then(|()| std::fs::write(directory.join("fsreplay.lock"), bytes));
    if written.is_ok() {
        looked_at(target.path());
    }
}

fn looked_at(target: &Path) {
    for other_kernels in [false, true] {
        let options = CleanOptions {
            dry_run: true,
            other_kernels,
        };
        drop(clean(target, options));
    }
}

/// The text form of a script; what is read and written again is the same.
pub fn text(bytes: &[u8]) {
    let Ok(script) = String::from_utf8_lossy(bytes).parse::<Script>() else {
        return;
    };
    let again: Result<Script, _> = script.to_string().parse();
    assert_eq!(again.ok(), Some(script));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_unpacked_and_packed_again() {
        let script = generate::generate(1);
        let file = assemble(&script, b"/outside").expect("it can be written");
        let packed = pack(&unpack(&file).expect("it is small")).expect("it is packed");
        let records = |file: Vec<u8>| {
            let mut trace = TraceReader::new(file).expect("it is a trace");
            let next = || trace.next_record().expect("it is whole");
            std::iter::from_fn(next).collect::<Vec<_>>()
        };
        assert_eq!(records(packed), records(file));
    }
}
