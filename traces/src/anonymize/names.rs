//! Other names for names: drawn at random, not computed, so that nothing leads back from them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::known::{Section, extensions_at, is_known};
use crate::format::TraceError;

/// What names are drawn from.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
/// If no name of these is left.
const PRINTABLE: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789_-+=@#%,~^!$&()[]{};:'<>?*|\"`\\ ";
/// If there is none of these, either: whatever a name may consist of, but for dots, and capitals,
/// which are those of the name that is replaced.
const ANY: [u8; 227] = any();
/// So many draws may meet names that are taken, before the next alphabet is tried.
const TRIES: usize = 32;
/// So many names are looked at one after the other in the end: all of two bytes.
const LAST_TRIES: usize = 1 << 16;

/// Names and what stands for them.
///
/// Different names get different ones of the same length. Those that differ only in the case of
/// ASCII letters get such, too: a file system that takes them for one does so still.
pub struct Names {
    random: Random,
    /// Of names in lower case: those whose replacement consists of letters.
    lower: HashMap<Box<[u8]>, Box<[u8]>>,
    /// Of names as they are: the others.
    exact: HashMap<Box<[u8]>, Box<[u8]>>,
    /// Replacements, in lower case.
    taken: HashSet<Box<[u8]>>,
}

impl Names {
    /// None yet.
    pub fn new() -> Names {
        Names {
            random: Random::new(),
            lower: HashMap::new(),
            exact: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    /// What stands for a name: itself if it is well known. It keeps its length, a leading dot, and
    /// the known extensions at its end.
    pub fn replace(&mut self, name: &[u8]) -> Result<Vec<u8>, TraceError> {
        let special: [&[u8]; 3] = [b"", b".", b".."];
        if special.contains(&name) || is_known(Section::Names, name) {
            return Ok(name.to_vec());
        }
        if let Some(known) = self.exact.get(name) {
            return Ok(known.to_vec());
        }
        let lower = name.to_ascii_lowercase();
        if let Some(known) = self.lower.get(lower.as_slice()) {
            return Ok(with_capitals(known, name));
        }
        let drawn = self.draw(&lower)?;
        let found = with_capitals(&drawn, name);
        self.taken.insert(drawn.as_slice().into());
        let stem = stem(&lower);
        if drawn[stem].iter().all(u8::is_ascii_lowercase) {
            self.lower.insert(lower.into(), drawn.into());
        } else {
            // Without letters it can't tell names apart that differ in their case.
            self.exact.insert(name.into(), found.as_slice().into());
        }
        Ok(found)
    }

    /// How many names got another one.
    pub fn count(&self) -> usize {
        self.taken.len()
    }

    /// A name that nothing else has, for one in lower case.
    fn draw(&mut self, name: &[u8]) -> Result<Vec<u8>, TraceError> {
        let mut drawn = name.to_vec();
        let stem = stem(name);
        for alphabet in [LETTERS, PRINTABLE, &ANY] {
            for _ in 0..TRIES {
                for byte in &mut drawn[stem.clone()] {
                    *byte = alphabet[self.random.below(alphabet.len())];
                }
                if self.is_free(&drawn) {
                    return Ok(drawn);
                }
            }
        }
        for _ in 0..LAST_TRIES {
            if self.is_free(&drawn) {
                return Ok(drawn);
            }
            advance(&mut drawn[stem.clone()]);
        }
        Err(TraceError::TooManyNames)
    }

    fn is_free(&self, name: &[u8]) -> bool {
        !self.taken.contains(name) && !is_known(Section::Names, name)
    }
}

/// The part of a name that is replaced: between a leading dot and the extensions.
fn stem(name: &[u8]) -> std::ops::Range<usize> {
    let start = usize::from(name.len() > 1 && name[0] == b'.');
    start..start + extensions_at(&name[start..])
}

/// The capitals of a name, in one of the same length.
fn with_capitals(lower: &[u8], name: &[u8]) -> Vec<u8> {
    let pairs = lower.iter().zip(name);
    pairs
        .map(|(byte, model)| match model {
            b'A'..=b'Z' => byte.to_ascii_uppercase(),
            _ => *byte,
        })
        .collect()
}

/// The next of all texts of that length over [`ANY`], which is in ascending order.
fn advance(text: &mut [u8]) {
    for byte in text {
        match ANY.iter().find(|next| **next > *byte) {
            Some(next) => {
                *byte = *next;
                return;
            }
            None => *byte = ANY[0],
        }
    }
}

const fn any() -> [u8; 227] {
    let mut found = [0; 227];
    let mut count = 0;
    let mut byte: u8 = 0;
    while byte < u8::MAX {
        byte += 1;
        if !matches!(byte, b'.' | b'/' | b'A'..=b'Z') {
            found[count] = byte;
            count += 1;
        }
    }
    found
}

/// Random numbers: a keyed hash (SipHash) of a counter. The standard library takes its key from the
/// system; it is neither stored nor shown. Names don't depend on what they stand for, so that the
/// numbers needn't be more than different in each run.
struct Random {
    key: RandomState,
    count: u64,
}

impl Random {
    fn new() -> Random {
        Random {
            key: RandomState::new(),
            count: 0,
        }
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.count += 1;
        (self.key.hash_one(self.count) % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn replaced(names: &mut Names, name: &[u8]) -> Vec<u8> {
        names.replace(name).expect("enough names")
    }

    proptest! {
        #[test]
        fn equal_stays_equal_and_different_different(
            inputs in prop::collection::vec(
                prop_oneof![
                    "[a-cA-C.]{1,4}",
                    "[a-z]{1,8}\\.(js|tar\\.gz|secret|so\\.6)",
                    "\\.?[a-zA-Z0-9]{1,12}",
                ].prop_map(String::into_bytes).boxed()
                    .prop_union(prop::collection::vec(
                        (1..=u8::MAX).prop_filter("a separator", |b| *b != b'/'),
                        1..5,
                    ).boxed()),
                1..200,
            ),
        ) {
            let mut names = Names::new();
            let outputs: Vec<Vec<u8>> = inputs.iter().map(|n| replaced(&mut names, n)).collect();
            for (a, of_a) in inputs.iter().zip(&outputs) {
                prop_assert_eq!(a.len(), of_a.len());
                prop_assert_eq!(&replaced(&mut names, a), of_a);
                let end = stem(a).end;
                prop_assert_eq!(&a[end..], &of_a[end..]);
                prop_assert_eq!(is_known(Section::Names, a), is_known(Section::Names, of_a));
                for (b, of_b) in inputs.iter().zip(&outputs) {
                    prop_assert_eq!(a == b, of_a == of_b);
                    if a.eq_ignore_ascii_case(b) && a.len() > 3 {
                        prop_assert!(of_a.eq_ignore_ascii_case(of_b));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_kept_of_a_name() {
        let mut names = Names::new();
        for name in [
            "node_modules",
            "README.md",
            "Makefile",
            "..",
            ".",
            "proc",
            "C.UTF-8",
        ] {
            assert_eq!(replaced(&mut names, name.as_bytes()), name.as_bytes());
        }
        let hidden = replaced(&mut names, b".acme.json");
        assert!(hidden.starts_with(b".") && hidden.ends_with(b".json"));
        assert!(!hidden.starts_with(b".acme"));
        let bytes = replaced(&mut names, b"\xff\xfe\x1b[31m.Secret\n");
        assert!(bytes.iter().all(u8::is_ascii_alphabetic), "{bytes:?}");
    }

    #[test]
    fn case_is_kept_so_that_names_that_some_take_for_one_are_so_still() {
        let mut names = Names::new();
        let capital = replaced(&mut names, b"SecretName1");
        let small = replaced(&mut names, b"secretname1");
        assert_ne!(capital, small);
        assert!(capital.eq_ignore_ascii_case(&small));
    }

    #[test]
    fn all_names_of_two_bytes_stay_different() {
        let mut names = Names::new();
        let mut seen = HashSet::new();
        let bytes = || (1..=u8::MAX).filter(|b| *b != b'/');
        for first in bytes() {
            for second in bytes().step_by(3) {
                let name = [first, second];
                assert!(seen.insert(replaced(&mut names, &name)), "{name:?}");
            }
        }
    }

    #[test]
    fn another_run_gives_other_names() {
        let name = b"a-name-of-some-length";
        let (a, b) = (Names::new().replace(name), Names::new().replace(name));
        assert_ne!(a.expect("a name"), b.expect("a name"));
    }

    #[test]
    fn more_names_than_there_are_is_an_error() {
        let mut names = Names::new();
        let all = (1..=u8::MAX).filter(|b| *b != b'/');
        let outputs: Result<Vec<_>, _> = all.map(|b| names.replace(&[b])).collect();
        // All of one byte: capitals and small letters share names only while there are letters.
        assert!(matches!(outputs, Err(TraceError::TooManyNames)));
    }
}
