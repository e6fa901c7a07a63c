//! Rounds that begin alike, and the tool's own time.

mod common;

use std::path::Path;

use common::{fsreplay, record, sh, text, workspace};

/// Plays and gives the JSON result.
fn play(trace: &Path, options: &[&str]) -> serde_json::Value {
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a target");
    let output = fsreplay()
        .arg("play")
        .arg(trace)
        .arg("--target")
        .arg(target.path())
        .args(["--json", "-", "-q"])
        .args(options)
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let left = std::fs::read_dir(target.path())
        .expect("the target")
        .count();
    assert_eq!(left, 0, "the target is left empty");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const CHANGES: &str = "
    echo more >> a/f; rm a/b/g; mv a/b a/d; mkdir a/new; echo n > a/new/file; rm c/x; mv a/h c/h
    ln -sf zz a/l; chmod 600 c/h; mkdir a/b; mv c a/c2; : > a/d/k; chmod 500 r
    cat a/f a/c2/h; ls -lR .; test ! -e c";

#[test]
fn each_round_begins_with_the_tree_as_recorded() {
    let dir = workspace();
    let work = dir.path().join("work");
    std::fs::create_dir(&work).expect("a directory");
    sh(
        &work,
        "mkdir -p a/b c r; echo 1 > a/f; echo 2 > a/b/g; ln -s f a/l; ln a/f a/h; echo 3 > c/x",
    );
    let trace = dir.path().join("t.zst");
    let output = record(&work, &trace, &["sh", "-euc", CHANGES]);
    assert!(output.status.success(), "{}", text(&output));
    for cache in ["made", "warm", "cold"] {
        let json = play(&trace, &["--rounds", "4", "--strict", "--cache", cache]);
        let said = json["cache"].as_str().expect("the cache");
        assert!(said.contains(cache), "{said}");
        let rounds = json["rounds"].as_array().expect("rounds");
        assert_eq!(rounds.len(), 4);
        assert!(
            rounds.iter().all(|round| round["divergences"] == 0),
            "{json:#}"
        );
    }
}

#[test]
fn sleeping_and_computing_are_played_and_fast_leaves_them_out() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let script = "sleep 0.3; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; ls /";
    let begin = std::time::Instant::now();
    sh(dir.path(), script);
    let real = begin.elapsed().as_secs_f64();
    let output = record(dir.path(), &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let fast = play(&trace, &[]);
    assert_eq!(fast["timing"], "fast");
    assert!(fast["prediction"].is_null());
    assert!(fast["median_wall_seconds"].as_f64() < Some(0.3), "{fast}");
    let recorded = play(&trace, &["--timing", "recorded"]);
    let predicted = recorded["prediction"]["seconds"]
        .as_f64()
        .expect("a prediction");
    // Not a measurement: only that both kinds of time are there, and once.
    assert!(
        predicted > 0.3 && predicted < real * 3.0,
        "{predicted} for {real}"
    );
    let twice = play(&trace, &["--timing", "2"]);
    assert!(twice["median_wall_seconds"].as_f64() > Some(0.6), "{twice}");
    assert!(twice["prediction"].is_null());
}

#[test]
fn a_wait_for_another_task_is_as_long_as_that_task_takes() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    // The reader waits for the writer, which sleeps: once, not twice.
    let script = "(sleep 0.4; echo x) | cat > out";
    let output = record(dir.path(), &trace, &["sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    let predicted = recorded["prediction"]["seconds"]
        .as_f64()
        .expect("a prediction");
    assert!((0.4..0.8).contains(&predicted), "{predicted}");
}

#[test]
fn a_calibrated_recording_says_so() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    let output = fsreplay()
        .args(["record", "-q", "--calibrate", "--reset", "rm -rf d", "-o"])
        .arg(&trace)
        .args(["--", "mkdir", "d"])
        .current_dir(dir.path())
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    assert_eq!(recorded["prediction"]["basis"], "calibrated");
    assert!(recorded["unslowed_seconds"][0].as_f64() > Some(0.0));
    assert!(recorded["slowness"][0].as_f64() >= Some(1.0));
    let known = processors(&trace).expect("known where it was calibrated");
    assert!(known.slowness >= 1.0 && known.unit > 0.0, "{known:?}");
    // Without putting back, the second mkdir fails, and that run says nothing.
    let output = fsreplay()
        .args(["record", "--force", "--calibrate", "-o"])
        .arg(&trace)
        .args(["--", "mkdir", "e"])
        .current_dir(dir.path())
        .output()
        .expect("fsreplay runs");
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("can't be used"), "{}", text(&output));
    let recorded = play(&trace, &["--timing", "recorded"]);
    assert_eq!(recorded["prediction"]["basis"], "recorded");
    assert_eq!(processors(&trace), None);
}

/// What a trace knows of the processors.
fn processors(trace: &Path) -> Option<fsreplay_trace::model::Processors> {
    let mut reader = fsreplay_trace::format::open(trace).expect("a trace");
    while reader.next_record().expect("a whole trace").is_some() {}
    reader.footer().and_then(|footer| footer.processors.clone())
}

#[test]
fn a_signal_reaches_the_recorder_though_it_looks_at_the_processors() {
    let dir = workspace();
    let trace = dir.path().join("t.zst");
    // Runs after the first end at once, and otherwise: they tell nothing.
    let script = "test -e stop && exit 6; trap 'echo > stop; exit 5' TERM; echo; \
                  while :; do sleep 0.01; done";
    let recorder = fsreplay()
        .args(["record", "-q", "--calibrate", "-o"])
        .arg(&trace)
        .args(["--", "sh", "-c", script])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .current_dir(dir.path())
        .spawn();
    let mut recorder = recorder.expect("fsreplay runs");
    // The trap is set when it says something.
    let mut said = [0];
    let out = recorder.stdout.as_mut().expect("its output");
    std::io::Read::read_exact(out, &mut said).expect("a line");
    let id = recorder.id().to_string();
    // A thread that doesn't block a signal may get it.
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("its threads");
    let mut looks = 0;
    for thread in threads.map(|thread| thread.expect("a thread").path()) {
        let status = std::fs::read_to_string(thread.join("status")).expect("its status");
        if status.lines().next() == Some("Name:\tlook") {
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            let blocked = blocked.map(|mask| u64::from_str_radix(mask.trim(), 16));
            let blocked = blocked.expect("a mask").expect("a number");
            assert_ne!(blocked & (1 << (libc::SIGTERM - 1)), 0, "{status}");
            looks += 1;
        }
    }
    // One for each that this may run on, and not only for the recorder's own.
    let own = std::fs::read_to_string("/proc/self/status").expect("its status");
    let allowed = own
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed:"));
    let digits = allowed
        .expect("a mask")
        .chars()
        .filter_map(|digit| digit.to_digit(16));
    let processors: u32 = digits.map(u32::count_ones).sum();
    assert!(looks == processors || processors > 16, "{looks} threads");
    let killed = std::process::Command::new("kill").arg(&id).status();
    assert!(killed.expect("kill runs").success());
    let output = recorder.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(5), "{}", text(&output));
}
