//! What a trace tells of itself that another tool's recording was made into. It stands in the
//! header, in place of the backend.

use crate::model::Header;

/// How the backend of a trace begins that was imported.
const IMPORTED: &str = "imported from ";
/// What parts the source from what isn't known.
const WITHOUT: &str = ", not known: ";

/// A trace that another tool's recording was made into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// That tool.
    pub from: String,
    /// What it doesn't tell: [`Imported::TREE`] and the others.
    pub unknown: Vec<String>,
}

impl Imported {
    /// What was there before is inferred from outcomes.
    pub const TREE: &str = "tree";
    /// How long calls took.
    pub const DURATIONS: &str = "durations";
    /// When calls were made.
    pub const TIMES: &str = "times";

    /// [`Header::backend`] of such a trace.
    pub fn backend<'a>(from: &str, unknown: impl Iterator<Item = &'a str>) -> String {
        let unknown: Vec<&str> = unknown.collect();
        let without = if unknown.is_empty() { "" } else { WITHOUT };
        format!("{IMPORTED}{from}{without}{}", unknown.join(", "))
    }

    /// Whether something isn't known.
    pub fn lacks(&self, what: &str) -> bool {
        self.unknown.iter().any(|unknown| unknown == what)
    }
}

impl Header {
    /// Where the trace was imported from; `None` for one that was recorded.
    pub fn imported(&self) -> Option<Imported> {
        let text = self.backend.strip_prefix(IMPORTED)?;
        let (from, without) = text.split_once(WITHOUT).unwrap_or((text, ""));
        let unknown = without.split(", ").filter(|what| !what.is_empty());
        Some(Imported {
            from: from.to_owned(),
            unknown: unknown.map(str::to_owned).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_where_a_trace_was_imported_from_and_what_is_not_known() {
        let of = |backend: &str| {
            let header = Header {
                backend: backend.to_owned(),
                ..Header::default()
            };
            header.imported()
        };
        let unknown = [Imported::TREE, Imported::TIMES];
        let backend = Imported::backend("strace", unknown.into_iter());
        assert_eq!(backend, "imported from strace, not known: tree, times");
        let imported = of(&backend).expect("imported");
        assert_eq!(imported.from, "strace");
        assert!(imported.lacks(Imported::TIMES) && !imported.lacks(Imported::DURATIONS));
        let all = of(&Imported::backend("perf", std::iter::empty())).expect("imported");
        assert_eq!((all.from.as_str(), all.unknown.len()), ("perf", 0));
        assert_eq!(of("ptrace"), None);
    }
}
