//! A target that fails under `fsreplay play` and `compare`: its disk, its server, or somebody who
//! takes it away. They end, say what happened and where something is left, and `fsreplay clean`
//! removes that when the target works again.
//!
//! Everything is mounted in mount namespaces of the tests' own. `FSREPLAY_FAULTS=N` tries N moments
//! instead of a few.

mod common;
mod faults;
#[path = "faults/moments.rs"]
mod moments;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use common::{have, text, workspace};
use faults::can_mount;
use moments::{moments, times};

/// Functions for the scripts. `$T` is the target, `$O` a directory beside it.
const COMMON: &str = r#"
    play() { "$F" play -q "$@" --target "$T" "$TRACE"; }
    status() { echo "status $?"; }
    remains() { ls -A "$T" | sed 's/^/remains: /'; }
    stays() { "$F" clean "$T"; ls -A "$T" | grep -vx lost+found | sed 's/^/stays: /'; }
    # Waits until a replay's directory is there, or whatever should make it has ended.
    begun() {
        until ls "$T"/.fsreplay-*/tree >"$O/null" 2>&1 || ! kill -0 "$1"; do sleep 0.01; done
    }
    # A target that fails as it is told (fuse.py).
    serve() {
        python3 "$FUSE" "$T" "$@" >"$O/fuse" 2>&1 &
        server=$!
        until [ -s "$O/fuse" ]; do sleep 0.01; done
        grep -q mounted "$O/fuse" || { cat "$O/fuse"; exit 99; }
    }
    heal() { kill -USR1 $server; }
    stop() { umount -l "$T"; wait $server; }
"#;

/// Runs a script; nothing beside the target may be other than before. `None` where it says by
/// status 99 that what it needs isn't to be had.
fn script(script: &str, environment: &[(&str, &str)]) -> Option<String> {
    let place = workspace();
    for name in ["target", "other", "beside"] {
        std::fs::create_dir(place.path().join(name)).expect("made");
    }
    let canary = place.path().join("canary");
    std::fs::write(&canary, "sings").expect("written");
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/library/git-status.zst");
    let output = Command::new("unshare")
        .args(["-m", "sh", "-uc"])
        .arg(format!("{COMMON}\n{script}"))
        .env("T", place.path().join("target"))
        .env("O", place.path().join("other"))
        .env("F", env!("CARGO_BIN_EXE_fsreplay"))
        .env(
            "FUSE",
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/fuse.py"),
        )
        .env("TRACE", trace)
        .envs(environment.iter().copied())
        .output()
        .expect("unshare runs");
    let told = text(&output);
    if output.status.code() == Some(99) {
        println!("skipped: this can't be mounted here: {told}");
        return None;
    }
    assert!(!told.contains("panicked"), "{told}");
    assert_eq!(std::fs::read(&canary).expect("it lives"), b"sings");
    let beside = std::fs::read_dir(place.path().join("beside")).expect("listed");
    assert_eq!(beside.count(), 0, "{told}");
    Some(told)
}

/// That the command failed and said why in some of these words; where something remains it said
/// where, and nothing stays when the target works again.
fn failed_well(told: &str, words: &[&str]) {
    assert!(told.contains("status 6"), "{told}");
    assert!(words.iter().any(|word| told.contains(word)), "{told}");
    is_told_and_cleaned(told);
}

fn is_told_and_cleaned(told: &str) {
    let remaining = told
        .lines()
        .filter_map(|line| line.strip_prefix("remains: "));
    for name in remaining.filter(|name| *name != "lost+found") {
        let told_of = told.lines().any(|line| {
            line.contains(name) && line.contains("removing") && line.contains("fsreplay clean")
        });
        assert!(told_of, "{name}: {told}");
    }
    // What wasn't marked before something failed is left alone by `clean`.
    let unmarked = told.contains("remove it yourself");
    assert!(unmarked || !told.contains("stays: "), "{told}");
}

/// Does something for each of a list, several at a time: most of it is waiting.
fn each<T: Send>(list: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let list = Mutex::new(list.into_iter().collect::<Vec<T>>());
    let next = || list.lock().expect("no other panicked").pop();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(one) = next() {
                    work(one);
                }
            });
        }
    });
}

