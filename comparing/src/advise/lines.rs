//! What to write into devcontainer.json or a compose file, as VS Code's and Compose's own guidance
//! have it.

use fsreplay_shown::shown;

use super::anew::{Maker, Refill};
use crate::targets::{Target, is_bind};

/// Lines for one move.
#[derive(Debug, Default)]
pub struct Lines {
    /// For devcontainer.json.
    pub devcontainer: Vec<String>,
    /// For a compose file.
    pub compose: Vec<String>,
    /// What the user should know.
    pub caveats: Vec<String>,
    /// Whether a dev container can have it so, by these lines or by a command of the editor.
    pub can_be_made: bool,
}

/// A directory that is moved.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its path.
    pub path: Vec<u8>,
    /// The same, below the workspace; empty for all of it.
    pub below: String,
    /// What fills it again; none where that isn't known.
    pub refill: Option<Refill>,
}

/// A directory whose path can be written.
struct Named<'p> {
    path: &'p str,
    /// What its volume is called.
    volume: String,
    refill: Option<&'p Refill>,
}

/// Whether targets of a class stand for a volume.
pub fn is_volume(class: &str) -> bool {
    matches!(class, "volume" | "container-root")
}

/// Lines that put directories of a workspace on a target.
pub fn of(parts: &[Part], workspace: &str, target: &Target) -> Lines {
    match (target.class, parts) {
        (class, [whole]) if is_volume(class) && whole.below.is_empty() => return cloned(),
        (class, _) if is_bind(class) => return bound(parts, target),
        ("volume" | "container-root" | "tmpfs", _) => {}
        _ => {
            return Lines {
                caveats: vec![format!(
                    "{} ({}) is no kind of mount that devcontainer.json can make; it shows what \
                     another disk would do",
                    target.name, target.fs_type
                )],
                ..Lines::default()
            };
        }
    }
    let mut named: Vec<Named> = Vec::new();
    for part in parts {
        let Some(path) = expressible(&part.path) else {
            let caveat = format!(
                "{} has characters that Docker's mount options can't express: give the directory \
                 another name first",
                shown(&part.path)
            );
            return Lines {
                caveats: vec![caveat],
                ..Lines::default()
            };
        };
        let others: Vec<&str> = named.iter().map(|other| other.volume.as_str()).collect();
        let volume = another_name(&part.below, &others);
        named.push(Named {
            path,
            volume,
            refill: part.refill.as_ref(),
        });
    }
    if target.class == "tmpfs" {
        memory(&named)
    } else {
        volumes(&named, workspace)
    }
}

/// A path that can be written into mount options, JSON, YAML and a shell's command. Options are
/// divided by commas, and quotes aren't taken as what they are; `$` begins a variable in
/// devcontainer.json and in compose files; what is not seen can't be copied with open eyes.
fn expressible(path: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(path).ok()?;
    let is_special = |c: char| matches!(c, ',' | ':' | '"' | '\'' | '\\' | '$' | '`');
    (shown(path) == text && !text.contains(is_special)).then_some(text)
}

/// The whole workspace: no line makes that well, as the sources have to get there.
fn cloned() -> Lines {
    Lines {
        caveats: vec![
            "this is \"clone repository in container volume\": in VS Code, run \
             Dev Containers: Clone Repository in Container Volume..."
                .into(),
            "the sources then live in the volume, not on the host: push before it is removed"
                .into(),
        ],
        can_be_made: true,
        ..Lines::default()
    }
}

/// A directory of the host for each: what it is called there isn't seen from within.
fn bound(parts: &[Part], target: &Target) -> Lines {
    let paths: Vec<_> = parts.iter().map(|part| shown(&part.path)).collect();
    Lines {
        caveats: vec![format!(
            "{} is a directory of the host: what that has beside it can be mounted at {} by a line \
             with \"type=bind\", whose source only the host knows",
            target.name,
            paths.join(" and at ")
        )],
        ..Lines::default()
    }
}

