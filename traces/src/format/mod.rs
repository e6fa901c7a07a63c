//! The trace file: a valid zstd file of frames. docs/trace-format.md describes the bytes.

mod block;
mod codec;
mod columns;
mod decode;
mod encode;
mod error;
mod frames;
mod limits;
pub mod quantize;
mod reader;
mod recent;
mod rewrite;
mod tables;
mod writer;

pub use error::TraceError;
pub use limits::Limits;
pub use reader::{TraceReader, open, open_within};
pub use rewrite::replace_footer;
pub use tables::Tables;
pub use writer::{TraceWriter, WriterOptions};

/// The version of the format that this crate writes, and the newest that it reads.
pub const VERSION: u16 = 7;
