//! Where fsreplay is published: one place says it, and all addresses follow.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{have, sh, text};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the repository, where that is one.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{}", text(&output));
    let names = String::from_utf8(output.stdout).expect("UTF-8");
    let names = names.split_terminator('\0').map(PathBuf::from);
    names.filter(|name| root().join(name).is_file()).collect()
}

fn is_page(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "md")
}

/// `scripts/repository` in a copy of the repository, or in that itself.
fn repository(root: &Path, argument: &str) -> String {
    let output: Output = Command::new(root.join("scripts/repository"))
        .arg(argument)
        .output()
        .expect("sh runs");
    assert!(output.status.success(), "{argument}: {}", text(&output));
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim()
        .to_owned()
}

#[test]
fn owner_and_repository_stand_in_one_file_and_in_what_people_read() {
    if !have("git") {
        return;
    }
    let slug = repository(root(), "slug").to_lowercase();
    // Not the bare slug: an owner may be called as the project is, and bin/fsreplay is no address.
    let addresses =
        ["github.com/SLUG", "ghcr.io/SLUG", "SLUG@"].map(|address| address.replace("SLUG", &slug));
    let mut found = Vec::new();
    for name in files() {
        // What shows addresses to people is filled in by the script, and here to be read.
        if is_page(&name) {
            continue;
        }
        let text = fs::read(root().join(&name)).expect("a file");
        let text = String::from_utf8_lossy(&text).to_lowercase();
        if addresses.iter().any(|address| text.contains(address)) {
            found.push(name);
        }
    }
    assert_eq!(found, [Path::new("Cargo.toml")]);
}

/// The manifest, the script and all pages, apart from the repository.
fn copy() -> tempfile::TempDir {
    let copy = common::workspace();
    let wanted = |name: &PathBuf| {
        is_page(name) || name == Path::new("Cargo.toml") || name == Path::new("scripts/repository")
    };
    for name in files().into_iter().filter(wanted) {
        let to = copy.path().join(&name);
        fs::create_dir_all(to.parent().expect("a directory")).expect("made");
        fs::copy(root().join(&name), to).expect("copied");
    }
    sh(copy.path(), "git init -q");
    copy
}

#[test]
fn one_command_fills_every_address_and_takes_nothing_else() {
    if !have("git") {
        return;
    }
    let slug = repository(root(), "slug");
    let copy = copy();
    let page = copy.path().join("page.md");
    let lower = slug.to_lowercase();
    let told = format!(
        "https://github.com/{slug}.git, {slug}@v1 {slug} ghcr.io/{lower}/fsreplay:0\n\
         not-{slug} or {slug}-too are others.\n"
    );
    fs::write(&page, told).expect("a page");
    repository(copy.path(), "Some-One/file.replay");
    assert_eq!(
        fs::read_to_string(&page).expect("the page"),
        format!(
            "https://github.com/Some-One/file.replay.git, Some-One/file.replay@v1 \
             Some-One/file.replay ghcr.io/some-one/file.replay/fsreplay:0\n\
             not-{slug} or {slug}-too are others.\n"
        )
    );
    fs::remove_file(&page).expect("removed");
    let told = |what: &str| repository(copy.path(), what);
    assert_eq!(told("slug"), "Some-One/file.replay");
    assert_eq!(told("owner"), "Some-One");
    assert_eq!(told("state"), "published");
    let url = "https://github.com/Some-One/file.replay";
    assert_eq!(told("url"), url);
    assert_eq!(told("releases"), format!("{url}/releases"));
    assert_eq!(told("image"), "ghcr.io/some-one/file.replay/cli");
    assert_eq!(told("features"), "ghcr.io/some-one/file.replay/fsreplay");
    let names = files().into_iter().filter(|name| is_page(name));
    for name in names.chain([PathBuf::from("Cargo.toml")]) {
        let text = fs::read_to_string(copy.path().join(&name)).expect("text");
        let text = text.to_lowercase();
        assert!(!text.contains(&lower), "{} has the old one", name.display());
    }
    // And back: nothing else was touched.
    repository(copy.path(), &slug);
    for name in files().into_iter().filter(|name| is_page(name)) {
        let [old, new] = [root(), copy.path()].map(|dir| fs::read(dir.join(&name)).expect("read"));
        assert!(old == new, "{} was changed", name.display());
    }
}

