//! A bitmap of valid cells, read sixteen cells at a time from any position.

use arrow::buffer::BooleanBuffer;

/// One bit per cell, set where the cell counts. Borrowed from Arrow's buffers.
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Bits<'a> {
    /// The bits of an Arrow buffer.
    pub fn new(buffer: &'a BooleanBuffer) -> Self {
        Self {
            bytes: buffer.inner().as_slice(),
            offset: buffer.offset(),
        }
    }

    /// Bits in 64-bit words, the first cell lowest.
    pub fn of_bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// The bits of the sixteen cells from `cell` on, the first one lowest; cells beyond the end are 0.
    #[inline(always)]
    pub(crate) fn sixteen(&self, cell: usize) -> u32 {
        let bit = self.offset + cell;
        let byte = bit / 8;
        let word = match self.bytes.get(byte..byte + 4) {
            Some(four) => u32::from_le_bytes([four[0], four[1], four[2], four[3]]),
            None => self.last_bytes(byte),
        };
        (word >> (bit % 8)) & 0xffff
    }

    /// The bits of the 64 cells from `cell` on, the first one lowest; `None` near the end of the bitmap.
    #[inline(always)]
    pub(crate) fn sixty_four(&self, cell: usize) -> Option<u64> {
        let bit = self.offset + cell;
        let nine = self.bytes.get(bit / 8..)?.first_chunk::<9>()?;
        let [
            first,
            second,
            third,
            fourth,
            fifth,
            sixth,
            seventh,
            eighth,
            ninth,
        ] = *nine;
        let eight = [first, second, third, fourth, fifth, sixth, seventh, eighth];
        let low = u64::from_le_bytes(eight) >> (bit % 8);
        // In two steps, because a shift by 64 is none.
        Some(low | (u64::from(ninth) << 1) << (63 - bit % 8))
    }

    #[cold]
    fn last_bytes(&self, byte: usize) -> u32 {
        let rest = self.bytes.get(byte..).unwrap_or_default();
        let folded = rest.iter().take(4).rev();
        folded.fold(0, |word, byte| word << 8 | u32::from(*byte))
    }

    /// Is `cell` valid?
    #[inline(always)]
    pub fn is_set(&self, cell: usize) -> bool {
        let bit = self.offset + cell;
        (self.bytes[bit / 8] >> (bit % 8)) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn words_equal_single_bits_from_everywhere() {
        let buffer: BooleanBuffer = (0..300).map(|cell| cell * cell % 7 < 3).collect();
        for skipped in 0..10 {
            let part = buffer.slice(skipped, 300 - skipped);
            let bits = Bits::new(&part);
            for cell in 0..150 {
                let word = bits.sixty_four(cell).unwrap();
                for place in 0..64 {
                    assert_eq!(word >> place & 1 == 1, part.value(cell + place));
                }
            }
            assert_eq!(bits.sixty_four(290), None);
        }
    }
}
