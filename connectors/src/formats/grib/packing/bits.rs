//! Numbers of any width one after the other, the most significant bit first: [`Bits`].

/// The widest number that is read.
const MOST_BITS: u32 = 57;

/// Why numbers cannot be read.
pub(super) const TOO_SHORT: &str = "its data end too early";

/// Reads numbers from bytes.
#[derive(Debug, Clone)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The bit that is next.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Goes to the next whole byte.
    pub(super) fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// Are `count` numbers of `width` bits left?
    pub(super) fn holds(&self, width: u32, count: usize) -> Result<(), String> {
        let bits = (width as usize).checked_mul(count);
        let end = bits.and_then(|bits| bits.checked_add(self.at));
        match end {
            Some(end) if width <= MOST_BITS && end.div_ceil(8) <= self.bytes.len() => Ok(()),
            _ => Err(TOO_SHORT.to_string()),
        }
    }

    /// The next number, of `width` bits.
    pub(super) fn number(&mut self, width: u32) -> Result<u64, String> {
        self.holds(width, 1)?;
        Ok(self.next(width))
    }

    /// The next `count` numbers.
    pub(super) fn numbers(&mut self, width: u32, count: usize) -> Result<Vec<u64>, String> {
        self.holds(width, count)?;
        Ok((0..count).map(|_| self.next(width)).collect())
    }

    /// The next `count` numbers, each changed by `change`, at the end of `values`.
    pub(super) fn extend<T>(
        &mut self,
        values: &mut Vec<T>,
        width: u32,
        count: usize,
        change: impl Fn(u64) -> T,
    ) -> Result<(), String> {
        self.holds(width, count)?;
        values.reserve(count);
        let bytes = &self.bytes[self.at / 8..];
        match (width, self.at % 8) {
            // Whole bytes are what most files have.
            (8, 0) => values.extend(bytes[..count].iter().map(|byte| change(u64::from(*byte)))),
            (16, 0) => {
                let pairs = bytes[..2 * count].chunks_exact(2);
                values
                    .extend(pairs.map(|pair| change(u64::from(pair[0]) << 8 | u64::from(pair[1]))));
            }
            _ => {
                values.extend((0..count).map(|_| change(self.next(width))));
                return Ok(());
            }
        }
        self.at += width as usize * count;
        Ok(())
    }

    /// The next number; the caller has asked whether there is one.
    fn next(&mut self, width: u32) -> u64 {
        if width == 0 {
            return 0;
        }
        let (first, within) = (self.at / 8, (self.at % 8) as u32);
        self.at += width as usize;
        let word = match self.bytes.get(first..first + 8) {
            Some(eight) => eight.try_into().map_or(0, u64::from_be_bytes),
            None => {
                let rest = self.bytes.get(first..).unwrap_or_default();
                let word = rest
                    .iter()
                    .fold(0, |word, byte| (word << 8) | u64::from(*byte));
                word << (8 * (8 - rest.len().min(7)) as u32)
            }
        };
        (word << within) >> (64 - width)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_of_all_widths() {
        for width in 1..=MOST_BITS {
            let most = (1_u64 << width) - 1;
            let wanted: Vec<u64> = (0..37_u64)
                .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & most)
                .collect();
            let mut bytes = vec![0_u8; (37 * width as usize).div_ceil(8)];
            for (number, value) in wanted.iter().enumerate() {
                for bit in 0..width as usize {
                    let at = number * width as usize + bit;
                    let set = (value >> (width as usize - 1 - bit)) & 1;
                    bytes[at / 8] |= (set as u8) << (7 - at % 8);
                }
            }
            assert_eq!(
                Bits::of(&bytes).numbers(width, 37).unwrap(),
                wanted,
                "{width}"
            );
            let mut found = Vec::new();
            Bits::of(&bytes)
                .extend(&mut found, width, 37, |n| n)
                .unwrap();
            assert_eq!(found, wanted, "{width}");
            assert!(Bits::of(&bytes).numbers(width, 46).is_err());
        }
    }

    #[test]
    fn numbers_without_bits() {
        let mut bits = Bits::of(&[]);
        assert_eq!(bits.numbers(0, 3).unwrap(), [0, 0, 0]);
        assert!(bits.number(1).is_err());
        assert!(Bits::of(&[0; 8]).numbers(8, usize::MAX).is_err());
    }
}
