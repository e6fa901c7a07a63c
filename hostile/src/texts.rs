//! Traces that were made by hand, each for one way out or one way to do harm.

macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        /// Their names and texts.
        pub const TEXTS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../texts/", $name, ".txt")))),*
        ];
    };
}

texts![
    "bomb",
    "by-path",
    "chdir-closed",
    "chdir-stays",
    "child-below-a-link",
    "closed-directory",
    "closed-tree",
    "devices",
    "directories-across",
    "dup2-stays",
    "escape1",
    "escape4",
    "exchange",
    "fifo-in-the-tree",
    "fifo-inherited",
    "fifo-mknod",
    "fifo-rename",
    "grouped-links",
    "groups",
    "inherited",
    "link-of-a-link",
    "locks",
    "long-paths",
    "madvise",
    "magic",
    "odd-names",
    "passed",
    "pseudo-descriptors",
    "race",
    "rename-down-and-up",
    "rename-up",
    "reopened-slot",
    "roots",
    "rounds",
    "signals",
    "terminal",
    "two-roots",
    "two-roots-twice",
    "unnamed-files",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    #[test]
    fn each_is_one() {
        for (name, text) in TEXTS {
            let script: Script = text
                .parse()
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(!script.lines.is_empty(), "{name}");
        }
    }

    #[test]
    fn none_is_forgotten() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/texts");
        let files = std::fs::read_dir(directory).expect("it is there");
        assert_eq!(files.count(), TEXTS.len());
    }
}
