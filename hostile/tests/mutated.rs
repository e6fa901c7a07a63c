//! What fsreplay reads from elsewhere, with damage: no panic, whatever the bytes are. A fixed
//! number of inputs, for each of the functions that the fuzzers drive (docs/fuzzing.md).

use fsreplay_hostile::choices::Choices;
use fsreplay_hostile::inputs::INPUTS;
use fsreplay_hostile::seeds;

/// How often each function is tried.
const TRIES: u64 = 2000;
/// Traces are read, inspected and planned twice.
const TRIES_OF_TRACES: u64 = 400;

#[test]
fn damaged_inputs_are_refused_or_taken() {
    for (name, input) in INPUTS {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in &seeds {
            input(seed);
        }
        let tries = match *name {
            "reader" | "frames" | "planner" | "marker" => TRIES_OF_TRACES,
            _ => TRIES,
        };
        for number in 0..tries {
            let mut choices = Choices::seeded(number);
            let mut bytes = choices.pick(&seeds);
            for _ in 0..1 + choices.below(6) {
                damage(&mut choices, &mut bytes, &seeds);
            }
            input(&bytes);
        }
    }
}

/// One piece of damage: a bit, a byte, an interesting number, a piece lost, doubled or from
/// elsewhere.
fn damage(choices: &mut Choices<'_>, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = choices.below(bytes.len());
    let end = (at + 1 + choices.below(32)).min(bytes.len());
    match choices.below(7) {
        _ if bytes.is_empty() => bytes.push(choices.below(256) as u8),
        0 => bytes[at] ^= 1 << choices.below(8),
        1 => bytes[at] = choices.below(256) as u8,
        2 => bytes[at..end].fill(choices.pick(&[0, 0xff, 0x7f, 0x80])),
        3 => drop(bytes.drain(at..end)),
        4 => bytes.extend_from_within(at..end),
        5 => bytes.truncate(at),
        _ => {
            let other = choices.pick(seeds);
            let from = choices.below(other.len());
            let piece = &other[from..(from + 40).min(other.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}
