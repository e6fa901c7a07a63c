#![no_main]

libfuzzer_sys::fuzz_target!(
    init: fsreplay_hostile::field::enter().expect("replays are done in a cage only, by root"),
    |bytes: &[u8]| fsreplay_hostile::field::replay(bytes)
);
