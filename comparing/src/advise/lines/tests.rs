//! What is written for which directories.

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
        "\"mounts\": [\"source=w-node_modules-${devcontainerId},target=/w/node_modules,\
         type=volume\"]"
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
fn another_bind_mount_gets_no_lines_of_a_volume() {
    for class in ["native-bind", "host-share"] {
        let lines = of(&[part("deps")], "/w", &target(class));
        assert!(lines.devcontainer.is_empty() && lines.compose.is_empty());
        let [told] = lines.caveats.as_slice() else {
            panic!("not one caveat: {lines:?}");
        };
        assert!(told.contains("x is a directory of the host"), "{told}");
        assert!(
            told.contains("at /w/deps by a line with \"type=bind\""),
            "{told}"
        );
        assert!(!lines.can_be_made);
    }
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
