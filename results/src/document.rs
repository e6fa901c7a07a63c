//! Any result, told apart by its `kind`, and how one is read.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::advise::Advise;
use crate::compare::Compare;
use crate::diff::Diff;
use crate::info::Info;
use crate::inspect::Inspect;
use crate::library::Library;
use crate::mounts::Mounts;
use crate::play::Play;
use crate::scorecard::Scorecard;
use crate::why::Why;
use crate::{SCHEMA_VERSION, earlier};

/// A result of one of the commands, as it is written: `kind` is the command's name, or what it
/// gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Document {
    /// Of `compare`.
    Compare(Compare),
    /// Of `advise`.
    Advise(Advise),
    /// Of `inspect`.
    Inspect(Inspect),
    /// Of `play`.
    Play(Play),
    /// Of `info`.
    Info(Info),
    /// Of `library`.
    Library(Library),
    /// Of `compare library:all`.
    Scorecard(Scorecard),
    /// Of `mounts`.
    Mounts(Mounts),
    /// Of `why`.
    Why(Box<Why>),
    /// Of `diff`.
    Diff(Diff),
}

/// Why something can't be read as a result.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON at all.
    #[error("{name}: not JSON; give files that fsreplay wrote with --json")]
    NotJson {
        /// The input.
        name: String,
        /// Where it stops being JSON.
        source: serde_json::Error,
    },
    /// JSON of something else.
    #[error(
        "{name}: no result of fsreplay (it lacks schema_version or kind); give files that its \
         commands \
         wrote with --json"
    )]
    NoResult {
        /// The input.
        name: String,
    },
    /// A result of a command that is not known here.
    #[error("{name}: a result of kind {kind:?}, which this fsreplay doesn't know")]
    UnknownKind {
        /// The input.
        name: String,
        /// What it says it is.
        kind: String,
    },
    /// Written by a version whose fields mean something else.
    #[error(
        "{name}: schema version {version}, but this fsreplay reads versions up to {known}; use the \
         fsreplay that wrote it, or measure again with this one"
    )]
    Version {
        /// The input.
        name: String,
        /// Its version, as it stands there.
        version: String,
        /// The last one that is read.
        known: u32,
    },
    /// A field has another type than documented.
    #[error("{name}: {field} is not as documented for a {kind} result; was it edited?")]
    Malformed {
        /// The input.
        name: String,
        /// What it says it is.
        kind: String,
        /// The field, with all that it stands in.
        field: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Document {
    /// Reads a result. `name` is what to call it in errors.
    ///
    /// # Errors
    /// When it is not JSON, not a result of a known kind and version, or a field has another type
    /// than documented.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Document, ReadError> {
        // Paths in results are lossy already; a file that is not UTF-8 was made by somebody else,
        // and is shown lossily, too.
        let text = String::from_utf8_lossy(bytes);
        let mut value: Value =
            serde_json::from_str(&text).map_err(|source| ReadError::NotJson {
                name: name.to_string(),
                source,
            })?;
        let (version, kind) = version_and_kind(name, &value)?;
        remove_nulls(&mut value);
        if version == 1 {
            earlier::from_version_1(&mut value);
        }
        match kind.as_str() {
            "compare" => typed(name, kind, value).map(Document::Compare),
            "advise" => typed(name, kind, value).map(Document::Advise),
            "inspect" => typed(name, kind, value).map(Document::Inspect),
            "play" => typed(name, kind, value).map(Document::Play),
            "info" => typed(name, kind, value).map(Document::Info),
            "library" => typed(name, kind, value).map(Document::Library),
            "scorecard" => typed(name, kind, value).map(Document::Scorecard),
            "mounts" => typed(name, kind, value).map(Document::Mounts),
            "why" => typed(name, kind, value).map(Document::Why),
            "diff" => typed(name, kind, value).map(Document::Diff),
            _ => Err(ReadError::UnknownKind {
                name: name.to_string(),
                kind,
            }),
        }
    }

    /// As it is written in `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Document::Compare(_) => "compare",
            Document::Advise(_) => "advise",
            Document::Inspect(_) => "inspect",
            Document::Play(_) => "play",
            Document::Info(_) => "info",
            Document::Library(_) => "library",
            Document::Scorecard(_) => "scorecard",
            Document::Mounts(_) => "mounts",
            Document::Why(_) => "why",
            Document::Diff(_) => "diff",
        }
    }
}

