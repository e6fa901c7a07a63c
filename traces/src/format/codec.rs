//! The only place that knows bincode: header and footer as bytes, with a size limit.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::TraceError;
use crate::call::TABLE;
use crate::model::Header;

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

/// A value as bytes.
pub fn encode(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, TraceError> {
    bincode::serde::encode_to_vec(value, bincode::config::standard()).map_err(|error| {
        TraceError::Encode {
            what,
            message: error.to_string(),
        }
    })
}

/// A value from bytes that nobody vouches for.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, TraceError> {
    let config = bincode::config::standard().with_limit::<LIMIT>();
    match bincode::serde::decode_from_slice(bytes, config) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        _ => Err(TraceError::Corrupt("header or footer")),
    }
}
