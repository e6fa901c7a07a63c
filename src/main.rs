//! The fsreplay binary.
fn main() {}
