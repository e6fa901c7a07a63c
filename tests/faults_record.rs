//! Faults of disks and limits while `fsreplay record` is at work: none ends the tool or loses what
//! was recorded.

mod common;
mod faults;

use std::os::unix::fs::PermissionsExt;

use common::text;
use faults::{Lab, await_true, can_mount, kill};
use fsreplay_trace::model::Record;
use nix::sys::signal::Signal;

/// The tool works until the recorder has noticed that no more can be written.
const FILL: &str = r#"
    record() {
        rm -f "$LAB/noticed"
        (
            "$F" record -o "$LAB/t.zst" -- "$LAB/tool" work 10 "$LAB/noticed"
            echo "status $?" >&2
        ) 2>&1 >"$LAB/out" | while read -r line; do
            echo "$line"
            case $line in *"goes on without it"*) : >"$LAB/noticed" ;; esac
        done
        cat "$LAB/out"
    }
"#;

fn went_on_unrecorded(lab: &Lab, script: &str, why: &str) {
    let output = lab.sh(&format!("{FILL}\n{script}"));
    let said = text(&output);
    assert!(said.contains("status 7") && said.contains("done"), "{said}");
    assert!(said.contains(why), "{said}");
    assert!(said.contains("the recording broke off"), "{said}");
    let kept = lab.path("kept.zst");
    assert!(said.contains(".incomplete.zst"), "says where it is: {said}");
    assert!(lab.events(&kept) > Some(100), "{said}");
    lab.plays(&kept, true);
    assert!(
        !lab.path("t.zst").exists(),
        "nothing stands for a whole trace"
    );
    lab.nothing_left();
}

