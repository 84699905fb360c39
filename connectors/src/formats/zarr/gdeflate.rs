//! GDeflate, the codec `zarrs.gdeflate`: [`decompress`].
//!
//! ```text
//!  [ decoded bytes: u64 ][ pages: u64 ][ bytes of each page: u64 … ][ page ][ page ] …    little-endian
//!
//!  page        64 KiB of data at most, one stream of DEFLATE blocks dealt out to 32 lanes
//!  lane 0…31   a buffer of bits each; whenever one holds fewer than 32, it gets the next 4 bytes
//!  symbols     one from each lane in turn; of a match, a lane gives the length in one round and the
//!              distance in its next, so that bytes are written with gaps that are filled later
//! ```
//!
//! The alphabet is that of Deflate64: lengths with 16 extra bits, distances up to 65 536. The format is
//! described in the internet draft "GDEFLATE" of NVIDIA. Every read and write is checked.

/// Decoded bytes of a page, of the last one at most.
const PAGE: usize = 65_536;

const LANES: usize = 32;

/// A lane is filled up to this many bits before its turn ends, which is enough for its next symbol.
const LANE_BITS: u32 = 32;

const END_OF_BLOCK: usize = 256;

/// Codes for lengths and literals, at most; those for distances come behind them.
const LITERALS_AND_LENGTHS: usize = 288;
const DISTANCES: usize = 32;

/// The order in which the lengths of the codes for code lengths are stored.
const CODE_LENGTH_ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Damaged data.
#[derive(Debug)]
pub(super) struct Damaged;

/// Decodes `encoded`, whose length after decoding must not exceed `limit`.
pub(super) fn decompress(encoded: &[u8], limit: u64) -> Result<Vec<u8>, Damaged> {
    let (length, rest) = number(encoded)?;
    let (pages, rest) = number(rest)?;
    let sizes_end = pages.checked_mul(8).ok_or(Damaged)?;
    let (sizes, mut rest) = rest.split_at_checked(sizes_end).ok_or(Damaged)?;
    if length as u64 > limit || length.div_ceil(PAGE) != pages {
        return Err(Damaged);
    }
    let mut sizes = sizes;
    let mut decoded = vec![0; length];
    for target in decoded.chunks_mut(PAGE) {
        let (size, sizes_after) = number(sizes)?;
        let (page, rest_after) = rest.split_at_checked(size).ok_or(Damaged)?;
        (sizes, rest) = (sizes_after, rest_after);
        Page::new(page, target).decode()?;
    }
    Ok(decoded)
}

fn number(bytes: &[u8]) -> Result<(usize, &[u8]), Damaged> {
    let (number, rest) = bytes.split_first_chunk().ok_or(Damaged)?;
    let number = usize::try_from(u64::from_le_bytes(*number)).map_err(|_| Damaged)?;
    Ok((number, rest))
}

/// One lane: its bits, the lowest first, and a match whose distance is still to come.
#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    bits: u64,
    count: u32,
    /// Bits at the end of `bits` that the page does not have.
    missing: u32,
    open: Option<Match>,
}

/// A gap in the output that repeats earlier bytes.
#[derive(Debug, Clone, Copy)]
struct Match {
    start: usize,
    length: usize,
}

/// A page while it is decoded.
struct Page<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    written: usize,
    lanes: [Lane; LANES],
    current: usize,
}

impl<'a> Page<'a> {
    fn new(input: &'a [u8], output: &'a mut [u8]) -> Self {
        let mut page = Self {
            input,
            output,
            written: 0,
            lanes: [Lane::default(); LANES],
            current: 0,
        };
        for _ in 0..LANES {
            page.advance();
        }
        page
    }

    fn lane(&mut self) -> &mut Lane {
        &mut self.lanes[self.current % LANES]
    }

    /// Fills up the current lane, at the end of the page with bits that must not be used.
    fn fill(&mut self) {
        if self.lane().count >= LANE_BITS {
            return;
        }
        let (bytes, rest) = self.input.split_at(self.input.len().min(4));
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        self.input = rest;
        let lane = self.lane();
        lane.bits |= u64::from(u32::from_le_bytes(word)) << lane.count;
        lane.count += LANE_BITS;
        lane.missing += LANE_BITS - 8 * bytes.len() as u32;
    }

    fn advance(&mut self) {
        self.fill();
        self.current = (self.current + 1) % LANES;
    }

