//! The only place that knows bincode: header and footer as bytes, with a size limit.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::TraceError;
use crate::call::TABLE;
use crate::model::{Footer, Header, Processors, StopCosts, Unobserved};

/// The most bytes that a header or footer may have.
const LIMIT: usize = 16 << 20;

/// A header and the numbering of calls that the blocks use.
#[derive(Serialize, Deserialize)]
pub struct FileHeader {
    /// The header.
    pub header: Header,
    /// Name and number of kept arguments of each call, in the order of their numbers.
    pub calls: Vec<(String, u8)>,
}

impl FileHeader {
    /// For a trace written by this version.
    pub fn new(header: &Header) -> FileHeader {
        FileHeader {
            header: header.clone(),
            calls: TABLE
                .iter()
                .map(|row| (row.name.to_string(), row.args.len() as u8))
                .collect(),
        }
    }
}

/// From version 2 on.
#[derive(Serialize, Deserialize)]
struct FileHeaderV2 {
    first: FileHeader,
    costs: Option<StopCosts>,
}

/// Of version 2.
#[derive(Serialize, Deserialize)]
struct FooterV2 {
    first: Footer,
    unobserved: Option<Unobserved>,
}

/// From version 3 on.
#[derive(Serialize, Deserialize)]
struct FooterV3 {
    second: FooterV2,
    processors: Option<Processors>,
}

/// The header's bytes.
pub fn encode_header(header: &Header) -> Result<Vec<u8>, TraceError> {
    let value = FileHeaderV2 {
        first: FileHeader::new(header),
        costs: header.costs,
    };
    encode("header", &value)
}

/// The footer's bytes.
pub fn encode_footer(footer: &Footer) -> Result<Vec<u8>, TraceError> {
    let second = FooterV2 {
        first: footer.clone(),
        unobserved: footer.unobserved,
    };
    let value = FooterV3 {
        second,
        processors: footer.processors.clone(),
    };
    encode("footer", &value)
}

/// The header of a file of that version.
pub fn decode_header(bytes: &[u8], version: u16) -> Result<FileHeader, TraceError> {
    if version < 2 {
        return decode(bytes);
    }
    let FileHeaderV2 { mut first, costs } = decode(bytes)?;
    first.header.costs = costs;
    Ok(first)
}

/// The footer of a file of that version.
pub fn decode_footer(bytes: &[u8], version: u16) -> Result<Footer, TraceError> {
    let whole = |second: FooterV2, processors| Footer {
        unobserved: second.unobserved,
        processors,
        ..second.first
    };
    match version {
        0 | 1 => decode(bytes),
        2 => Ok(whole(decode(bytes)?, None)),
        _ => {
            let FooterV3 { second, processors } = decode(bytes)?;
            Ok(whole(second, processors))
        }
    }
}

/// A value as bytes.
fn encode(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, TraceError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).map_err(|error| {
        TraceError::Encode {
            what,
            message: error.to_string(),
        }
    })
}

/// A value from bytes that nobody vouches for.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TraceError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    match bincode::serde::decode_from_slice(bytes, config) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        _ => Err(TraceError::Corrupt("header or footer")),
    }
}