#[test]
fn a_full_disk_under_the_trace_does_not_end_the_tool() {
    let Some(lab) = Lab::new().filter(|_| can_mount()) else {
        return;
    };
    let script = r#"unshare -m sh -uc "$RUN""#;
    let run = r#"mount -t tmpfs -o size=100k none "$LAB/state"; record
        cp "$LAB"/state/fsreplay/* "$LAB/kept.zst""#;
    let run = format!("{FILL}\n{run}").replace('\'', "'\\''");
    let script = format!("RUN='{run}'\n{script}");
    went_on_unrecorded(&lab, &script, "No space left on device");
}

#[test]
fn a_limit_on_file_sizes_does_not_end_the_tool() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let script = r#"(ulimit -f 160; record); cp "$LAB"/state/fsreplay/* "$LAB/kept.zst""#;
    went_on_unrecorded(&lab, script, "ulimit -f");
}

#[test]
fn a_file_system_that_turns_read_only_or_broken_does_not_end_the_tool() {
    let Some(lab) = Lab::new().filter(|_| can_mount()) else {
        return;
    };
    // An error of ext4 makes it read-only while files are open for writing, which no remount does.
    let run = r#"
        set -e
        truncate -s 32M "$LAB/disk"
        mkfs.ext4 -q -e remount-ro "$LAB/disk"
        mount -o loop "$LAB/disk" "$LAB/state" 2>/dev/null || {
            echo "skipped: no loop devices"
            exit
        }
        device=$(basename "$(findmnt -no SOURCE "$LAB/state")")
        (sleep 2; echo on purpose >"/sys/fs/ext4/$device/trigger_fs_error") &
        set +e
        record; cp "$LAB"/state/fsreplay/* "$LAB/kept.zst""#;
    if !common::have("mkfs.ext4") {
        return;
    }
    let script = in_namespace(run);
    if text(&lab.sh(&script)).contains("skipped") {
        println!("skipped: no loop devices here");
        return;
    }
    let _ = std::fs::remove_file(lab.path("kept.zst"));
    went_on_unrecorded(&lab, &script, "os error");
}

/// A script with `record` in a mount namespace of its own.
fn in_namespace(run: &str) -> String {
    let run = format!("{FILL}\n{run}").replace('\'', "'\\''");
    format!("unshare -m sh -uc '{run}'")
}

#[test]
fn a_trace_that_can_not_be_placed_is_kept_whole_and_told_of() {
    let Some(lab) = Lab::new().filter(|_| can_mount()) else {
        return;
    };
    let run = r#"
        mkdir "$LAB/out.d"
        mount -t tmpfs -o size=16k none "$LAB/out.d"
        echo before >"$LAB/out.d/t.zst"
        "$F" record -q -o "$LAB/out.d/t.zst" -- "$LAB/tool" work 500
        echo "status $?"
        cat "$LAB/out.d/t.zst"
        ls -A "$LAB/out.d""#;
    let said = text(&lab.sh(&in_namespace(run)));
    assert!(said.contains("done\nstatus 7\nbefore\nt.zst\n"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let kept = lab.incomplete().pop().expect("kept");
    assert!(said.contains(kept.to_str().expect("text")), "{said}");
    lab.plays(&kept, false);
}

#[test]
fn what_the_tool_removes_of_the_recorders_files_is_no_loss() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let script = r#"
        mkdir out.d
        "$F" record -q -o "$LAB/t.zst" -- sh -c 'rm -r "$LAB/state"; "$LAB/tool" work 10'
        echo "status $?"
        "$F" record -q -o out.d/t.zst -- sh -c 'rm -r out.d; "$LAB/tool" work 10'
        echo "status $?""#;
    let said = text(&lab.sh(script));
    assert_eq!(said.matches("done\nstatus 7\n").count(), 2, "{said}");
    lab.plays(&lab.path("t.zst"), false);
    let kept = lab.incomplete().pop().expect("kept");
    assert!(said.contains(kept.to_str().expect("text")), "{said}");
    lab.plays(&kept, false);
}

#[test]
fn a_recording_begins_where_there_is_room_or_not_at_all() {
    let Some(lab) = Lab::new().filter(|_| can_mount()) else {
        return;
    };
    let run = r#"
        for full in size=16k nr_inodes=2; do
            mount -t tmpfs -o $full none "$LAB/state"
            "$F" record -q --force -o "$LAB/t.zst" -- "$LAB/tool" work 10
            echo "status $?"
            umount "$LAB/state"
        done
        ulimit -f 16
        "$F" record -q -o "$LAB/t.zst" -- touch "$LAB/ran"
        echo "status $?""#;
    let said = text(&lab.sh(&in_namespace(run)));
    assert_eq!(said.matches("done\nstatus 7\n").count(), 2, "{said}");
    assert!(said.contains("status 125\n"), "{said}");
    assert!(said.contains("File too large"), "{said}");
    lab.plays(&lab.path("t.zst"), false);
    assert!(!lab.path("ran").exists(), "the command was not run: {said}");
}

#[test]
fn nobody_who_hears_the_recorder_is_no_fault() {
    let Some(lab) = Lab::new() else {
        return;
    };
    for to in ["2>/dev/full", "2>&-", "2>&1 | true"] {
        let script = format!(
            r#"{{
                "$F" record --force -o "$LAB/t.zst" -- "$LAB/tool" work 10 >out
                echo "status $?" >&3
            }} {to}"#
        );
        let output = lab.sh(&format!("exec 3>&1; {script}"));
        let said = text(&output);
        assert!(said.contains("status 7"), "{to}: {said}");
        lab.plays(&lab.path("t.zst"), false);
    }
}

#[test]
fn traces_are_for_their_user_only() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let script = r#"
        umask 022
        "$F" record -q -o "$LAB/t.zst" -- true; chmod 640 "$LAB/t.zst"
        "$F" record -q -o "$LAB/t.zst" -- true
        umask 777
        "$F" record -q -o "$LAB/u.zst" -- true"#;
    let output = lab.sh(script);
    assert!(output.status.success(), "{}", text(&output));
    let mode = |name: &str| {
        let found = std::fs::metadata(lab.path(name)).expect("there");
        found.permissions().mode() & 0o7777
    };
    assert_eq!(mode("t.zst"), 0o600);
    assert_eq!(mode("t.zst.old"), 0o640, "as it was");
    assert_eq!(mode("u.zst"), 0o600);
    assert_eq!(mode("state/fsreplay"), 0o700);
}

#[test]
fn what_a_killed_recorder_leaves_is_told_of_and_removed() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let started = lab.path("started");
    let mut living = lab.record(&["loop", started.to_str().expect("text")]);
    await_true("the tool", || started.exists());
    let script = r#"
        "$F" record -q -o "$LAB/other.zst" -- sh -c 'sleep 2; kill -KILL $PPID; sleep 60'
        "$F" record -o "$LAB/other.zst" -- true
        echo; "$F" clean --recordings --dry-run
        echo; "$F" clean --recordings
        echo; "$F" record -o "$LAB/other.zst" -- true
        "$F" clean --recordings"#;
    let output = lab.sh(script);
    let said = text(&output);
    let lines = |text: &str| said.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("would remove"), 1, "{said}");
    assert_eq!(lines("left alone"), 3, "a recorder is writing it: {said}");
    assert_eq!(lines("fsreplay: 1 recordings that broke off"), 1, "{said}");
    assert!(said.contains("\nremoved "), "{said}");
    assert_eq!(lab.incomplete().len(), 1);
    kill(Signal::SIGTERM, &living);
    living.wait().expect("reaped");
    lab.plays(&lab.path("t.zst"), false);
}

#[test]
fn limits_of_the_recorder_do_not_end_the_tool() {
    let Some(lab) = Lab::new() else {
        return;
    };
    // The command is not run, or it is and does what it does.
    let few = r#"
        for n in 4 6 8 10 12 16 24; do
            (ulimit -n $n; "$F" record -q --force -o "$LAB/t.zst" -- "$LAB/tool" work 50)
            echo "status $?"
        done
        (ulimit -v 200000; "$F" record -q -o "$LAB/t.zst" -- touch "$LAB/ran")
        echo "refused $?""#;
    let said = text(&lab.sh(few));
    let refused = said.matches("status 125\n").count();
    let ran = said.matches("done\nstatus 7\n").count();
    assert_eq!((refused + ran, ran > 0), (7, true), "{said}");
    assert!(said.contains("refused 125"), "{said}");
    assert!(
        said.contains("ulimit -v") && !lab.path("ran").exists(),
        "{said}"
    );
    // Room enough to begin with, and too little for all these names.
    let much = r#"
        (ulimit -v 310000; "$F" record -q -o "$LAB/t.zst" -- "$LAB/tool" work 40000)
        echo "status $?"
        cp "$LAB"/state/fsreplay/* "$LAB/kept.zst""#;
    let said = text(&lab.sh(much));
    assert!(said.contains("done") && said.contains("status 7"), "{said}");
    assert!(said.contains("the limit on the address space"), "{said}");
    assert!(lab.events(&lab.path("kept.zst")) > Some(1000), "{said}");
}

#[test]
fn more_tasks_than_descriptors_do_not_hide_a_directorys_entries() {
    let Some(lab) = Lab::new() else {
        return;
    };
    let said = text(
        &lab.sh(r#"ulimit -n 40; "$F" record -q -o "$LAB/t.zst" -- "$LAB/tool" crowd; echo $?"#),
    );
    assert_eq!(said, "7\n");
    let mut reader = fsreplay_trace::format::open(&lab.path("t.zst")).expect("a trace");
    let mut listed = false;
    while let Some(record) = reader.next_record().expect("a record") {
        listed |= match &record {
            Record::Listing(listing) => reader.tables().path(listing.directory) == b"/etc",
            _ => false,
        };
    }
    assert!(listed, "the listing could be taken");
}
