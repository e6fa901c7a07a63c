//! Records a command: `cargo run -p fsreplay-recorder --example record -- OUT COMMAND…`.

use std::ffi::OsString;
use std::process::ExitCode;

use fsreplay_recorder::{Affinity, Backend, Observer, RecordOptions, Status};

struct Stderr;

impl Observer for Stderr {
    fn warning(&mut self, text: &str) {
        eprintln!("record: {text}");
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(output) = arguments.next() else {
        eprintln!("usage: record OUT COMMAND…");
        return ExitCode::from(125);
    };
    let command: Vec<OsString> = arguments.collect();
    let mut options = RecordOptions::new(command, output.into());
    options.force = true;
    if std::env::var_os("FSREPLAY_SPREAD").is_some() {
        options.affinity = Affinity::Off;
    }
    if std::env::var_os("FSREPLAY_INSIDE").is_some() {
        options.backend = Backend::Inside;
    }
    match fsreplay_recorder::record(&options, &mut Stderr) {
        Ok(recording) => {
            if std::env::var_os("FSREPLAY_QUIET").is_none() {
                eprintln!("record: {:?}, {} bytes", recording.footer, recording.bytes);
            }
            match recording.status {
                Status::Exited(code) => ExitCode::from(code as u8),
                Status::Signaled(signal) => ExitCode::from(128 + signal as u8),
            }
        }
        Err(error) => {
            eprintln!("record: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
