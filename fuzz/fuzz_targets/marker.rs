#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fsreplay_hostile::inputs::marker(bytes));
