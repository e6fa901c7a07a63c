use fsreplay_trace::call::Call;
use fsreplay_trace::model::Mount;

use super::*;
use crate::plan::{At, Check, Op, Pace, Slot, Text, Took};

const MOUNTS: [&str; 4] = ["/", "/work/app", "/work/app/node_modules", "/cache"];
const PLACES: [&str; 8] = [
    "/work/app/src",
    "/work/app/.git",
    "/work/app/node_modules/a",
    "/cache/x",
    "/usr/lib/node_modules/npm",
    "/usr/share",
    "/opt/tool/lib",
    "/srv",
];

fn header(cwd: &str) -> Header {
    let mount = |point: &&str| Mount {
        mount_point: point.as_bytes().to_vec(),
        ..Mount::default()
    };
    Header {
        cwd: cwd.as_bytes().to_vec(),
        cpus: 2,
        mounts: MOUNTS.iter().map(mount).collect(),
        ..Header::default()
    }
}

fn op(action: Action, place: u32, mount: u16) -> Op {
    Op {
        action,
        expected: 0,
        check: Check::Nothing,
        call: Call::close,
        recorded: true,
        mount,
        place,
    }
}

fn call(place: u32, mount: u16) -> Op {
    op(Action::Close { fd: Slot(place) }, place, mount)
}

fn plan(lanes: usize) -> Plan {
    let mut plan = Plan {
        places: PLACES.iter().map(|path| path.as_bytes().to_vec()).collect(),
        ..Plan::default()
    };
    plan.lanes.resize_with(lanes, Default::default);
    plan
}

/// An op after so much computing that took so long, nanoseconds.
fn push(plan: &mut Plan, lane: usize, op: Op, think: f32, took: f32) {
    let pace = Pace {
        think,
        ..Pace::NONE
    };
    plan.push(lane, op, 0, pace);
    let last = plan.lanes[lane].len() - 1;
    plan.lanes[lane].keep(last, Took::of(took, 0.0));
}

fn assert_near(found: f64, wanted: f64) {
    assert!((found - wanted).abs() < 1e-3, "{found} instead of {wanted}");
}

#[test]
fn files_are_sorted_by_where_they_lie() {
    let mut plan = plan(1);
    let at = At {
        dir: Slot(0),
        path: Text(0),
    };
    plan.places.push(b"/opt/tool/bin".to_vec());
    plan.places.push(b"/usr/bin".to_vec());
    for place in [8, 9] {
        push(
            &mut plan,
            0,
            op(Action::Exec { at, flags: 0 }, place, 0),
            0.0,
            0.0,
        );
    }
    let header = header("/work/app/src");
    let sorter = Sorter::new(&plan, &header);
    let kind = |place: usize, mount: u16| {
        let (kind, directory) = sorter.place(Some(PLACES[place].as_bytes()), mount);
        (kind, directory.unwrap_or_default())
    };
    // The repository around the directory, on a mount of its own.
    assert_eq!(kind(0, 1), (PlaceKind::Workspace, "/work/app".into()));
    // A mount within it is told apart.
    let modules = (PlaceKind::Mount, "/work/app/node_modules".into());
    assert_eq!(kind(2, 2), modules);
    assert_eq!(kind(2, 1), (PlaceKind::Workspace, "/work/app".into()));
    assert_eq!(kind(3, 3), (PlaceKind::Mount, "/cache".into()));
    assert_eq!(kind(4, 0).0, PlaceKind::Toolchain);
    assert_eq!(
        kind(6, 0).0,
        PlaceKind::Toolchain,
        "a program's own directory"
    );
    assert_eq!(kind(5, 0).0, PlaceKind::System);
    assert_eq!(kind(7, 0).0, PlaceKind::Other);
    assert_eq!(sorter.place(None, u16::MAX).0, PlaceKind::Other);
    // Another repository than that around the working directory (`git -C`, `tar -C`).
    plan.places.push(b"/home/me/project/.git/objects".to_vec());
    plan.places.push(b"/home/me/project/.github".to_vec());
    plan.places.push(b"/home/me/other/.gitignored/x".to_vec());
    let sorter = Sorter::new(&plan, &header);
    let project = (PlaceKind::Workspace, Some("/home/me/project".into()));
    assert_eq!(sorter.place(Some(b"/home/me/project/src"), 0), project);
    let beside = sorter.place(Some(b"/home/me/other/src"), 0);
    assert_eq!(beside, (PlaceKind::Other, None));
    let tools = sorter.place(Some(b"/home/me/project/node_modules/x"), 0);
    assert_eq!(tools.0, PlaceKind::Toolchain);
    // Started in the root directory, not everything is a workspace.
    let header = self::header("/");
    let sorter = Sorter::new(&plan, &header);
    let found = sorter.place(Some(b"/srv"), 0);
    assert_eq!(found, (PlaceKind::Other, None));
    // Names are whole.
    assert!(!is_below(b"/work/apple", b"/work/app") && is_below(b"/a", b"/"));
}

