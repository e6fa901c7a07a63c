//! What can be made anew. A tmpfs is empty after each start of the container, so nothing else goes
//! there.
//!
//! Judged by names that the trace shows. What it doesn't show counts as unknown, and is kept.

use std::collections::BTreeSet;

use fsreplay_trace::model::{FileKind, NodeId, Record};

use super::candidates::below;
use crate::error::Error;
use crate::source::Source;

/// What makes a directory's files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A command, run beside the directory.
    Command(&'static str),
    /// Who does so without being asked.
    Itself(&'static str),
}

/// How a directory that can be made anew is filled again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refill {
    /// By what.
    pub maker: Maker,
    /// The directory beside which a command is run.
    pub within: Vec<u8>,
}

/// A directory that a tool makes again by itself, or by a command that all who use it know.
struct Rule {
    /// The end of its path.
    name: &'static str,
    /// One of these lies beside it; empty where the name alone says enough.
    beside: &'static [&'static str],
    /// What fills it again.
    maker: Maker,
}

/// By a command, where a file of the tool lies beside it.
const fn rule(name: &'static str, beside: &'static [&'static str], command: &'static str) -> Rule {
    Rule {
        name,
        beside,
        maker: Maker::Command(command),
    }
}

/// By a tool itself.
const fn itself(name: &'static str, beside: &'static [&'static str], tool: &'static str) -> Rule {
    Rule {
        name,
        beside,
        maker: Maker::Itself(tool),
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
    itself("target", &["Cargo.toml"], "cargo build"),
    itself("target", &["pom.xml"], "mvn package"),
    itself(
        "build",
        &["build.gradle", "build.gradle.kts"],
        "gradle build",
    ),
    itself(
        ".gradle",
        &["build.gradle", "build.gradle.kts"],
        "gradle build",
    ),
    itself(
        "dist",
        &["package-lock.json", "yarn.lock", "pnpm-lock.yaml"],
        "the next build",
    ),
    itself(".next", &["package.json"], "next build"),
    itself(".turbo", &["turbo.json"], "turbo build"),
    rule(
        ".venv",
        &["requirements.txt"],
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
    ),
    rule(".venv", &["uv.lock"], "uv sync"),
    rule(".venv", &["poetry.lock"], "poetry install"),
    rule("vendor", &["composer.lock"], "composer install"),
    itself("__pycache__", &[], "python"),
    itself(".pytest_cache", &[], "pytest"),
    itself(".mypy_cache", &[], "mypy"),
    itself(".ccache", &[], "ccache"),
    itself(".cache", &[], "the tools that use it"),
    itself(".npm/_cacache", &[], "npm"),
    itself(".m2/repository", &[], "mvn"),
    itself(".cargo/registry", &[], "cargo"),
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
    pub fn read(trace: &Source) -> Result<Seen, Error> {
        let mut reader = trace.reader()?;
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
    pub fn refill(&self, workspace: &[u8], path: &[u8]) -> Option<Refill> {
        // The workspace and all around it hold what is made by hand.
        if below(path, workspace).is_some() {
            return None;
        }
        // A directory in one that can be made anew can be, too.
        let ends = path
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(end, _)| end)
            .chain([path.len()]);
        let mut around = ends.map(|end| &path[..end]);
        around.find_map(|root| {
            // A name around the workspace says nothing of what is in it: it may lie in `~/.cache`.
            if below(root, workspace).is_some() || self.holds_repository(root) {
                return None;
            }
            let rule = RULES.iter().find(|rule| self.fits(rule, root))?;
            Some(Refill {
                maker: rule.maker,
                // Without the slash between both.
                within: root[..root.len() - rule.name.len() - 1].to_vec(),
            })
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
