//! The header of a Blosc frame: [`Header`].

use std::ops::Range;

use super::CUT_SHORT;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 16;

/// The version of the format; no other was ever in use.
const VERSION: u8 = 2;

/// A flag that no frame has.
const FROM_THE_FUTURE: u8 = 0x08;

/// Elements with more bytes are never split into one stream per byte.
const MOST_STREAMS: usize = 16;

/// Blocks with fewer elements are never split.
const FEWEST_SPLIT_ELEMENTS: usize = 128;

/// How the bytes of a block were compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressor {
    Lz4,
    Zstd,
    /// BloscLZ, Snappy or zlib.
    Other,
}

/// How the bytes of a block were put in another order before they were compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shuffle {
    None,
    Bytes,
    Bits,
}

/// What the header of a frame says.
#[derive(Debug)]
pub(super) struct Header {
    /// Bytes that were compressed.
    pub(super) bytes: usize,
    /// Bytes of a block, of which the last may have fewer.
    pub(super) block: usize,
    /// Bytes of an element.
    pub(super) element: usize,
    pub(super) compressor: Compressor,
    pub(super) shuffle: Shuffle,
    /// Are the bytes stored as they are?
    pub(super) is_stored: bool,
    is_split: bool,
}

impl Header {
    /// Reads the header of `frame`. The error is its cause in words.
    pub(super) fn of(frame: &[u8]) -> Result<Self, String> {
        let header: &[u8; HEADER_BYTES] = frame.first_chunk().ok_or(CUT_SHORT)?;
        let [version, _, flags, element, numbers @ ..] = header;
        let number = |position: usize| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(&numbers[position * 4..][..4]);
            u32::from_le_bytes(bytes) as usize
        };
        let (bytes, block, length) = (number(0), number(1), number(2));
        if *version != VERSION || flags & FROM_THE_FUTURE != 0 {
            return Err("it is not a Blosc frame of version 2".to_string());
        }
        if length != frame.len() {
            return Err(CUT_SHORT.to_string());
        }
        let element = usize::from(*element);
        if element == 0 || (bytes > 0 && (block == 0 || block > bytes)) {
            return Err("the header of the Blosc frame is damaged".to_string());
        }
        Ok(Self {
            bytes,
            block: block.max(1),
            element,
            compressor: match flags >> 5 {
                1 => Compressor::Lz4,
                4 => Compressor::Zstd,
                _ => Compressor::Other,
            },
            shuffle: match (flags & 1 != 0 && element > 1, flags & 4 != 0) {
                (true, _) => Shuffle::Bytes,
                (false, true) => Shuffle::Bits,
                (false, false) => Shuffle::None,
            },
            is_stored: flags & 2 != 0,
            is_split: flags & 0x10 == 0,
        })
    }

    /// The bytes that block `number` holds.
    pub(super) fn range(&self, number: usize) -> Range<usize> {
        let start = number * self.block;
        start..(start + self.block).min(self.bytes)
    }

    /// Where block `number` starts in `frame`.
    pub(super) fn start(&self, frame: &[u8], number: usize) -> Result<usize, String> {
        let place = frame.get(HEADER_BYTES + number * 4..);
        let start = place.and_then(<[u8]>::first_chunk).ok_or(CUT_SHORT)?;
        usize::try_from(i32::from_le_bytes(*start)).map_err(|_| CUT_SHORT.to_string())
    }

    /// How many streams a block of `length` bytes was compressed as: one, or one for each byte of an element.
    pub(super) fn streams(&self, length: usize) -> usize {
        let is_split = self.is_split
            && length == self.block
            && self.element <= MOST_STREAMS
            && length / self.element >= FEWEST_SPLIT_ELEMENTS;
        if is_split { self.element } else { 1 }
    }
}
