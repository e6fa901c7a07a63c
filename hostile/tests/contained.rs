//! Hostile traces, by hand and from numbers, touch nothing outside of their target, end when they
//! are asked to, and leave nothing: as root and as a user, on two file systems.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Generated traces in each of the tests.
const COUNT: &str = "1500";
/// A replay that was asked to stop may take so many seconds: machines are busy.
const PATIENCE: &str = "120";

/// One after the other: each takes all processors, and one of the texts much memory.
static TURN: Mutex<()> = Mutex::new(());

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: a mount namespace needs root");
    }
    root
}

fn plays(arguments: &[&str]) {
    if !is_root() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_fsreplay-hostile"));
    command.args(["--texts", "--count", COUNT, "--patience", PATIENCE]);
    command.args(["--seconds", "3600"]).args(arguments);
    let output = command.output().expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}{errors}");
    let none = "breach 0, hang 0, crash 0, leftover 0, leak 0";
    assert!(told.contains(none), "{told}");
    println!("{told}");
}

#[test]
fn root_on_the_disk() {
    plays(&["--seed", "1"]);
}

#[test]
fn root_on_a_tmpfs() {
    plays(&["--seed", "100001", "--tmpfs"]);
}

#[test]
fn a_user_on_the_disk() {
    plays(&["--seed", "200001", "--as-user", "65534"]);
}

#[test]
fn a_user_on_a_tmpfs() {
    plays(&["--seed", "300001", "--as-user", "65534", "--tmpfs"]);
}