fn can_serve() -> bool {
    have("python3") && can_mount() && {
        let is_there = Path::new("/dev/fuse").exists();
        if !is_there {
            println!("skipped: there is no /dev/fuse");
        }
        is_there
    }
}

/// Calls of a target's server, and whether the replay can't do without.
const OPERATIONS: [(&str, bool); 17] = [
    ("lookup", true),
    ("getattr", true),
    ("setattr", true),
    ("mkdir", true),
    ("symlink", true),
    ("create", true),
    ("write", true),
    ("open", true),
    ("opendir", true),
    ("readdir", true),
    ("unlink", true),
    ("rmdir", true),
    ("statfs", true),
    ("read", false),
    ("readlink", false),
    ("flush", false),
    ("release", false),
];

#[test]
fn an_input_output_error_of_any_call_is_told_and_what_is_left_is_cleaned() {
    if !can_serve() {
        return;
    }
    let counts = [0, 1, 4, 30];
    let all = OPERATIONS
        .iter()
        .flat_map(|one| counts.map(|count| (*one, count)));
    each(all, |((operation, needed), count)| {
        let rule = format!("{operation}:{count}=EIO");
        let run = r#"serve "$RULE"; play --rounds 2; status; remains; heal; stays; stop"#;
        let Some(told) = script(run, &[("RULE", &rule)]) else {
            return;
        };
        if !told.contains("status 0") {
            let status = told.contains("status 4") || told.contains("status 6");
            assert!(
                status && told.contains("Input/output error"),
                "{rule}: {told}"
            );
            is_told_and_cleaned(&told);
        } else {
            assert!(!needed || count > 1, "{rule}: {told}");
            assert!(!told.contains("remains: "), "{rule}: {told}");
        }
    });
}

#[test]
fn a_target_that_turns_bad_at_any_moment_is_told() {
    if !can_serve() {
        return;
    }
    // Some 14,000 calls in the first round.
    let after = moments(times(9), 16).map(|moment| moment.as_micros());
    let kinds = [
        ("EIO", "Input/output error"),
        ("EROFS", "Read-only file system"),
        ("die", "the server behind the mount"),
    ];
    each(after.zip(kinds.iter().cycle()), |(after, (kind, words))| {
        let rule = format!("any:{after}={kind}");
        let run = r#"
            serve "$RULE"
            play --rounds 500
            status
            if kill -0 $server 2>"$O/null"; then heal; stays; fi
            stop"#;
        let Some(told) = script(run, &[("RULE", &rule)]) else {
            return;
        };
        let status = told.contains("status 4") || told.contains("status 6");
        assert!(status && told.contains(words), "{rule}: {told}");
        is_told_and_cleaned(&told);
    });
}

#[test]
fn a_server_that_hangs_and_is_ended_ends_the_replay() {
    if !can_serve() {
        return;
    }
    each([300, 3_000, 9_000], |after| {
        let run = r#"
            serve "$RULE"
            play --rounds 500 & play=$!
            until grep -q hangs "$O/fuse"; do sleep 0.01; done
            kill -9 $server
            wait $play
            status
            stop"#;
        let rule = format!("any:{after}=hang");
        if let Some(told) = script(run, &[("RULE", &rule)]) {
            assert!(told.contains("status 6"), "{rule}: {told}");
            assert!(told.contains("the server behind the mount"), "{told}");
        }
    });
}

#[test]
fn a_tree_that_cannot_be_removed_is_no_reason_to_lose_the_result() {
    if !can_serve() {
        return;
    }
    let run = r#"
        serve rmdir:0=EIO
        play --json "$O/result"
        status
        grep -o '"kind": "play"' "$O/result"
        "$F" compare --rounds 2 --timing fast --target a="$T" --target b="$O" "$TRACE"
        status
        remains; heal; stays; ls -A "$O" | grep fsreplay; stop"#;
    let Some(told) = script(run, &[]) else {
        return;
    };
    assert_eq!(told.matches("status 6").count(), 2, "{told}");
    assert!(told.contains("\"kind\": \"play\""), "{told}");
    assert!(told.contains("baseline"), "the table is there: {told}");
    is_told_and_cleaned(&told);
}

