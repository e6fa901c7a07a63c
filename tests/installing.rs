//! `scripts/install.sh`: what it installs, and that it installs nothing where anything is wrong.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::http::Server;
use common::{have, sh, text};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/install.sh");
const VERSION: &str = "1.2.3";

/// Releases as they lie on a server, with a script as the program for both architectures.
struct Releases {
    dir: tempfile::TempDir,
}

impl Releases {
    fn make() -> Releases {
        let dir = common::workspace();
        sh(
            dir.path(),
            "mkdir -p download/v1.2.3 latest && cd download/v1.2.3
            for arch in x86_64 aarch64; do
                name=fsreplay-1.2.3-linux-$arch
                mkdir $name
                printf '#!/bin/sh\necho fsreplay 1.2.3\n' >$name/fsreplay
                chmod 755 $name/fsreplay
                tar -czf $name.tar.gz $name
                rm -r $name
            done
            sha256sum fsreplay-* >SHA256SUMS
            cp -r . ../../latest/download",
        );
        Releases { dir }
    }

    /// Where the files of the version lie.
    fn files(&self) -> PathBuf {
        self.dir.path().join("download/v1.2.3")
    }

    /// Changes the files of the version.
    fn spoil(self, script: &str) -> Releases {
        sh(&self.files(), script);
        self
    }

    fn serve(&self) -> Server {
        let root = self.dir.path().to_owned();
        Server::start(move |request| {
            fs::read(root.join(request.address.trim_start_matches('/'))).ok()
        })
    }
}

/// The script, with a home of its own and no settings.
fn script(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg(SCRIPT)
        .args(arguments)
        .env("HOME", home)
        .env_remove("FSREPLAY_RELEASES");
    command
}

fn run(mut command: Command) -> Output {
    command.output().expect("sh runs")
}

/// All files below a directory.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Runs the script from the releases on a server; it fails with that message, and leaves nothing.
fn refused(releases: &Releases, wanted: &str) {
    let server = releases.serve();
    let home = common::workspace();
    let arguments = ["--version", VERSION, "--from", &server.url];
    let output = run(script(home.path(), &arguments));
    let told = text(&output);
    assert!(!output.status.success() && told.contains(wanted), "{told}");
    assert_eq!(below(home.path()), Vec::<PathBuf>::new(), "{told}");
}

fn downloads() -> bool {
    have("curl") || have("wget")
}

#[test]
fn a_version_or_the_latest_comes_from_a_server() {
    if !downloads() {
        return;
    }
    let releases = Releases::make();
    let server = releases.serve();
    for arguments in [&["--version", "v1.2.3"][..], &["--version", "1.2.3"], &[]] {
        let home = common::workspace();
        let mut command = script(home.path(), arguments);
        command.env("FSREPLAY_RELEASES", format!("{}/", server.url));
        let output = run(command);
        let told = text(&output);
        assert!(output.status.success(), "{told}");
        assert!(told.contains("installed fsreplay 1.2.3"), "{told}");
        assert!(told.contains("is not in PATH"), "{told}");
        let program = home.path().join(".local/bin/fsreplay");
        assert_eq!(below(home.path()), std::slice::from_ref(&program));
        assert!(Command::new(program).status().expect("it runs").success());
    }
}

#[test]
fn without_a_network_a_directory_will_do_and_an_old_program_is_replaced() {
    let releases = Releases::make();
    let home = common::workspace();
    let bin = home.path().join("a b/bin");
    fs::create_dir_all(&bin).expect("a directory");
    fs::write(bin.join("fsreplay"), "old").expect("a file");
    let from = format!("file://{}", releases.files().display());
    let to = bin.to_str().expect("UTF-8");
    let output = run(script(home.path(), &["--from", &from, "--to", to]));
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(below(home.path()), [bin.join("fsreplay")]);
    let told = Command::new(bin.join("fsreplay"))
        .output()
        .expect("it runs");
    assert_eq!(told.stdout, b"fsreplay 1.2.3\n");
}

