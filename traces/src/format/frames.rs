//! Frames: the mark at the start, the seek table at the end, and where a frame of a file ends.

use std::io::{self, Read};

use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective as Directive;
use zstd::zstd_safe::{self, CCtx, CParameter, InBuffer, OutBuffer};

use super::VERSION;
use super::error::TraceError;

/// The most bytes that a block, of which each has a frame, may unpack to.
pub const MAX_BLOCK: usize = 256 << 20;
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
pub fn check_mark(start: &[u8]) -> Result<u16, TraceError> {
    let expected = mark();
    if start.len() < MARK_LENGTH || start[..16] != expected[..16] {
        return Err(TraceError::NotATrace);
    }
    let found = u16::from_le_bytes([start[18], start[19]]);
    if found > VERSION {
        return Err(TraceError::TooNew {
            found,
            supported: VERSION,
        });
    }
    Ok(u16::from_le_bytes([start[16], start[17]]))
}

/// The frames of a file, of which no more than one is in memory.
pub struct Frames {
    file: Box<dyn Read + Send>,
    /// Read and not taken yet: from `position` on.
    bytes: Vec<u8>,
    position: usize,
    /// Bytes of the frames taken.
    taken: u64,
    is_at_end: bool,
}

/// Bytes that are read at a time, at least.
const READ: usize = 1 << 16;
/// No frame that unpacks to a block is longer.
const MAX_FRAME: usize = MAX_BLOCK + (MAX_BLOCK >> 7);

impl Frames {
    /// Of a file from its start on.
    pub fn new(file: Box<dyn Read + Send>) -> Frames {
        Frames {
            file,
            bytes: Vec::new(),
            position: 0,
            taken: 0,
            is_at_end: false,
        }
    }

    /// Takes the frame at the start; the version of the file.
    pub fn check_mark(&mut self) -> Result<u16, TraceError> {
        while self.bytes.len() < MARK_LENGTH && !self.is_at_end {
            self.read_on()?;
        }
        let version = check_mark(&self.bytes)?;
        self.take(MARK_LENGTH);
        Ok(version)
    }

    /// The next frame; none if there is no whole one left.
    pub fn next(&mut self) -> Result<Option<&[u8]>, TraceError> {
        loop {
            let whole = next_frame(&self.bytes[self.position..]).map(|(frame, _)| frame.len());
            if let Some(length) = whole {
                let begin = self.position;
                self.take(length);
                return Ok(Some(&self.bytes[begin..begin + length]));
            }
            if self.is_at_end {
                return Ok(None);
            }
            if self.bytes.len() - self.position > MAX_FRAME {
                return Err(TraceError::Corrupt("a frame is too long"));
            }
            self.read_on()?;
        }
    }

    /// Bytes of the file so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    fn take(&mut self, length: usize) {
        self.position += length;
        self.taken += length as u64;
    }

    /// Reads as much again as there is, so that a long frame is looked at few times.
    fn read_on(&mut self) -> Result<(), TraceError> {
        self.bytes.drain(..self.position);
        self.position = 0;
        let more = self.bytes.len().max(READ) as u64;
        let read = (&mut self.file)
            .take(more)
            .read_to_end(&mut self.bytes)
            .map_err(|source| TraceError::Io {
                operation: "reading",
                source,
            })?;
        self.is_at_end = (read as u64) < more;
        Ok(())
    }
}

/// What is made a frame of.
pub struct Parts {
    /// What the frame unpacks to.
    pub bytes: Vec<u8>,
    /// Where in it a part ends that is compressed with statistics of its own, but for the last.
    pub ends: Vec<usize>,
}

impl Parts {
    /// All in one.
    pub fn one(bytes: Vec<u8>) -> Parts {
        Parts {
            bytes,
            ends: Vec::new(),
        }
    }
}

/// Makes zstd frames.
pub struct Packer(CCtx<'static>);

impl Packer {
    /// With that level of compression.
    pub fn new(level: i32) -> io::Result<Packer> {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::CompressionLevel(level),
            CParameter::ChecksumFlag(true),
        ] {
            context.set_parameter(parameter).map_err(named)?;
        }
        Ok(Packer(context))
    }

    /// A frame, with its content size and a checksum. Each part ends a block of zstd's: such a
    /// block has one table of how often which byte is met.
    pub fn pack(&mut self, parts: &Parts) -> io::Result<Vec<u8>> {
        let bytes = &parts.bytes;
        self.0
            .set_pledged_src_size(Some(bytes.len() as u64))
            .map_err(named)?;
        let mut out = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
        let mut begin = 0;
        for end in &parts.ends {
            self.append(&mut out, &bytes[begin..*end], Directive::ZSTD_e_flush)?;
            begin = *end;
        }
        self.append(&mut out, &bytes[begin..], Directive::ZSTD_e_end)?;
        Ok(out)
    }

    fn append(&mut self, out: &mut Vec<u8>, part: &[u8], then: Directive) -> io::Result<()> {
        let mut input = InBuffer::around(part);
        loop {
            out.reserve(READ);
            let at = out.len();
            let mut output = OutBuffer::around_pos(out, at);
            let left = self.0.compress_stream2(&mut output, &mut input, then);
            if left.map_err(named)? == 0 {
                return Ok(());
            }
        }
    }
}

fn named(code: usize) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
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
