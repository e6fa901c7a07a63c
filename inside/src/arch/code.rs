//! The stub as it is in this program, to be copied into tools.

use super::{Marks, classes_of_calls};
use crate::class;

unsafe extern "C" {
    static fsreplay_inside_begin: u8;
    static fsreplay_inside_saved: u8;
    static fsreplay_inside_flags: u8;
    static fsreplay_inside_seen: u8;
    static fsreplay_inside_call: u8;
    static fsreplay_inside_called: u8;
    static fsreplay_inside_result: u8;
    static fsreplay_inside_written: u8;
    static fsreplay_inside_refused: u8;
    static fsreplay_inside_woken: u8;
    static fsreplay_inside_asks: u8;
    static fsreplay_inside_end: u8;
}

/// The marks of the stub.
pub fn marks() -> Marks {
    let begin = (&raw const fsreplay_inside_begin).addr() as u64;
    let from_begin = |mark: *const u8| mark.addr() as u64 - begin;
    Marks {
        saved: from_begin(&raw const fsreplay_inside_saved),
        flags: from_begin(&raw const fsreplay_inside_flags),
        seen: from_begin(&raw const fsreplay_inside_seen),
        call: from_begin(&raw const fsreplay_inside_call),
        called: from_begin(&raw const fsreplay_inside_called),
        result: from_begin(&raw const fsreplay_inside_result),
        written: from_begin(&raw const fsreplay_inside_written),
        refused: from_begin(&raw const fsreplay_inside_refused),
        woken: from_begin(&raw const fsreplay_inside_woken),
        asks: from_begin(&raw const fsreplay_inside_asks),
        end: from_begin(&raw const fsreplay_inside_end),
    }
}

/// The stub's page: its code, and the table of classes behind it.
pub fn stub() -> Vec<u8> {
    let length = marks().end as usize;
    // SAFETY: `begin` and `end` are labels of one block of bytes, which nothing writes to.
    let code = unsafe { std::slice::from_raw_parts(&raw const fsreplay_inside_begin, length) };
    let mut bytes = code.to_vec();
    let mut classes = vec![class::TRACED; class::NUMBERS];
    for (number, class) in classes_of_calls() {
        classes[*number as usize] = *class;
    }
    bytes.extend(classes);
    bytes
}
