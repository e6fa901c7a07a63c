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
    "closed-directory",
    "escape1",
    "escape4",
    "fifo-mknod",
    "fifo-rename",
    "locks",
    "long-paths",
    "madvise",
    "terminal",
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
