//! What to write into devcontainer.json or a compose file, as VS Code's and Compose's own guidance have it.

use crate::compare::targets::Target;

/// Lines for one move.
#[derive(Debug, Default)]
pub struct Lines {
    /// For devcontainer.json.
    pub devcontainer: Vec<String>,
    /// For a compose file.
    pub compose: Vec<String>,
    /// What the user should know.
    pub caveats: Vec<String>,
}

/// A directory that is moved.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its path.
    pub path: String,
    /// The same, below the workspace; empty for all of it.
    pub below: String,
}

/// Lines that put directories on a target.
///
/// A path becomes part of JSON, of YAML, of a mount option and of a shell's command, and is copied
/// from here without much thought. One that could mean something in any of them gets no lines.
pub fn of(parts: &[Part], target: &Target) -> Lines {
    if let Some(part) = parts.iter().find(|part| !part.path.chars().all(is_literal)) {
        return Lines {
            caveats: vec![format!(
                "{} has characters that need quoting: write the mount by hand",
                part.path
            )],
            ..Lines::default()
        };
    }
    match (target.class, parts) {
        ("volume" | "container-root", [whole]) if whole.below.is_empty() => workspace(whole),
        ("volume" | "container-root" | "native-bind", _) => volumes(parts),
        ("tmpfs", _) => memory(parts),
        _ => Lines {
            caveats: vec![format!(
                "{} ({}) is no kind of mount that devcontainer.json can make; it shows what another disk would do",
                target.name, target.fs_type
            )],
            ..Lines::default()
        },
    }
}

/// Whether a character stands for itself in JSON, YAML, mount options and shells.
fn is_literal(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '/' | '.' | '_' | '-' | '+' | '@')
}

fn workspace(whole: &Part) -> Lines {
    let path = &whole.path;
    Lines {
        devcontainer: vec![
            format!(
                "\"workspaceMount\": \"source={},target={path},type=volume\"",
                volume_name("")
            ),
            format!("\"workspaceFolder\": \"{path}\""),
        ],
        compose: compose_volumes(&[("workspace".into(), path)]),
        caveats: vec![
            "the sources then live in the volume, not on the host: clone them in the container, and push before the volume is removed".into(),
        ],
    }
}

fn volumes(parts: &[Part]) -> Lines {
    let mounts = parts.iter().map(|part| {
        format!(
            "\"source={},target={},type=volume\"",
            volume_name(&part.below),
            part.path
        )
    });
    let mounts: Vec<String> = mounts.collect();
    let paths: Vec<&str> = parts.iter().map(|part| part.path.as_str()).collect();
    let named: Vec<(String, &str)> = parts
        .iter()
        .map(|part| (plain_name(&part.below), part.path.as_str()))
        .collect();
    Lines {
        devcontainer: vec![
            format!("\"mounts\": [{}]", mounts.join(", ")),
            format!(
                "\"postCreateCommand\": \"sudo chown $(id -u):$(id -g) {}\"",
                paths.join(" ")
            ),
        ],
        compose: compose_volumes(&named),
        caveats: vec![
            "a volume belongs to root at first: where the container's user is root, leave the chown out; where there is no sudo, chown in the Dockerfile".into(),
            "a volume outlives the container and starts empty: what was there has to be made again once".into(),
            "moving or linking files between it and the rest of the workspace copies them".into(),
        ],
    }
}

fn memory(parts: &[Part]) -> Lines {
    let mounts: Vec<String> = parts
        .iter()
        .map(|part| format!("\"target={},type=tmpfs\"", part.path))
        .collect();
    let mut compose: Vec<String> = ["services:", "  app:", "    tmpfs:"]
        .map(String::from)
        .into();
    compose.extend(parts.iter().map(|part| format!("      - {}", part.path)));
    Lines {
        devcontainer: vec![format!("\"mounts\": [{}]", mounts.join(", "))],
        compose,
        caveats: vec![
            "a tmpfs is empty after each start of the container, and its files take memory".into(),
            "Docker mounts a tmpfs noexec: programs in it don't start".into(),
        ],
    }
}

