//! Blosc frames as c-blosc 1 writes them: blocks that are compressed and shuffled one by one, so that a part of
//! a chunk costs only the blocks that it lies in.
//!
//! ```text
//!  header (16 bytes) │ where each block starts │ block │ block │ …
//!                                                 │
//!                      length, compressed bytes (once, or once per byte of an element)
//!                                                 ▼ decompress       ▼ undo the shuffle
//! ```
//! Format: `README_CHUNK_FORMAT.rst` of c-blosc 1.21. It is decoded here and not by c-blosc because the crate
//! that builds c-blosc leaves out its AVX2 code, and because c-blosc makes a zstd context per block: chunks
//! of temperatures in bitshuffled zstd take four fifths of the time here. Rare compressors are left to c-blosc.

mod header;

use std::ops::Range;

use graticule_functions::kernels::unshuffle::{unshuffle_bits, unshuffle_bytes};
use zarrs::array::codec::{blosc_decompress_bytes, blosc_validate};

use self::header::{Compressor, HEADER_BYTES, Header, Shuffle};

/// The bytes that were compressed, which are at most `limit`. The error is its cause in words.
pub(super) fn decompress(frame: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    let header = Header::of(frame)?;
    if header.bytes as u64 > limit {
        return Err(format!("it decompresses to more than {limit} bytes"));
    }
    match header.compressor {
        Compressor::Other if !header.is_stored => by_library(frame),
        _ => blocks(&header, frame, 0..header.bytes),
    }
}

/// The bytes `part` of those that were compressed, which are `expected`. `None` where all would be decompressed.
pub(super) fn decompress_part(
    frame: &[u8],
    expected: u64,
    part: Range<usize>,
) -> Option<Result<Vec<u8>, String>> {
    let header = Header::of(frame).ok()?;
    let is_whole = part.start < header.block && header.bytes < part.end + header.block;
    let is_as_expected = header.bytes as u64 == expected && part.end <= header.bytes;
    let is_known = header.compressor != Compressor::Other || header.is_stored;
    (!is_whole && is_as_expected && is_known).then(|| blocks(&header, frame, part))
}

/// What is decompressed by c-blosc.
fn by_library(frame: &[u8]) -> Result<Vec<u8>, String> {
    let size = blosc_validate(frame).ok_or("it is not a Blosc frame")?;
    blosc_decompress_bytes(frame, size, 1).map_err(|error| error.to_string())
}

/// The bytes `part` of a frame, block by block.
fn blocks(header: &Header, frame: &[u8], part: Range<usize>) -> Result<Vec<u8>, String> {
    if header.is_stored {
        let stored = frame
            .get(HEADER_BYTES..)
            .and_then(|stored| stored.get(part));
        return Ok(stored.ok_or(CUT_SHORT)?.to_vec());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut blocks = Blocks {
        header,
        frame,
        inflate: Inflate::new(header.compressor)?,
        shuffled: vec![0; header.block],
    };
    let mut whole = Vec::new();
    for number in part.start / header.block..part.end.div_ceil(header.block) {
        let block = header.range(number);
        let wanted = part.start.max(block.start)..part.end.min(block.end);
        if wanted == block {
            blocks.append(number, &mut bytes)?;
        } else {
            whole.clear();
            blocks.append(number, &mut whole)?;
            bytes.extend_from_slice(&whole[wanted.start - block.start..wanted.end - block.start]);
        }
    }
    Ok(bytes)
}

/// What is said of a frame that ends too early.
const CUT_SHORT: &str = "the Blosc frame is cut short";

/// Decompresses block after block.
struct Blocks<'a> {
    header: &'a Header,
    frame: &'a [u8],
    inflate: Inflate,
    /// Room for one block, decompressed but still shuffled.
    shuffled: Vec<u8>,
}

impl Blocks<'_> {
    /// Appends block `number` to `bytes`.
    fn append(&mut self, number: usize, bytes: &mut Vec<u8>) -> Result<(), String> {
        let length = self.header.range(number).len();
        let mut rest = self
            .frame
            .get(self.header.start(self.frame, number)?..)
            .ok_or(CUT_SHORT)?;
        let streams = self.header.streams(length);
        let shuffled = &mut self.shuffled[..length];
        // Blocks have bytes, and streams are at least as long as the fewest elements that are split.
        for stream in shuffled.chunks_exact_mut(length / streams) {
            let (size, after) = rest.split_first_chunk().ok_or(CUT_SHORT)?;
            let size = usize::try_from(i32::from_le_bytes(*size)).map_err(|_| CUT_SHORT)?;
            let (compressed, after) = after.split_at_checked(size).ok_or(CUT_SHORT)?;
            rest = after;
            if size == stream.len() {
                stream.copy_from_slice(compressed);
            } else if self.inflate.inflate(compressed, stream)? != stream.len() {
                return Err("a block of the Blosc frame has the wrong length".to_string());
            }
        }
        match self.header.shuffle {
            Shuffle::None => bytes.extend_from_slice(shuffled),
            Shuffle::Bytes => unshuffle_bytes(shuffled, self.header.element, bytes),
            Shuffle::Bits => unshuffle_bits(shuffled, self.header.element, bytes),
        }
        Ok(())
    }
}

/// A decompressor that is used for all blocks of a frame.
enum Inflate {
    Zstd(zstd::bulk::Decompressor<'static>),
    Lz4,
}

impl Inflate {
    fn new(compressor: Compressor) -> Result<Self, String> {
        match compressor {
            Compressor::Zstd => zstd::bulk::Decompressor::new()
                .map(Self::Zstd)
                .map_err(|error| error.to_string()),
            Compressor::Lz4 => Ok(Self::Lz4),
            Compressor::Other => Err("its compressor is not known".to_string()),
        }
    }

    /// Fills `bytes`; returns how many there were.
    fn inflate(&mut self, compressed: &[u8], bytes: &mut [u8]) -> Result<usize, String> {
        match self {
            Self::Zstd(decompressor) => decompressor
                .decompress_to_buffer(compressed, bytes)
                .map_err(|error| error.to_string()),
            Self::Lz4 => lz4_flex::block::decompress_into(compressed, bytes)
                .map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
