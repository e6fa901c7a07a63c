//! The JSON results as this crate reads them: unknown fields are passed over, missing ones have defaults, because fields
//! may be added at any time (docs/result-json.md). What may not differ is `schema_version`.

pub mod advise;
pub mod compare;
pub mod inspect;
pub mod play;
pub mod timeline;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ReportError;

/// The versions that this crate reads.
pub const SCHEMA_VERSION: u64 = 1;

/// A result of one of the commands.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Document {
    Compare(compare::Compare),
    Advise(advise::Advise),
    Inspect(inspect::Inspect),
    Play(play::Play),
}

/// The recorded trace that a result is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Trace {
    /// Tells traces apart, in hexadecimal.
    pub id: String,
    pub command: Vec<String>,
    pub cwd: String,
    pub events: u64,
    pub recorded_on: String,
    pub elapsed_seconds: Option<f64>,
}

/// Where a result was measured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Machine {
    pub host: String,
    pub kernel: String,
    pub architecture: String,
    pub cpus: u64,
    /// Seconds since the epoch.
    pub time: Option<f64>,
    pub product: Option<String>,
    pub container: Option<bool>,
}

impl Document {
    /// Reads a result. `name` is what to call it in errors.
    ///
    /// # Errors
    /// When it is not JSON, not a result of a known kind and version, or a field has another type than documented.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Document, ReportError> {
        // Paths in results are lossy already; a file that is not UTF-8 was made by somebody else, and is shown lossily, too.
        let text = String::from_utf8_lossy(bytes);
        let mut value: Value =
            serde_json::from_str(&text).map_err(|source| ReportError::NotJson {
                name: name.to_string(),
                source,
            })?;
        let kind = kind(name, &value)?;
        remove_nulls(&mut value);
        match kind.as_str() {
            "compare" => typed(name, kind, value).map(Document::Compare),
            "advise" => typed(name, kind, value).map(Document::Advise),
            "inspect" => typed(name, kind, value).map(Document::Inspect),
            "play" => typed(name, kind, value).map(Document::Play),
            _ => Err(ReportError::UnknownKind {
                name: name.to_string(),
                kind,
            }),
        }
    }
}

fn kind(name: &str, value: &Value) -> Result<String, ReportError> {
    let no_result = || ReportError::NoResult {
        name: name.to_string(),
    };
    let version = value.get("schema_version").ok_or_else(no_result)?;
    if version.as_u64() != Some(SCHEMA_VERSION) {
        return Err(ReportError::Version {
            name: name.to_string(),
            version: version.to_string(),
            known: SCHEMA_VERSION,
        });
    }
    let kind = value.get("kind").and_then(Value::as_str);
    kind.map(str::to_string).ok_or_else(no_result)
}

fn typed<T: DeserializeOwned>(name: &str, kind: String, value: Value) -> Result<T, ReportError> {
    serde_json::from_value(value).map_err(|source| ReportError::Malformed {
        name: name.to_string(),
        kind,
        source,
    })
}

/// A null is a missing value: serde_json writes numbers that are not finite so.
fn remove_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(remove_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(remove_nulls);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match Document::parse("r.json", text.as_bytes()) {
            Ok(document) => panic!("read as {document:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn fields_may_be_missing_unknown_or_null() {
        let text = r#"{"schema_version":1,"kind":"compare","new":[1],"sentence":null,
            "targets":[{"name":"a","prediction_seconds":null,"rounds":[1.0,null]}]}"#;
        let Ok(Document::Compare(compare)) = Document::parse("r.json", text.as_bytes()) else {
            panic!("not read");
        };
        assert_eq!(compare.targets.len(), 1);
        assert_eq!(compare.targets[0].rounds, [1.0]);
        assert_eq!(compare.sentence, "");
    }

    #[test]
    fn what_is_no_result_gets_an_error_that_says_what_to_do() {
        assert!(error("{").contains("not JSON"));
        assert!(error("[]").contains("--json"));
        assert!(error(r#"{"schema_version":1,"mounts":[]}"#).contains("--json"));
        assert!(error(r#"{"schema_version":2,"kind":"play"}"#).contains("version 2"));
        assert!(error(r#"{"schema_version":1,"kind":"mounts"}"#).contains("mounts"));
        assert!(error(r#"{"schema_version":1,"kind":"play","events":"x"}"#).contains("play"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_read_lossily() {
        let bytes = b"{\"schema_version\":1,\"kind\":\"inspect\",\"command\":[\"a\xff\"]}";
        let Ok(Document::Inspect(inspect)) = Document::parse("r.json", bytes) else {
            panic!("not read");
        };
        assert_eq!(inspect.command, ["a\u{fffd}"]);
    }
}