#[test]
fn one_bad_target_of_several_is_named_and_the_others_are_left_empty() {
    if !can_serve() {
        return;
    }
    let run = r#"
        mkdir "$O/b"
        serve any:9000=EIO
        "$F" compare -q --rounds 50 --timing fast --target b="$O/b" --target a="$T" "$TRACE"
        status
        heal; stays; ls -A "$O/b" | sed 's/^/stays: /'; stop"#;
    let Some(told) = script(run, &[]) else {
        return;
    };
    failed_well(&told, &["Input/output error"]);
    assert!(told.contains("/target"), "{told}");
}

/// An ext4 on a file, at `$T`, and what is needed to mount it again.
const DISK: &str = r#"
    disk() {
        truncate -s 64M "$O/disk"
        mkfs.ext4 -q -e remount-ro "$O/disk"
        mount -o loop "$O/disk" "$T" || exit 99
        device=$(basename "$(findmnt -no SOURCE "$T")")
    }
    again() { umount "$T" && mount -o loop "$O/disk" "$T"; }
"#;

#[test]
fn a_disk_that_fails_or_turns_read_only_at_any_moment_is_told() {
    if !have("python3") || !have("mkfs.ext4") || !can_mount() {
        return;
    }
    let kinds = [
        r#"strike() { echo on purpose >"/sys/fs/ext4/$device/trigger_fs_error"; }"#,
        // EXT4_IOC_SHUTDOWN: all that needs the disk fails from then on.
        r#"strike() { python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587d, struct.pack("I", 2))' "$T"; }"#,
        // What the kernel does after other errors; it denies a plain remount during a replay.
        r#"strike() {
    mount -o remount,ro "$T" 2>"$O/null" && echo "remounted?"
    mount -o remount,abort "$T"
}"#,
    ];
    for after in moments(times(2), 700) {
        let after = after.as_secs_f64().to_string();
        each(kinds, |kind| {
            let run = r#"
                disk
                play --rounds 10000 & play=$!
                begun $play
                sleep "$AFTER"
                strike
                wait $play
                status
                remains; again; stays; umount "$T""#;
            let run = format!("{DISK}\n{kind}\n{run}");
            if let Some(told) = script(&run, &[("AFTER", &after)]) {
                failed_well(&told, &["read-only", "Read-only", "Input/output error"]);
            }
        });
    }
}

#[test]
fn a_target_that_is_taken_away_at_any_moment_is_told() {
    if !can_mount() {
        return;
    }
    // What remains is seen at $SEEN. Who removes it does so until it is gone.
    let kinds = [
        r#"SEEN="$T"
           take() { while kill -0 $play 2>"$O/null"; do rm -rf "$T"/.fsreplay-*; done; }"#,
        r#"SEEN="$T.away"; take() { mv "$T" "$T.away"; }"#,
        r#"SEEN="$T"; take() { mv "$T"/.fsreplay-* "$O"/moved; SEEN="$O/moved"; }"#,
        r#"mount -t tmpfs none "$O" || exit 99; mount --bind "$O" "$T"
           mkdir "$O/seen"; mount --bind "$O" "$O/seen"; SEEN="$O/seen"
           take() { umount -l "$T"; }"#,
    ];
    for after in moments(times(3), 700) {
        let after = after.as_secs_f64().to_string();
        each(kinds, |kind| {
            let run = r#"
                play --rounds 10000 & play=$!
                begun $play
                sleep "$AFTER"
                take 2>"$O/null"
                wait $play
                status
                ls -A "$SEEN" | grep -E 'fsreplay|tree' | sed 's/^/stays: /'"#;
            let run = format!("{kind}\n{run}");
            if let Some(told) = script(&run, &[("AFTER", &after)]) {
                failed_well(
                    &told,
                    &["is not where it was made", "something else removes it"],
                );
            }
        });
    }
}