fn volumes(named: &[Named], workspace: &str) -> Lines {
    let project = workspace.rsplit('/').next().unwrap_or_default();
    let project = plain_name(project);
    // The id keeps two projects of one name from sharing a volume.
    let mounts: Vec<String> = named
        .iter()
        .map(|one| {
            json(&format!(
                "source={project}-{}-${{devcontainerId}},target={},type=volume",
                one.volume, one.path
            ))
        })
        .collect();
    let paths: Vec<String> = named.iter().map(|one| in_shell(one.path)).collect();
    let mut create = vec![format!(
        "sudo chown \"$(id -u):$(id -g)\" {}",
        paths.join(" ")
    )];
    create.extend(commands(named));
    let mut caveats = vec![
        "a named volume belongs to root at first, hence the chown for the remote user: where that \
         is root, leave it out; where there is no sudo, chown in the Dockerfile"
            .into(),
        "a named volume is empty at first, and outlives the container".into(),
    ];
    caveats.extend(refills(named));
    caveats.push(
        "moving or linking files between it and the rest of the workspace copies them".into(),
    );
    Lines {
        devcontainer: vec![
            format!("\"mounts\": [{}]", mounts.join(", ")),
            format!("\"postCreateCommand\": {}", json(&create.join(" && "))),
        ],
        compose: compose_volumes(named),
        caveats,
        can_be_made: true,
    }
}

fn memory(named: &[Named]) -> Lines {
    let mounts: Vec<String> = named
        .iter()
        .map(|one| json(&format!("target={},type=tmpfs", one.path)))
        .collect();
    let mut devcontainer = vec![format!("\"mounts\": [{}]", mounts.join(", "))];
    let start: Vec<String> = commands(named).collect();
    if !start.is_empty() {
        let start = json(&start.join(" && "));
        devcontainer.push(format!("\"postStartCommand\": {start}"));
    }
    let mut compose: Vec<String> = ["services:", "  app:", "    tmpfs:"]
        .map(String::from)
        .into();
    compose.extend(
        named
            .iter()
            .map(|one| format!("      - {}", json(one.path))),
    );
    let mut caveats = vec![
        "a tmpfs is empty after each start of the container, and its files take memory".into(),
        "Docker mounts a tmpfs noexec: programs in it don't start".into(),
    ];
    caveats.extend(refills(named));
    Lines {
        devcontainer,
        compose,
        caveats,
        can_be_made: true,
    }
}

/// Commands that fill directories, each once.
fn commands(named: &[Named]) -> impl Iterator<Item = String> {
    let mut commands: Vec<String> = Vec::new();
    for refill in named.iter().filter_map(|one| one.refill) {
        if let (Maker::Command(command), Some(within)) = (refill.maker, expressible(&refill.within))
        {
            let whole = format!("(cd {} && {command})", in_shell(within));
            if !commands.contains(&whole) {
                commands.push(whole);
            }
        }
    }
    commands.into_iter()
}

/// What fills each directory, in words.
fn refills(named: &[Named]) -> Vec<String> {
    let told = named.iter().map(|one| match one.refill {
        Some(refill) => match refill.maker {
            Maker::Command(command) => format!("{} is filled again by {command}", one.path),
            Maker::Itself(tool) => format!("{} is filled again by {tool}, as it runs", one.path),
        },
        None => format!(
            "nothing in the trace shows what would make {} again: copy what is there now",
            one.path
        ),
    });
    told.collect()
}

/// Compose gives volumes the project's name by itself, but wants them named twice.
fn compose_volumes(named: &[Named]) -> Vec<String> {
    let mut lines: Vec<String> = ["services:", "  app:", "    volumes:"]
        .map(String::from)
        .into();
    let mount = |one: &Named| json(&format!("{}:{}", one.volume, one.path));
    lines.extend(named.iter().map(|one| format!("      - {}", mount(one))));
    lines.push("volumes:".into());
    // A name of digits only would be a number.
    lines.extend(
        named
            .iter()
            .map(|one| format!("  {}: {{}}", json(&one.volume))),
    );
    lines
}

/// A string of JSON, which is one of YAML, too.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A word of a shell's command. What [`expressible`] lets through has no quotes.
fn in_shell(path: &str) -> String {
    let is_literal =
        |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@');
    if path.chars().all(is_literal) {
        path.to_owned()
    } else {
        format!("'{path}'")
    }
}

/// A volume's name that none of the others has: two directories don't share one.
fn another_name(below: &str, others: &[&str]) -> String {
    let name = plain_name(below);
    let mut number = 1;
    let mut free = name.clone();
    while others.contains(&free.as_str()) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}

/// A directory's name with only what a volume's name may hold: it begins with a letter or a digit.
fn plain_name(below: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let name: String = below
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    match name.trim_matches(['-', '.', '_']) {
        "" => "directory".into(),
        name => name.into(),
    }
}

#[cfg(test)]
mod tests;