/// Compose gives volumes the project's name by itself, but wants them named twice.
fn compose_volumes(named: &[(String, &str)]) -> Vec<String> {
    let mut lines: Vec<String> = ["services:", "  app:", "    volumes:"]
        .map(String::from)
        .into();
    lines.extend(
        named
            .iter()
            .map(|(name, path)| format!("      - {name}:{path}")),
    );
    lines.push("volumes:".into());
    lines.extend(named.iter().map(|(name, _)| format!("  {name}:")));
    lines
}

/// A name that differs from project to project, so that two don't share a volume.
fn volume_name(below: &str) -> String {
    const PROJECT: &str = "${localWorkspaceFolderBasename}";
    match below {
        "" => PROJECT.into(),
        below => format!("{PROJECT}-{}", plain_name(below)),
    }
}

/// A directory's name with only what a volume's name may hold.
fn plain_name(below: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = below
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    match name.trim_matches('-') {
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
            mount_point: b"/x".to_vec(),
        }
    }

    fn part(below: &str) -> Part {
        Part {
            path: format!("/w/{below}").trim_end_matches('/').into(),
            below: below.into(),
        }
    }

    fn are_json(lines: &[String]) {
        for line in lines {
            let text = format!("{{{line}}}");
            serde_json::from_str::<serde_json::Value>(&text).expect("a line of JSON");
        }
    }

    #[test]
    fn a_volume_has_a_name_of_its_own_and_an_owner() {
        let lines = of(&[part("node_modules")], &target("volume"));
        assert_eq!(
            lines.devcontainer[0],
            "\"mounts\": [\"source=${localWorkspaceFolderBasename}-node_modules,target=/w/node_modules,type=volume\"]"
        );
        assert!(lines.devcontainer[1].contains("chown"));
        are_json(&lines.devcontainer);
        // Compose doesn't know the variables of devcontainer.json.
        assert!(!lines.compose.concat().contains('$'), "{:?}", lines.compose);
    }

    #[test]
    fn a_path_that_would_be_more_than_a_path_gets_no_lines() {
        for name in [
            "$(reboot)",
            "a\"b",
            "a b",
            "a,readonly",
            "a;b",
            "a'b",
            "a: b",
            "a\nb",
            "`b`",
            "a\u{202e}b",
        ] {
            for class in ["volume", "tmpfs"] {
                let lines = of(&[part("ok"), part(name)], &target(class));
                assert!(lines.devcontainer.is_empty() && lines.compose.is_empty());
                assert!(lines.caveats[0].contains("by hand"), "{lines:?}");
            }
        }
        assert!(
            !of(&[part("é/a.b_c-d+e@1")], &target("volume"))
                .compose
                .is_empty()
        );
    }

    #[test]
    fn several_directories_are_mounts_of_one_list() {
        let lines = of(&[part("node_modules"), part(".git")], &target("volume"));
        are_json(&lines.devcontainer);
        assert!(lines.devcontainer[0].contains("-node_modules,target=/w/node_modules"));
        assert!(lines.devcontainer[0].contains("-git,target=/w/.git"));
        assert!(lines.devcontainer[1].ends_with("/w/node_modules /w/.git\""));
        let compose = lines.compose.join("\n");
        let document = YamlLoader::load_from_str(&compose).expect("YAML");
        let service = &document[0]["services"]["app"]["volumes"];
        assert_eq!(service[1].as_str(), Some("git:/w/.git"), "{compose}");
        assert!(!document[0]["volumes"]["node_modules"].is_badvalue());
    }

    #[test]
    fn the_whole_workspace_moves_by_workspace_mount() {
        let lines = of(&[part("")], &target("volume"));
        assert!(lines.devcontainer[0].starts_with("\"workspaceMount\""));
        assert_eq!(lines.devcontainer[1], "\"workspaceFolder\": \"/w\"");
        are_json(&lines.devcontainer);
    }

    #[test]
    fn tmpfs_says_what_is_lost() {
        let lines = of(&[part("target")], &target("tmpfs"));
        let lost = "empty after each start";
        assert!(lines.caveats.iter().any(|text| text.contains(lost)));
        are_json(&lines.devcontainer);
    }
}