    /// Takes up to 16 bits from the current lane.
    fn take(&mut self, count: u32) -> Result<usize, Damaged> {
        let lane = self.lane();
        let left = lane.count.checked_sub(count).ok_or(Damaged)?;
        if left < lane.missing {
            return Err(Damaged);
        }
        let bits = lane.bits & ((1 << count) - 1);
        lane.bits >>= count;
        lane.count = left;
        Ok(bits as usize)
    }

    fn symbol(&mut self, code: &Code) -> Result<usize, Damaged> {
        let entry = code.lookup(self.lane().bits)?;
        self.take(entry.bits.into())?;
        Ok(entry.symbol.into())
    }

    /// Decodes all blocks; they must fill the output.
    fn decode(mut self) -> Result<(), Damaged> {
        loop {
            self.current = 0;
            let is_last = self.take(1)? == 1;
            let kind = self.take(2)?;
            self.fill();
            match kind {
                0 => self.stored_block()?,
                1 => {
                    let (literals, distances) = fixed_codes()?;
                    self.coded_block(&literals, &distances)?;
                }
                2 => {
                    let (literals, distances) = self.codes()?;
                    self.coded_block(&literals, &distances)?;
                }
                _ => return Err(Damaged),
            }
            if is_last {
                break;
            }
        }
        match self.written == self.output.len() {
            true => Ok(()),
            false => Err(Damaged),
        }
    }

    fn stored_block(&mut self) -> Result<(), Damaged> {
        let length = self.take(16)?;
        for _ in 0..length {
            let byte = self.take(8)?;
            self.write(byte as u8)?;
            self.advance();
        }
        for _ in 0..LANES {
            self.advance();
        }
        Ok(())
    }

    fn write(&mut self, byte: u8) -> Result<(), Damaged> {
        *self.output.get_mut(self.written).ok_or(Damaged)? = byte;
        self.written += 1;
        Ok(())
    }

    /// The codes of a block that brings its own.
    fn codes(&mut self) -> Result<(Code, Code), Damaged> {
        let literals = self.take(5)? + 257;
        let distances = self.take(5)? + 1;
        let stored = self.take(4)? + 4;
        self.fill();
        let mut lengths = [0; CODE_LENGTH_ORDER.len()];
        for place in CODE_LENGTH_ORDER.into_iter().take(stored) {
            lengths[place] = self.take(3)? as u8;
            self.advance();
        }
        let code_lengths = Code::of(&lengths)?;
        self.current = 0;
        let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
        while lengths.len() < literals + distances {
            let (length, times) = match self.symbol(&code_lengths)? {
                16 => (*lengths.last().ok_or(Damaged)?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (length as u8, 1),
            };
            lengths.extend(std::iter::repeat_n(length, times));
            self.advance();
        }
        let (literals, distances) = lengths
            .get(..literals + distances)
            .and_then(|lengths| lengths.split_at_checked(literals))
            .ok_or(Damaged)?;
        Ok((Code::of(literals)?, Code::of(distances)?))
    }

    fn coded_block(&mut self, literals: &Code, distances: &Code) -> Result<(), Damaged> {
        self.current = 0;
        loop {
            if let Some(gap) = self.lane().open.take() {
                self.repeat(gap, distances)?;
            } else {
                let symbol = self.symbol(literals)?;
                match symbol.checked_sub(END_OF_BLOCK) {
                    None => self.write(symbol as u8)?,
                    Some(0) => break,
                    Some(length) => {
                        let (base, extra) = length_of(length - 1);
                        let length = base + self.take(extra)?;
                        let start = self.written;
                        self.written += length;
                        if self.written > self.output.len() {
                            return Err(Damaged);
                        }
                        self.lane().open = Some(Match { start, length });
                    }
                }
            }
            self.advance();
        }
        for _ in 0..LANES {
            if let Some(gap) = self.lane().open.take() {
                self.repeat(gap, distances)?;
            }
            self.advance();
        }
        Ok(())
    }

    /// Fills the gap of a match.
    fn repeat(&mut self, gap: Match, distances: &Code) -> Result<(), Damaged> {
        let symbol = self.symbol(distances)?;
        let (base, extra) = distance_of(symbol);
        let distance = base + self.take(extra)?;
        let source = gap.start.checked_sub(distance).ok_or(Damaged)?;
        // A match may reach into what it writes.
        for offset in 0..gap.length {
            self.output[gap.start + offset] = self.output[source + offset];
        }
        Ok(())
    }
}

/// The shortest length of a code for lengths, and how many bits say what comes on top.
fn length_of(code: usize) -> (usize, u32) {
    match code {
        0..8 => (code + 3, 0),
        8..28 => {
            let extra = code / 4 - 1;
            (((4 + code % 4) << extra) + 3, extra as u32)
        }
        _ => (3, 16),
    }
}

/// The same for distances.
fn distance_of(code: usize) -> (usize, u32) {
    match code {
        0..4 => (code + 1, 0),
        _ => {
            let extra = code / 2 - 1;
            (((2 + code % 2) << extra) + 1, extra as u32)
        }
    }
}

/// The codes that every decoder knows.
fn fixed_codes() -> Result<(Code, Code), Damaged> {
    let mut literals = [8; LITERALS_AND_LENGTHS];
    literals[144..256].fill(9);
    literals[256..280].fill(7);
    Ok((Code::of(&literals)?, Code::of(&[5; DISTANCES])?))
}

/// A Huffman code: what the next bits of a lane mean.
struct Code {
    entries: Vec<Entry>,
}

/// A symbol and the bits of its code; no bits where no symbol has this code.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    symbol: u16,
    bits: u8,
}

