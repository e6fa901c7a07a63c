//! Prints what a plan knows of the tool's own time: sums, and the longest steps of each lane.
//!
//! `cargo run --release -p fsreplay-replayer --example paces -- trace.zst`

use fsreplay_replayer::plan::{Pace, Plan};
use fsreplay_replayer::planner::{PlanOptions, plan};
use fsreplay_trace::model::Sample;

fn main() {
    let path = std::env::args().nth(1).expect("a trace");
    let mut reader = fsreplay_trace::format::open(path.as_ref()).expect("a trace");
    println!("costs {:?}", reader.header().costs);
    by_call(&path);
    let plan = plan(&mut reader, &PlanOptions::default()).expect("a plan");
    let unobserved = reader
        .footer()
        .and_then(fsreplay_replayer::fit::processor_seconds);
    println!("without the recorder {unobserved:?} s on processors");
    sums(&plan);
    let samples = reader.footer().and_then(|footer| footer.samples.clone());
    runs(&samples.map_or_else(Vec::new, |samples| samples.runs));
    let cores = std::num::NonZeroUsize::new(reader.header().cpus as usize).expect("some");
    let recorded = fsreplay_replayer::share::AsRecorded(&plan);
    let groups = fsreplay_replayer::simulate::Groups::one();
    let paper = fsreplay_replayer::simulate::simulate(&plan, &recorded, &groups, cores);
    println!("on paper {:?}", paper);
    let factor = unobserved.and_then(|time| fsreplay_replayer::fit::factor(&plan, &recorded, time));
    println!("factor {factor:?}");
    lanes(&plan);
}

/// What was computed, and what calls took on processors.
fn sums(plan: &Plan) {
    let (mut computed, mut calls) = (0.0, 0.0);
    for lane in &plan.lanes {
        for (op, pace) in lane.paces().enumerate() {
            computed += f64::from(pace.think + pace.own) / 1e6;
            calls += f64::from(lane.took(op).on_cpu()) / 1e6;
        }
    }
    println!("computed {computed:.2} calls on cpu {calls:.2} ms");
}

/// What the runs without the recorder took: the least, the first quarter and the median.
fn runs(runs: &[Sample]) {
    let of = |part: fn(&Sample) -> u64| {
        let mut all: Vec<u64> = runs.iter().map(part).collect();
        all.sort_unstable();
        let at = |share: usize| {
            all.get(all.len() * share / 8)
                .map_or(0.0, |t| *t as f64 / 1e6)
        };
        format!("{:.1} {:.1} {:.1}", at(0), at(2), at(4))
    };
    println!(
        "{} runs, wall {} cpu {} queued {}",
        runs.len(),
        of(|r| r.elapsed),
        of(|r| r.cpu),
        of(|r| r.queued)
    );
}

/// The tool's own time in each lane, and its longest steps.
fn lanes(plan: &Plan) {
    for (number, lane) in plan.lanes.iter().enumerate() {
        let sum = |part: fn(&Pace) -> f32| {
            lane.paces().map(|pace| f64::from(part(&pace))).sum::<f64>() / 1e6
        };
        println!(
            "lane {number}: {} ops, think {:.2} asleep {:.2} own {:.2} own asleep {:.2} ms",
            lane.len(),
            sum(|p| p.think),
            sum(|p| p.asleep),
            sum(|p| p.own),
            sum(|p| p.own_asleep)
        );
        let total = |p: &Pace| p.think + p.asleep + p.own + p.own_asleep;
        let mut order: Vec<usize> = (0..lane.len()).collect();
        order.sort_by(|a, b| total(&lane.pace(*b)).total_cmp(&total(&lane.pace(*a))));
        for index in order.into_iter().take(6) {
            let (op, event) = (plan.op(number, index), plan.event(number, index));
            println!(
                "    {index} event {event:?} {} {:?}",
                op.call,
                lane.pace(index)
            );
        }
    }
}

/// Processor time in recorded calls, by call.
fn by_call(path: &str) {
    let mut reader = fsreplay_trace::format::open(path.as_ref()).expect("a trace");
    let mut calls = std::collections::BTreeMap::new();
    while let Ok(Some(record)) = reader.next_record() {
        if let fsreplay_trace::model::Record::Event(event) = record {
            let sum: &mut (u64, u64, u64) = calls.entry(event.call).or_default();
            *sum = (
                sum.0 + 1,
                sum.1 + event.spent.cpu,
                sum.2 + event.spent.think,
            );
        }
    }
    for (call, (count, cpu, think)) in calls {
        let (cpu, think) = (cpu as f64 / 1e6, think as f64 / 1e6);
        println!("call {call} {count} cpu {cpu:.2} ms, think before {think:.2} ms");
    }
}