#[test]
fn what_is_no_repository_is_refused() {
    for argument in ["a", "a/", "/b", "a/b/c", "a/b c", "a/b;c"] {
        let output = Command::new(root().join("scripts/repository"))
            .arg(argument)
            .output()
            .expect("sh runs");
        assert!(!output.status.success(), "{argument}: {}", text(&output));
    }
    assert!(fs::read_to_string(root().join("Cargo.toml")).is_ok_and(|text| !text.contains("a/b")));
}

/// The package fsreplay, as cargo sees it.
fn package() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", text(&output));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let own = packages.iter().find(|one| one["name"] == "fsreplay");
    own.expect("the package fsreplay").clone()
}

/// A template of cargo-binstall for a Linux of that architecture.
fn expanded(template: &Value, package: &Value, arch: &str) -> String {
    let mut text = template.as_str().expect("a template").to_owned();
    for (name, value) in [
        ("name", package["name"].as_str().expect("a name")),
        ("version", package["version"].as_str().expect("a version")),
        ("repo", package["repository"].as_str().expect("an address")),
        ("bin", "fsreplay"),
        ("target-arch", arch),
        // Of x86_64-unknown-linux-gnu and -musl alike.
        ("target-family", "linux"),
    ] {
        text = text.replace(&format!("{{ {name} }}"), value);
    }
    assert!(
        !text.contains('{'),
        "{text} has a variable that isn't known here"
    );
    text
}

#[test]
fn binstall_looks_for_what_a_release_consists_of() {
    let package = package();
    let binstall = &package["metadata"]["binstall"];
    assert_eq!(binstall["pkg-fmt"], "tgz");
    for arch in ["x86_64", "aarch64"] {
        let output = Command::new(root().join("scripts/release"))
            .args(["--names", arch])
            .output()
            .expect("bash runs");
        let names = String::from_utf8(output.stdout).expect("UTF-8");
        let archives = names.lines().filter(|name| name.ends_with(".tar.gz"));
        let [archive] = archives.collect::<Vec<_>>()[..] else {
            panic!("not one archive: {names}");
        };
        let version = env!("CARGO_PKG_VERSION");
        let place = format!("{}/download/v{version}", repository(root(), "releases"));
        let address = expanded(&binstall["pkg-url"], &package, arch);
        assert_eq!(address, format!("{place}/{archive}"));
        let program = expanded(&binstall["bin-dir"], &package, arch);
        let directory = archive.trim_end_matches(".tar.gz");
        assert_eq!(program, format!("{directory}/fsreplay"));
    }
}

#[test]
fn the_page_on_installing_names_files_that_a_release_has() {
    let output = Command::new(root().join("scripts/release"))
        .arg("--names")
        .output()
        .expect("bash runs");
    let names = String::from_utf8(output.stdout).expect("UTF-8");
    let page = fs::read_to_string(root().join("docs/installing.md")).expect("the page");
    let version = env!("CARGO_PKG_VERSION");
    let words = page.split(|c: char| c.is_whitespace() || "`/".contains(c));
    let is_of_a_version = |word: &&str| {
        let rest = word.strip_prefix("fsreplay").unwrap_or_default();
        rest.starts_with(['-', '_']) && rest[1..].starts_with(|c: char| c.is_ascii_digit())
    };
    let mut files = 0;
    for word in words.clone().filter(is_of_a_version) {
        assert!(
            names.lines().any(|name| name == word),
            "a release has no {word}"
        );
        files += 1;
    }
    assert!(files >= 3, "the page names {files} files");
    for word in words.filter_map(|word| word.split_once("@v")) {
        assert_eq!(word.1, version, "{word:?} is another version");
    }
}