impl Code {
    /// The code whose symbols have these `lengths`: shorter codes first, then smaller symbols.
    fn of(lengths: &[u8]) -> Result<Self, Damaged> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let size = 1_usize << longest;
        let mut entries = vec![Entry::default(); size];
        let mut next = 0_usize;
        for bits in 1..=longest {
            let step = 1_usize << bits;
            let of_this_length = lengths.iter().enumerate();
            for (symbol, _) in of_this_length.filter(|(_, length)| **length == bits) {
                if next >= step {
                    return Err(Damaged);
                }
                // Codes are stored with their highest bit first.
                let first = next.reverse_bits() >> (usize::BITS - u32::from(bits));
                let entry = Entry {
                    symbol: symbol as u16,
                    bits,
                };
                for place in (first..size).step_by(step) {
                    entries[place] = entry;
                }
                next += 1;
            }
            next <<= 1;
        }
        Ok(Self { entries })
    }

    fn lookup(&self, bits: u64) -> Result<Entry, Damaged> {
        let place = bits as usize & (self.entries.len() - 1);
        let entry = self.entries.get(place).copied();
        entry.filter(|entry| entry.bits > 0).ok_or(Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of RFC 1951, with the ends that Deflate64 has.
    #[test]
    fn lengths_and_distances_are_those_of_deflate() {
        let lengths = [(0, 3, 0), (7, 10, 0), (8, 11, 1), (11, 17, 1), (12, 19, 2)];
        let long = [(20, 67, 4), (27, 227, 5), (28, 3, 16)];
        for (code, base, extra) in lengths.into_iter().chain(long) {
            assert_eq!(length_of(code), (base, extra), "length {code}");
        }
        let distances = [(0, 1, 0), (3, 4, 0), (4, 5, 1), (5, 7, 1), (6, 9, 2)];
        let far = [(29, 24_577, 13), (30, 32_769, 14), (31, 49_153, 14)];
        for (code, base, extra) in distances.into_iter().chain(far) {
            assert_eq!(distance_of(code), (base, extra), "distance {code}");
        }
    }

    #[test]
    fn codes_that_cannot_be_are_refused() {
        assert!(Code::of(&[1, 1, 1]).is_err());
        assert!(Code::of(&[1, 2, 2]).is_ok());
        assert!(Code::of(&[0, 0]).is_ok_and(|code| code.lookup(0).is_err()));
        assert!(Code::of(&[1]).is_ok_and(|code| code.lookup(1).is_err()));
    }

    #[test]
    fn lying_headers_are_refused() {
        let header = |numbers: &[u64]| -> Vec<u8> {
            numbers
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect()
        };
        assert!(decompress(&header(&[0, 0]), 0).is_ok());
        for numbers in [
            &[][..],
            &[8],
            &[8, 1],
            &[8, 1, 0],
            &[8, 1, u64::MAX],
            &[8, 2, 0, 0],
            &[9, 1, 0],
            &[u64::MAX, 1 << 48],
            &[u64::MAX, u64::MAX],
        ] {
            assert!(decompress(&header(numbers), 8).is_err(), "{numbers:?}");
        }
    }
}
