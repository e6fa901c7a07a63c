//! Files that are written whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use fsreplay_recorder::Beside;

use crate::exit::{self, Failure};

/// Refuses to write where something is that isn't to be replaced.
pub fn refuse(output: &Path, force: bool) -> Result<(), Failure> {
    let why = match fs::symlink_metadata(output) {
        Ok(found) if !found.is_file() => "it is no file",
        Ok(_) if !force => "it is there already (--force replaces it)",
        Ok(_) | Err(_) => return Ok(()),
    };
    Err(Failure::new(
        exit::USAGE,
        format!("{}: {why}", output.display()),
    ))
}

/// Puts in place what `write` writes to the file that it is given and gives back, with its result.
/// Gives that, and the file's size.
pub fn write<T>(
    output: &Path,
    write: impl FnOnce(File) -> Result<(File, T), Failure>,
) -> Result<(T, u64), Failure> {
    let failed =
        |error: io::Error| Failure::new(exit::FAILURE, format!("{}: {error}", output.display()));
    let mut beside = Beside::create(output).map_err(failed)?;
    let file = beside.file().try_clone().map_err(failed)?;
    let (file, result) = write(file)?;
    file.sync_all().map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let path = beside.name().map_err(failed)?;
    fs::rename(path, output).map_err(failed)?;
    beside.placed();
    Ok((result, bytes))
}