fn version_and_kind(name: &str, value: &Value) -> Result<(u64, String), ReadError> {
    let no_result = || ReadError::NoResult {
        name: name.to_string(),
    };
    let written = value.get("schema_version").ok_or_else(no_result)?;
    let known = 1..=u64::from(SCHEMA_VERSION);
    let version = written
        .as_u64()
        .filter(|version| known.contains(version))
        .ok_or_else(|| ReadError::Version {
            name: name.to_string(),
            version: written.to_string(),
            known: SCHEMA_VERSION,
        })?;
    let kind = value.get("kind").and_then(Value::as_str);
    Ok((version, kind.ok_or_else(no_result)?.to_string()))
}

fn typed<T: DeserializeOwned>(name: &str, kind: String, value: Value) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(value).map_err(|error| ReadError::Malformed {
        name: name.to_string(),
        kind,
        field: error.path().to_string(),
        source: error.into_inner(),
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
        let text = r#"{"schema_version":2,"kind":"compare","new":[1],"sentence":null,
            "targets":[{"name":"a","seconds":null,"rounds":[1.0,null]}]}"#;
        let Ok(Document::Compare(compare)) = Document::parse("r.json", text.as_bytes()) else {
            panic!("not read");
        };
        assert_eq!(compare.targets.len(), 1);
        assert_eq!(compare.targets[0].rounds, [1.0]);
        assert_eq!(compare.targets[0].seconds.known(), None);
        assert_eq!(compare.sentence, "");
    }

    #[test]
    fn what_is_no_result_gets_an_error_that_says_what_to_do() {
        assert!(error("{").contains("not JSON"));
        assert!(error("[]").contains("--json"));
        assert!(error(r#"{"schema_version":2,"mounts":[]}"#).contains("--json"));
        assert!(error(r#"{"schema_version":3,"kind":"play"}"#).contains("version 3"));
        assert!(error(r#"{"schema_version":0,"kind":"play"}"#).contains("version 0"));
        assert!(error(r#"{"schema_version":2,"kind":"walk"}"#).contains("walk"));
    }

    #[test]
    fn an_error_names_the_file_and_the_field() {
        for (rest, field) in [
            (r#""kind":"play","events":"x""#, "events"),
            (
                r#""kind":"compare","targets":[{},{"calls":[{"count":-1}]}]"#,
                "targets[1].calls[0].count",
            ),
            (
                r#""kind":"compare","targets":[{"ratio":{"verdict":"great"}}]"#,
                "targets[0].ratio",
            ),
            (
                r#""kind":"advise","baseline":{"seconds":"x"}"#,
                "baseline.seconds",
            ),
        ] {
            let told = error(&format!("{{\"schema_version\":2,{rest}}}"));
            assert!(told.starts_with(&format!("r.json: {field}")), "{told}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_read_lossily() {
        let bytes = b"{\"schema_version\":2,\"kind\":\"inspect\",\"command\":[\"a\xff\"]}";
        let Ok(Document::Inspect(inspect)) = Document::parse("r.json", bytes) else {
            panic!("not read");
        };
        assert_eq!(inspect.command, ["a\u{fffd}"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let documents = [
            Document::Compare(Compare::default()),
            Document::Advise(Advise::default()),
            Document::Inspect(Inspect::default()),
            Document::Play(Play::default()),
            Document::Info(Info::default()),
            Document::Mounts(Mounts::default()),
            Document::Diff(Diff::default()),
            Document::Library(Library::default()),
            Document::Scorecard(Scorecard::default()),
            Document::Why(Box::default()),
        ];
        for document in documents {
            let mut value = serde_json::to_value(&document).expect("JSON");
            assert_eq!(value["kind"], document.kind());
            value["schema_version"] = SCHEMA_VERSION.into();
            let read = Document::parse("r.json", value.to_string().as_bytes()).expect("read");
            // Times that nobody measured are equal to nothing: what is written of both is compared.
            assert_eq!(serde_json::to_value(&read).expect("JSON"), value);
        }
    }
}
