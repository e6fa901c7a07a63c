//! Arguments that a trace doesn't keep, and what stands in their place: as strace leaves out what
//! it was told not to print.

use fsreplay_trace::call::Unkept;

/// A number that isn't known.
pub const NUMBER: &str = "?";

/// What is written for an argument.
pub fn elided(unkept: Unkept) -> String {
    match unkept {
        Unkept::Bytes => "\"\"...", // -s 0
        Unkept::Structure => "{...}",
        Unkept::List => "[...]",
        // Readers look for a number of variables, which isn't known.
        Unkept::Environment => "[/* 0 vars */]",
        Unkept::Null => "NULL",
        Unkept::Number => NUMBER,
        Unkept::Is(number) => return number.to_string(),
    }
    .to_owned()
}
