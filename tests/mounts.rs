//! `fsreplay mounts` as a user runs it.

use std::process::{Command, Output};

fn mounts(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fsreplay"))
        .arg("mounts")
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("the binary runs")
}

#[test]
fn the_json_names_the_root_and_a_directory_that_can_be_written_to() {
    let output = mounts(&["--json", "-"]);
    assert!(output.status.success(), "{output:?}");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["schema_version"], 2);
    let mounts = told["mounts"].as_array().expect("a list");
    assert!(mounts.iter().any(|mount| mount["mount_point"] == "/"));
    for mount in mounts {
        let fs_type = mount["fs_type"].as_str().unwrap_or_default();
        assert!(!["proc", "sysfs", "devpts"].contains(&fs_type), "{mount}");
        if let Some(directory) = mount["suggested_directory"].as_str() {
            assert!(tempfile::tempdir_in(directory).is_ok(), "{mount}");
            assert_eq!(mount["read_only"], false, "{mount}");
        }
    }
}

#[test]
fn a_pipe_gets_plain_text() {
    let output = mounts(&[]);
    assert!(output.status.success());
    assert!(!output.stdout.contains(&0x1b));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("what it is"), "{text}");
    assert!(text.contains(" container\n"), "{text}");
}