#[test]
fn what_is_not_as_listed_is_refused() {
    if !downloads() {
        return;
    }
    let arch = std::env::consts::ARCH;
    let archive = format!("fsreplay-1.2.3-linux-{arch}.tar.gz");
    let spoilt = |script: &str| Releases::make().spoil(&script.replace("ARCHIVE", &archive));
    let wrong = spoilt("printf x >>ARCHIVE");
    refused(&wrong, "nothing was installed");
    let cut = spoilt("truncate -s 100 ARCHIVE");
    refused(&cut, "nothing was installed");
    let cut_and_listed = spoilt("truncate -s 100 ARCHIVE; sha256sum fsreplay-* >SHA256SUMS");
    refused(&cut_and_listed, "can't be unpacked");
    let unlisted = spoilt("sed -i /ARCHIVE/d SHA256SUMS");
    refused(&unlisted, "lists no archive");
    let no_archive = spoilt("rm ARCHIVE");
    refused(&no_archive, "could not be downloaded");
    let no_list = spoilt("rm SHA256SUMS");
    refused(&no_list, "could not be downloaded");
    let other_version = spoilt("sed -i s/fsreplay-1.2.3/fsreplay-9.9.9/ SHA256SUMS");
    refused(&other_version, "not version 1.2.3");
    let no_program = spoilt(
        "name=$(basename ARCHIVE .tar.gz) && mkdir $name && printf 'no program' >$name/fsreplay &&
        tar -czf ARCHIVE $name && rm -r $name && sha256sum fsreplay-* >SHA256SUMS",
    );
    refused(&no_program, "does not run here");
}

#[test]
fn a_machine_without_a_binary_is_told_so() {
    let home = common::workspace();
    let tools = common::workspace();
    for (system, machine, wanted) in [
        ("Linux", "riscv64", "x86_64 and aarch64, not for riscv64"),
        ("Darwin", "arm64", "runs on Linux"),
    ] {
        sh(
            tools.path(),
            &format!(
                "printf '#!/bin/sh\\n[ $1 = -s ] && echo {system} || echo {machine}\\n' >uname
                chmod 755 uname"
            ),
        );
        let mut command = script(home.path(), &["--from", "http://127.0.0.1:9"]);
        let path = std::env::var("PATH").expect("PATH");
        command.env("PATH", format!("{}:{path}", tools.path().display()));
        let output = run(command);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(wanted), "{}", text(&output));
    }
}

#[test]
fn wrong_arguments_are_told_before_anything_is_done() {
    let home = common::workspace();
    for (arguments, wanted) in [
        (&["--version"][..], "--version needs a value"),
        (&["--from", ""], "--from needs a value"),
        (&["--version", "1/../2"], "give one such as"),
        (&["--version", "newest"], "give one such as"),
        (&["--prefix", "/usr"], "no option --prefix"),
        // In the repository, nothing tells where releases are.
        (&[], "does not know where releases are"),
    ] {
        let output = run(script(home.path(), arguments));
        let told = text(&output);
        assert!(!output.status.success() && told.contains(wanted), "{told}");
    }
    assert_eq!(below(home.path()), Vec::<PathBuf>::new());
}

#[test]
fn a_script_that_was_cut_short_does_nothing() {
    let whole = fs::read_to_string(SCRIPT).expect("the script");
    let releases = Releases::make();
    let from = format!("file://{}", releases.files().display());
    for part in 1..8 {
        let mut end = whole.len() * part / 8;
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        let home = common::workspace();
        let _ = Command::new("sh")
            .args(["-c", &whole[..end], "sh", "--from", &from])
            .env("HOME", home.path())
            .output()
            .expect("sh runs");
        assert_eq!(below(home.path()), Vec::<PathBuf>::new(), "{part} of 8");
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_is_told() {
    let releases = Releases::make();
    let home = common::workspace();
    fs::write(home.path().join("file"), "").expect("a file");
    let from = format!("file://{}", releases.files().display());
    let path = home.path().join("file/bin");
    let to = path.to_str().expect("UTF-8");
    let output = run(script(home.path(), &["--from", &from, "--to", to]));
    assert!(!output.status.success());
    assert!(
        text(&output).contains("another directory by --to"),
        "{}",
        text(&output)
    );
    assert_eq!(below(home.path()), [home.path().join("file")]);
}