#[test]
fn what_a_mount_can_gain_is_what_is_left_out_of_the_longest_way() {
    let mut plan = plan(2);
    push(&mut plan, 0, call(0, 1), 600.0, 256.0);
    push(&mut plan, 0, call(5, 0), 0.0, 128.0);
    // Beside it, and shorter by 100 than the rest.
    push(&mut plan, 1, call(0, 1), 784.0, 64.0);
    push(&mut plan, 1, op(Action::Nothing, 0, 1), 0.0, 1e6);
    let share = share(&plan, &header("/work/app")).expect("it ends");
    assert_near(share.seconds * 1e9, 984.0);
    assert_near(share.call_seconds * 1e9, 384.0);
    assert_near(share.computing_seconds * 1e9, 600.0);
    // Without calls the other lane is the longest.
    assert_near(share.gain_seconds * 1e9, 200.0);
    assert_near(share.file_share, 200.0 / 984.0);
    let places: Vec<_> = share.places.iter().map(|place| place.kind).collect();
    assert_eq!(places, [PlaceKind::Workspace, PlaceKind::System]);
    // Without those in the workspace it is still 784.
    assert_near(share.places[0].gain_seconds * 1e9, 200.0);
    assert_near(share.places[0].call_seconds * 1e9, 256.0);
    assert_near(share.places[1].gain_seconds * 1e9, 128.0);
}

#[test]
fn work_beside_a_longest_way_that_waits_is_told_by_place_as_well() {
    let mut plan = plan(2);
    let waits = Pace {
        asleep: 10_000.0,
        ..Pace::NONE
    };
    plan.push(0, call(0, 1), 0, waits);
    plan.lanes[0].keep(0, Took::of(256.0, 0.0));
    push(&mut plan, 1, call(5, 0), 100.0, 512.0);
    let share = share(&plan, &header("/work/app")).expect("it ends");
    assert_near(share.gain_seconds * 1e9, 768.0);
    let places = share.places.iter();
    let gains: Vec<_> = places
        .map(|place| (place.kind, place.gain_seconds * 1e9))
        .collect();
    assert_eq!(gains.len(), 2, "{gains:?}");
    assert_eq!(gains[0].0, PlaceKind::System);
    assert_near(gains[0].1, 512.0);
    assert_near(gains[1].1, 256.0);
}

#[test]
fn runs_without_the_recorder_say_how_long_all_took() {
    let mut plan = plan(1);
    push(&mut plan, 0, call(0, 1), 384.0, 128.0);
    plan.timing.computing = 0.5;
    let share = share(&plan, &header("/work/app")).expect("it ends");
    assert_near(share.seconds * 1e9, 256.0);
    assert_near(share.gain_seconds * 1e9, 64.0);
    assert_near(share.file_share, 0.25);
}

#[test]
fn nothing_has_no_share() {
    let share = share(&Plan::default(), &Header::default()).expect("it ends");
    assert_eq!((share.file_share, share.seconds), (0.0, 0.0));
    assert!(share.places.is_empty());
}
