//! The recorded workloads that come with fsreplay. They are part of the program, so that they are
//! there wherever it was installed.
//!
//! A workload is two files in this directory: `NAME.zst`, the trace, and `NAME.json`, its manifest
//! (a [`Workload`]). `scripts/record-library` writes both.
#![forbid(unsafe_code)]

use fsreplay_results::library::Workload;

/// A workload's files.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    name: &'static str,
    manifest: &'static str,
    /// The trace file's bytes.
    pub trace: &'static [u8],
}

impl Recorded {
    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it is.
    ///
    /// # Errors
    /// When the manifest isn't one, which the tests of this crate rule out.
    pub fn workload(&self) -> Result<Workload, serde_json::Error> {
        serde_json::from_str(self.manifest)
    }
}

macro_rules! recorded {
    ($($name:literal,)*) => {
        &[$(Recorded {
            name: $name,
            manifest: include_str!(concat!("../", $name, ".json")),
            trace: include_bytes!(concat!("../", $name, ".zst")),
        },)*]
    };
}

/// All of them, in the order of their names.
pub const ALL: &[Recorded] = recorded![
    "cargo-build",
    "cargo-incremental",
    "cargo-noop",
    "deb-unpack",
    "django-check",
    "eslint",
    "git-clone",
    "git-status",
    "git-switch",
    "go-build",
    "go-test",
    "jest",
    "make",
    "maven",
    "npm-ci",
    "php-autoload",
    "pip-install",
    "postgres",
    "pytest",
    "python-imports",
    "rsync",
    "sqlite3",
    "tar",
    "tsc",
    "tsc-watch",
    "vite-build",
];

/// The workload of that name.
pub fn find(name: &str) -> Option<&'static Recorded> {
    ALL.iter().find(|recorded| recorded.name == name)
}

#[cfg(test)]
mod tests;
