//! Where the generator's decisions come from: a number, or the bytes of a fuzzer.

/// A source of decisions.
#[derive(Clone, Debug)]
pub struct Choices<'b> {
    state: u64,
    bytes: Option<&'b [u8]>,
}

impl Choices<'static> {
    /// Always the same ones for the same number.
    pub fn seeded(seed: u64) -> Choices<'static> {
        Choices {
            // Mixed, so that the decisions of one number aren't those of the next one, one later.
            state: mix(seed),
            bytes: None,
        }
    }
}

impl<'b> Choices<'b> {
    /// One byte for each decision among few, eight for one among many; 0 when there are none left.
    pub fn from_bytes(bytes: &'b [u8]) -> Choices<'b> {
        Choices {
            state: 0,
            bytes: Some(bytes),
        }
    }

    /// Whether decisions are still made, or all that is left is zero.
    pub fn is_exhausted(&self) -> bool {
        self.bytes.is_some_and(<[u8]>::is_empty)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        match self.bytes {
            Some(_) => (0..8).fold(0, |number, _| number << 8 | self.byte()),
            None => self.step(),
        }
    }

    /// A number below `count`, which is not 0.
    pub fn below(&mut self, count: usize) -> usize {
        let count = count.max(1) as u64;
        let number = match self.bytes {
            Some(_) if count <= 256 => self.byte(),
            _ => self.number(),
        };
        (number % count) as usize
    }

    /// True so many times in a hundred.
    pub fn chance(&mut self, percent: usize) -> bool {
        // Zero, which a fuzzer's bytes end in, is false.
        self.below(100) >= 100 - percent.min(100)
    }

    /// One of several, of which there is at least one.
    pub fn pick<T: Clone>(&mut self, several: &[T]) -> T {
        several[self.below(several.len())].clone()
    }

    fn byte(&mut self) -> u64 {
        let Some((first, rest)) = self.bytes.and_then(<[u8]>::split_first) else {
            return 0;
        };
        self.bytes = Some(rest);
        u64::from(*first)
    }

    /// SplitMix64.
    fn step(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.state)
    }
}

fn mix(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_end_in_zeros() {
        let mut choices = Choices::from_bytes(&[7, 99]);
        assert_eq!(choices.below(5), 2);
        assert!(choices.chance(1));
        assert!(choices.is_exhausted());
        assert_eq!((choices.number(), choices.chance(99)), (0, false));
    }

    #[test]
    fn a_seed_decides() {
        let numbers = |seed| {
            let mut choices = Choices::seeded(seed);
            [choices.number(), choices.number()]
        };
        assert_eq!(numbers(3), numbers(3));
        assert_ne!(numbers(3), numbers(4));
        assert_ne!(numbers(3)[1], numbers(4)[0]);
    }
}
