//! What to write into devcontainer.json or a compose file, as VS Code's and Compose's own guidance have it.

use crate::compare::targets::Target;

/// Lines for one move.
#[derive(Debug, Default)]
pub struct Lines {
    /// For devcontainer.json.
    pub devcontainer: Vec<String>,
    /// For a service of a compose file.
    pub compose: Vec<String>,
    /// What the user should know.
    pub caveats: Vec<String>,
}

/// Lines that put `path`, `below` the workspace (empty for all of it), on a target.
pub fn of(path: &str, below: &str, target: &Target) -> Lines {
    let name = volume_name(below);
    match target.class {
        "volume" | "container-root" if below.is_empty() => Lines {
            devcontainer: vec![
                format!("\"workspaceMount\": \"source={name},target={path},type=volume\""),
                format!("\"workspaceFolder\": \"{path}\""),
            ],
            compose: vec![format!("volumes: [\"{name}:{path}\"]")],
            caveats: vec![
                "the sources then live in the volume, not on the host: clone them in the container, and push before the volume is removed".into(),
            ],
        },
        "volume" | "container-root" | "native-bind" => Lines {
            devcontainer: vec![
                format!("\"mounts\": [\"source={name},target={path},type=volume\"]"),
                format!("\"postCreateCommand\": \"sudo chown $(id -u):$(id -g) {path}\""),
            ],
            compose: vec![format!("volumes: [\"{name}:{path}\"]")],
            caveats: vec![
                "a volume outlives the container and starts empty: what was there has to be made again once".into(),
                "moving or linking files between it and the rest of the workspace copies them".into(),
            ],
        },
        "tmpfs" => Lines {
            devcontainer: vec![format!("\"mounts\": [\"target={path},type=tmpfs\"]")],
            compose: vec![format!("tmpfs: [\"{path}\"]")],
            caveats: vec![
                "a tmpfs is empty after each start of the container, and its files take memory".into(),
                "Docker mounts a tmpfs noexec: programs in it don't start".into(),
            ],
        },
        _ => Lines {
            caveats: vec![format!(
                "{} ({}) is no kind of mount that devcontainer.json can make; it shows what another disk would do",
                target.name, target.fs_type
            )],
            ..Lines::default()
        },
    }
}

/// A name that differs from project to project, so that two don't share a volume.
fn volume_name(below: &str) -> String {
    let suffix: String = below
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!(
        "${{localWorkspaceFolderBasename}}-{}",
        suffix.trim_matches('-')
    )
    .trim_end_matches('-')
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(class: &'static str) -> Target {
        Target {
            name: "x".into(),
            dir: "/x".into(),
            class,
            fs_type: "ext4".into(),
            mount_point: b"/x".to_vec(),
        }
    }

    #[test]
    fn a_volume_has_a_name_of_its_own_and_an_owner() {
        let lines = of("/w/node_modules", "node_modules", &target("volume"));
        assert_eq!(
            lines.devcontainer[0],
            "\"mounts\": [\"source=${localWorkspaceFolderBasename}-node_modules,target=/w/node_modules,type=volume\"]"
        );
        assert!(lines.devcontainer[1].contains("chown"));
        for line in &lines.devcontainer {
            let text = format!("{{{line}}}");
            serde_json::from_str::<serde_json::Value>(&text).expect("a line of JSON");
        }
    }

    #[test]
    fn the_whole_workspace_moves_by_workspace_mount() {
        let lines = of("/w", "", &target("volume"));
        assert!(lines.devcontainer[0].starts_with("\"workspaceMount\""));
        assert_eq!(lines.devcontainer[1], "\"workspaceFolder\": \"/w\"");
    }

    #[test]
    fn tmpfs_says_what_is_lost() {
        let lines = of("/w/target", "target", &target("tmpfs"));
        assert!(
            lines
                .caveats
                .iter()
                .any(|text| text.contains("empty after each start"))
        );
    }
}
