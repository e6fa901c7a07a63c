//! What can be made anew. A tmpfs is empty after each start of the container, so nothing else goes
//! there.
//!
//! Judged by names that the trace shows. What it doesn't show counts as unknown, and is kept.

use std::collections::BTreeSet;

use fsreplay_trace::model::{FileKind, NodeId, Record};

use super::candidates::below;
use crate::args::TraceArgs;
use crate::exit::Failure;
use crate::planning;

/// A directory that a tool makes again by itself, or by a command that all who use it know.
struct Rule {
    /// The end of its path.
    name: &'static str,
    /// One of these lies beside it; empty where the name alone says enough.
    beside: &'static [&'static str],
    /// What fills it again.
    refill: &'static str,
}

const fn rule(name: &'static str, beside: &'static [&'static str], refill: &'static str) -> Rule {
    Rule {
        name,
        beside,
        refill,
    }
}

/// Names that projects also give to sources (`build`, `out`) need the file of a tool that writes
/// there.
const RULES: &[Rule] = &[
    rule(
        "node_modules",
        &["package-lock.json", "npm-shrinkwrap.json"],
        "npm ci",
    ),
    rule("node_modules", &["yarn.lock"], "yarn install"),
    rule("node_modules", &["pnpm-lock.yaml"], "pnpm install"),
    rule("target", &["Cargo.toml"], "cargo build"),
    rule("target", &["pom.xml"], "mvn package"),
    rule(
        "build",
        &["build.gradle", "build.gradle.kts"],
        "gradle build",
    ),
    rule(
        ".gradle",
        &["build.gradle", "build.gradle.kts"],
        "gradle build",
    ),
    rule(
        "dist",
        &["package-lock.json", "yarn.lock", "pnpm-lock.yaml"],
        "the build",
    ),
    rule(".next", &["package.json"], "next build"),
    rule(".turbo", &["turbo.json"], "turbo build"),
    rule(
        ".venv",
        &["requirements.txt"],
        "pip install -r requirements.txt",
    ),
    rule(".venv", &["uv.lock"], "uv sync"),
    rule(".venv", &["poetry.lock"], "poetry install"),
    rule("vendor", &["composer.lock"], "composer install"),
    rule("__pycache__", &[], "python, as it runs"),
    rule(".pytest_cache", &[], "pytest, as it runs"),
    rule(".mypy_cache", &[], "mypy, as it runs"),
    rule(".ccache", &[], "ccache, as it runs"),
    rule(".cache", &[], "the tools that use it"),
    rule(".npm/_cacache", &[], "npm, as it runs"),
    rule(".m2/repository", &[], "mvn, as it runs"),
    rule(".cargo/registry", &[], "cargo, as it runs"),
    rule("go/pkg/mod", &[], "go mod download"),
];

/// What was there while the trace was recorded.
#[derive(Debug, Default)]
pub struct Seen {
    paths: BTreeSet<Vec<u8>>,
}

impl Seen {
    /// Reads a trace once. Where it can't be read on, the rest counts as unknown.
    ///
    /// # Errors
    ///
    /// If it can't be opened.
    pub fn read(trace: &TraceArgs) -> Result<Seen, Failure> {
        let mut reader = planning::open(trace)?;
        let mut nodes: BTreeSet<NodeId> = BTreeSet::new();
        while let Ok(Some(record)) = reader.next_record() {
            match record {
                Record::PathState(state) if state.kind != FileKind::Absent => {
                    nodes.insert(state.node);
                }
                Record::Listing(listing) => {
                    nodes.extend(listing.entries.iter().map(|(node, _)| *node));
                }
                _ => {}
            }
        }
        let paths = nodes.into_iter().map(|node| reader.tables().path(node));
        Ok(paths.collect())
    }

    /// What fills a directory again if it can be made anew; `None` if it can't, or isn't known to.
    pub fn refill(&self, workspace: &[u8], path: &[u8]) -> Option<&'static str> {
        // The workspace and all around it hold what is made by hand.
        if below(path, workspace).is_some() {
            return None;
        }
        // A directory in one that can be made anew can be, too.
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends = ends.map(|(end, _)| end).chain([path.len()]);
        let mut around = ends.map(|end| &path[..end]);
        around.find_map(|root| {
            // A name around the workspace says nothing of what is in it: it may lie in `~/.cache`.
            if below(root, workspace).is_some() || self.holds_repository(root) {
                return None;
            }
            RULES
                .iter()
                .find(|rule| self.fits(rule, root))
                .map(|rule| rule.refill)
        })
    }

    fn fits(&self, rule: &Rule, path: &[u8]) -> bool {
        let Some(parent) = path.strip_suffix(rule.name.as_bytes()) else {
            return false;
        };
        let lies_there = |name: &&str| self.paths.contains(&[parent, name.as_bytes()].concat());
        parent.ends_with(b"/") && (rule.beside.is_empty() || rule.beside.iter().any(lies_there))
    }

    fn holds_repository(&self, path: &[u8]) -> bool {
        let mut inside = self.paths.iter().filter_map(|seen| below(path, seen));
        inside.any(|rest| rest.split(|byte| *byte == b'/').any(|n| n == b".git"))
    }
}

impl FromIterator<Vec<u8>> for Seen {
    fn from_iter<I: IntoIterator<Item = Vec<u8>>>(paths: I) -> Seen {
        Seen {
            paths: paths.into_iter().collect(),
        }
    }
}
