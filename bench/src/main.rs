//! Measures the recorder and replayer.
fn main() {}
