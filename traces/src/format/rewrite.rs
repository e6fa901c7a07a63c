//! Changes to a finished trace.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::VERSION;
use super::codec;
use super::error::TraceError;
use super::frames::{self, FrameLengths, Packer, Parts};
use crate::model::Footer;

/// Compression of a footer.
const LEVEL: i32 = 12;

/// Gives a finished trace another footer: what was learnt after it was written. The file is
/// replaced at once or not at all.
pub fn replace_footer(path: &Path, footer: &Footer) -> Result<(), TraceError> {
    let io = |operation| move |source| TraceError::Io { operation, source };
    let file = std::fs::read(path).map_err(io("reading"))?;
    if frames::check_mark(&file)? != VERSION {
        return Err(TraceError::Corrupt(
            "a trace of another version has another footer",
        ));
    }
    let length = |n: usize| u32::try_from(n).map_err(|_| TraceError::TooLarge("a block"));
    let mut out = Vec::with_capacity(file.len() + 1024);
    let mut lengths: Vec<FrameLengths> = Vec::new();
    let mut rest = file.as_slice();
    while let Some((frame, after)) = frames::next_frame(rest) {
        rest = after;
        if frames::is_skippable(frame) && !lengths.is_empty() {
            break; // the seek table
        }
        let unpacked = unpacked_length(frame);
        if is_footer(frame, unpacked) {
            break;
        }
        out.extend_from_slice(frame);
        lengths.push((length(frame.len())?, length(unpacked)?));
    }
    let mut last = vec![frames::FOOTER];
    last.extend(codec::encode_footer(footer)?);
    let footer = Parts::one(last);
    let mut packer = Packer::new(LEVEL).map_err(io("writing"))?;
    let packed = packer.pack(&footer).map_err(io("writing"))?;
    lengths.push((length(packed.len())?, length(footer.bytes.len())?));
    out.extend_from_slice(&packed);
    out.extend_from_slice(&frames::seek_table(&lengths));
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = same_mode(path, &beside).and_then(|mut new| new.write_all(&out));
    written
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(|source| {
            let _ = std::fs::remove_file(&beside);
            io("writing")(source)
        })
}

/// Makes a file that nobody may read who may not read the one that it is to replace.
fn same_mode(path: &Path, beside: &Path) -> std::io::Result<File> {
    let permissions = std::fs::metadata(path)?.permissions();
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(beside)?;
    file.set_permissions(permissions)?;
    Ok(file)
}

fn unpacked_length(frame: &[u8]) -> usize {
    let size = zstd::zstd_safe::get_frame_content_size(frame)
        .ok()
        .flatten();
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(0)
}

fn is_footer(frame: &[u8], unpacked: usize) -> bool {
    // Footers are small; blocks that are as small are looked at, too.
    unpacked < 16 << 20
        && zstd::bulk::decompress(frame, unpacked)
            .is_ok_and(|bytes| bytes.first() == Some(&frames::FOOTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_replaced_file_is_for_those_who_could_read_it() {
        let directory = tempfile::tempdir().expect("tempdir");
        let path = directory.path().join("t.zst");
        std::fs::write(&path, "x").expect("written");
        for mode in [0o600, 0o640] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("chmod");
            let file = same_mode(&path, &directory.path().join("beside")).expect("made");
            let made = file.metadata().expect("stat").permissions().mode();
            assert_eq!(made & 0o7777, mode);
        }
    }
}
