//! Folded stacks as an image.

use std::io;

use inferno::flamegraph::{self, Options};

/// An SVG flame graph of file-system time by path.
///
/// # Errors
/// Stacks that inferno can't read, or none at all.
pub fn draw(folded: &[u8]) -> io::Result<Vec<u8>> {
    if folded.is_empty() {
        return Err(io::Error::other("no time was spent on files"));
    }
    let mut options = Options::default();
    options.title = "File-system time by path".into();
    options.count_name = "ns".into();
    // Paths are read from the root downwards.
    options.direction = flamegraph::Direction::Inverted;
    let mut image = Vec::new();
    flamegraph::from_reader(&mut options, folded, &mut image).map_err(io::Error::other)?;
    Ok(image)
}
