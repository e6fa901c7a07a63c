//! Frames: the mark at the start, the seek table at the end, and where a frame of a file ends.

use super::VERSION;
use super::error::TraceError;

/// Magic number of the skippable frame at the start.
const MARK_MAGIC: u32 = 0x184D_2A50;
/// Magic number of the skippable frame that holds a seek table (zstd's seekable format).
const SEEK_MAGIC: u32 = 0x184D_2A5E;
/// Last bytes of a seekable file.
const SEEKABLE_FOOTER: u32 = 0x8F92_EAB1;
const NAME: &[u8; 8] = b"fsreplay";

/// Length of the frame at the start.
pub const MARK_LENGTH: usize = 8 + 8 + 4;

/// What the frames after the mark are: the first byte of what they unpack to.
pub const HEADER: u8 = b'H';
/// A block of records.
pub const BLOCK: u8 = b'B';
/// The footer.
pub const FOOTER: u8 = b'F';

/// The frame at the start: name, version of the format, the least version that a reader must know.
pub fn mark() -> Vec<u8> {
    let mut out = Vec::with_capacity(MARK_LENGTH);
    out.extend_from_slice(&MARK_MAGIC.to_le_bytes());
    out.extend_from_slice(&12u32.to_le_bytes());
    out.extend_from_slice(NAME);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&VERSION.to_le_bytes());
    out
}

/// Checks the frame at the start; the version of the file.
pub fn check_mark(file: &[u8]) -> Result<u16, TraceError> {
    let expected = mark();
    if file.len() < MARK_LENGTH || file[..16] != expected[..16] {
        return Err(TraceError::NotATrace);
    }
    let found = u16::from_le_bytes([file[18], file[19]]);
    if found > VERSION {
        return Err(TraceError::TooNew {
            found,
            supported: VERSION,
        });
    }
    Ok(u16::from_le_bytes([file[16], file[17]]))
}

/// A frame's compressed and unpacked length.
pub type FrameLengths = (u32, u32);

/// The skippable frame with the seek table.
pub fn seek_table(frames: &[FrameLengths]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&SEEK_MAGIC.to_le_bytes());
    out.extend_from_slice(&((frames.len() * 8 + 9) as u32).to_le_bytes());
    for (compressed, unpacked) in frames {
        out.extend_from_slice(&compressed.to_le_bytes());
        out.extend_from_slice(&unpacked.to_le_bytes());
    }
    out.extend_from_slice(&(frames.len() as u32).to_le_bytes());
    out.push(0); // descriptor: no checksums in the table, each frame has its own
    out.extend_from_slice(&SEEKABLE_FOOTER.to_le_bytes());
    out
}

/// The first frame of some bytes and the rest; `None` if it isn't whole.
pub fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = zstd::zstd_safe::find_frame_compressed_size(bytes).ok()?;
    (length > 0 && length <= bytes.len()).then(|| bytes.split_at(length))
}

/// Whether a frame is one to skip (a seek table).
pub fn is_skippable(frame: &[u8]) -> bool {
    frame.len() >= 4 && (frame[0] & 0xF0) == 0x50 && frame[1..4] == [0x2A, 0x4D, 0x18]
}
