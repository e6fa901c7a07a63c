//! The only place that knows bincode: header and footer as bytes, with a size limit.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::error::TraceError;
use crate::call::TABLE;
use crate::model::{Footer, Header, Processors, Samples, StopCosts, Unobserved};

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

/// Of versions 2 to 5.
#[derive(Serialize, Deserialize)]
struct FileHeaderV2 {
    first: FileHeader,
    costs: Option<StopCosts>,
}

/// From version 6 on.
#[derive(Serialize, Deserialize)]
struct FileHeaderV6 {
    second: FileHeaderV2,
    tells_waiting: bool,
}

/// Of version 2.
#[derive(Serialize, Deserialize)]
struct FooterV2 {
    first: Footer,
    unobserved: Option<Unobserved>,
}

/// Of versions 3 to 5.
#[derive(Serialize, Deserialize)]
struct FooterV3 {
    second: FooterV2,
    processors: Option<Processors>,
}

/// From version 6 on.
#[derive(Serialize, Deserialize)]
struct FooterV6 {
    third: FooterV3,
    recorded_inside: u64,
    samples: Option<Samples>,
}

/// The header's bytes.
pub fn encode_header(header: &Header) -> Result<Vec<u8>, TraceError> {
    let second = FileHeaderV2 {
        first: FileHeader::new(header),
        costs: header.costs,
    };
    let value = FileHeaderV6 {
        second,
        tells_waiting: header.tells_waiting,
    };
    encode("header", &value)
}

/// The footer's bytes.
pub fn encode_footer(footer: &Footer) -> Result<Vec<u8>, TraceError> {
    let second = FooterV2 {
        first: footer.clone(),
        unobserved: footer.unobserved,
    };
    let third = FooterV3 {
        second,
        processors: footer.processors.clone(),
    };
    let value = FooterV6 {
        third,
        recorded_inside: footer.recorded_inside,
        samples: footer.samples.clone(),
    };
    encode("footer", &value)
}

/// The header of a file of that version.
pub fn decode_header(bytes: &[u8], version: u16) -> Result<FileHeader, TraceError> {
    let whole = |second: FileHeaderV2, tells_waiting| {
        let FileHeaderV2 { mut first, costs } = second;
        first.header.costs = costs;
        first.header.tells_waiting = tells_waiting;
        first
    };
    match version {
        0 | 1 => decode(bytes),
        2..=5 => {
            let second: FileHeaderV2 = decode(bytes)?;
            // Recorders of these told both or neither.
            let tells_waiting = second.costs.is_some();
            Ok(whole(second, tells_waiting))
        }
        _ => {
            let FileHeaderV6 {
                second,
                tells_waiting,
            } = decode(bytes)?;
            Ok(whole(second, tells_waiting))
        }
    }
}

/// The footer of a file of that version.
pub fn decode_footer(bytes: &[u8], version: u16) -> Result<Footer, TraceError> {
    let second = |second: FooterV2| Footer {
        unobserved: second.unobserved,
        ..second.first
    };
    let third = |third: FooterV3| Footer {
        processors: third.processors,
        ..second(third.second)
    };
    match version {
        0 | 1 => decode(bytes),
        2 => Ok(second(decode(bytes)?)),
        3..=5 => Ok(third(decode(bytes)?)),
        _ => {
            let whole: FooterV6 = decode(bytes)?;
            Ok(Footer {
                recorded_inside: whole.recorded_inside,
                samples: whole.samples,
                ..third(whole.third)
            })
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
