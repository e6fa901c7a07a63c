//! What to write into devcontainer.json or a compose file, as VS Code's and Compose's own guidance
//! have it.

use fsreplay_shown::shown;

use super::anew::{Maker, Refill};
use crate::targets::Target;

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
        ("volume" | "container-root" | "native-bind" | "tmpfs", _) => {}
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
mod tests {
    use super::*;
    use yaml_rust2::YamlLoader;

    fn target(class: &'static str) -> Target {
        Target {
            name: "x".into(),
            dir: "/x".into(),
            class,
            fs_type: "ext4".into(),
            line: fsreplay_replayer::mounts::Line::default(),
        }
    }

    fn part(below: &str) -> Part {
        Part {
            path: format!("/w/{below}").trim_end_matches('/').into(),
            below: below.into(),
            refill: None,
        }
    }

    fn filled(below: &str, maker: Maker) -> Part {
        let refill = Refill {
            maker,
            within: b"/w".to_vec(),
        };
        Part {
            refill: Some(refill),
            ..part(below)
        }
    }

    /// The lines as one object.
    fn as_json(lines: &[String]) -> serde_json::Value {
        let text = format!("{{{}}}", lines.join(","));
        serde_json::from_str(&text).expect("lines of JSON")
    }

    /// Mounts as Docker reads them: options between commas, each with a key.
    fn mounts(lines: &[String]) -> Vec<Vec<(String, String)>> {
        let whole = as_json(lines);
        let mounts = whole["mounts"].as_array().expect("mounts").iter();
        let options = |mount: &serde_json::Value| {
            let options = mount
                .as_str()
                .expect("a text")
                .split(',')
                .map(|option| option.split_once('=').expect("a key"));
            options
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        };
        mounts.map(options).collect()
    }

    fn is_volume_name(name: &str) -> bool {
        let plain = name.replace("${devcontainerId}", "0");
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        plain.starts_with(|c: char| c.is_ascii_alphanumeric()) && plain.chars().all(allowed)
    }

    #[test]
    fn a_volume_has_a_name_of_its_own_an_owner_and_what_fills_it() {
        let modules = filled("node_modules", Maker::Command("npm ci"));
        let lines = of(&[modules], "/w", &target("volume"));
        assert_eq!(
            lines.devcontainer[0],
            "\"mounts\": [\"source=w-node_modules-${devcontainerId},target=/w/node_modules,type=volume\"]"
        );
        assert_eq!(
            as_json(&lines.devcontainer)["postCreateCommand"],
            "sudo chown \"$(id -u):$(id -g)\" /w/node_modules && (cd /w && npm ci)"
        );
        let told = lines.caveats.join("\n");
        for what in [
            "empty at first",
            "outlives the container",
            "by npm ci",
            "remote user",
        ] {
            assert!(told.contains(what), "{what}: {told}");
        }
        // Compose doesn't know the variables of devcontainer.json.
        assert!(!lines.compose.concat().contains('$'), "{:?}", lines.compose);
    }

    #[test]
    fn what_mount_options_cannot_express_gets_no_lines() {
        for name in [
            "$(reboot)",
            "a\"b",
            "a,readonly",
            "a'b",
            "a: b",
            "a\nb",
            "`b`",
            "a\u{202e}b",
            "${localEnv:HOME}",
            "a\\",
        ] {
            for class in ["volume", "tmpfs"] {
                let lines = of(&[part("ok"), part(name)], "/w", &target(class));
                assert!(lines.devcontainer.is_empty() && lines.compose.is_empty());
                assert!(lines.caveats[0].contains("can't express"), "{lines:?}");
                assert!(!lines.can_be_made);
            }
        }
        let mut broken = part("x");
        broken.path = b"/w/\xff".to_vec();
        assert!(
            of(&[broken], "/w", &target("volume"))
                .devcontainer
                .is_empty()
        );
    }

    #[test]
    fn all_other_names_are_valid_wherever_they_stand() {
        let names = [
            "a b",
            "a;b & c",
            "é/a.b_c-d+e@1",
            "#a",
            "- a",
            "*a",
            "{a}",
            "!a",
            "12",
            "~",
            "...",
        ];
        let workspace = "/Söme where/_my app";
        for class in ["volume", "tmpfs"] {
            for name in names {
                let maker = Maker::Command("npm ci");
                let lines = of(&[filled(name, maker)], workspace, &target(class));
                let path = format!("/w/{name}");
                let options = mounts(&lines.devcontainer).remove(0);
                let of_key = |key: &str| {
                    let mut same = options.iter().filter(|(other, _)| other == key);
                    same.next().map(|(_, value)| value.as_str())
                };
                assert_eq!(of_key("target"), Some(path.as_str()));
                let compose = lines.compose.join("\n");
                let document = YamlLoader::load_from_str(&compose).expect("YAML");
                let app = &document[0]["services"]["app"];
                if class == "tmpfs" {
                    assert_eq!(app["tmpfs"][0].as_str(), Some(path.as_str()), "{compose}");
                    continue;
                }
                assert!(of_key("source").is_some_and(is_volume_name), "{options:?}");
                let mount = app["volumes"][0].as_str().expect("a mount");
                let (volume, at) = mount.split_once(':').expect("a volume");
                assert_eq!(at, path);
                assert!(is_volume_name(volume) && !document[0]["volumes"][volume].is_badvalue());
            }
        }
    }

    #[test]
    fn several_directories_are_mounts_of_one_list_and_share_no_volume() {
        let parts = ["node_modules", "a b", "a-b"].map(part);
        let lines = of(&parts, "/w", &target("volume"));
        let sources: Vec<String> = mounts(&lines.devcontainer)
            .into_iter()
            .map(|mut one| one.remove(0).1)
            .collect();
        let expected = ["node_modules", "a-b", "a-b-2"];
        assert_eq!(
            sources,
            expected.map(|name| format!("w-{name}-${{devcontainerId}}"))
        );
        let created = as_json(&lines.devcontainer)["postCreateCommand"].to_string();
        assert!(
            created.contains("/w/node_modules '/w/a b' /w/a-b"),
            "{created}"
        );
    }

    #[test]
    fn the_whole_workspace_is_called_by_its_name() {
        let lines = of(&[part("")], "/w", &target("volume"));
        assert!(
            lines.devcontainer.is_empty() && lines.compose.is_empty(),
            "{lines:?}"
        );
        let name = "Dev Containers: Clone Repository in Container Volume...";
        assert!(lines.caveats[0].contains(name) && lines.can_be_made);
    }

    #[test]
    fn tmpfs_says_what_is_lost_and_what_fills_it() {
        let parts = [
            filled("node_modules", Maker::Command("npm ci")),
            filled("target", Maker::Itself("cargo build")),
        ];
        let lines = of(&parts, "/w", &target("tmpfs"));
        let told = lines.caveats.join("\n");
        for what in [
            "empty after each start",
            "noexec",
            "memory",
            "by npm ci",
            "by cargo build",
        ] {
            assert!(told.contains(what), "{what}: {told}");
        }
        let start = &as_json(&lines.devcontainer)["postStartCommand"];
        assert_eq!(start, "(cd /w && npm ci)");
    }
}
