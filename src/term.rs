//! How things look on a terminal: texts and tables; and where they are written. Numbers and
//! durations look as they do in sentences of results.

mod out;
mod table;
mod text;

pub use fsreplay_shown::figures::{
    bytes, count, counted, nanoseconds, percent, seconds, shortened,
};
pub use out::{
    Diagnostics, check_results, is_taken, print, tell, to_standard_output, write_data, write_json,
    write_json_line, write_line,
};
pub use table::{aligned_table, strong, styled_rows, table};
pub use text::{Shown, Text};
