//! PNG images (ISO/IEC 15948) as GRIB has them: one image, without interlacing. [`samples`] are their pixels.
//!
//! Read here, because the usual crate brings a second implementation of deflate along.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::bits::Bits;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What the chunk `IHDR` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    width: usize,
    height: usize,
    /// Bits of a pixel, all channels together.
    bits: u32,
}

/// The samples of an image of `count` pixels. A pixel of several channels is one number with the bits of all of them.
pub(super) fn samples(data: &[u8], count: usize) -> Result<Vec<u32>, String> {
    let (header, compressed) = chunks(data)?;
    let (width, height, bits) = (header.width, header.height, header.bits);
    if width.checked_mul(height) != Some(count) {
        return Err(format!(
            "it has {width} × {height} pixels for {count} values"
        ));
    }
    let line = width
        .checked_mul(bits as usize)
        .ok_or("its lines have no end")?
        .div_ceil(8);
    let size = (line + 1).checked_mul(height).ok_or("it has no end")?;
    let mut bytes = Vec::new();
    ZlibDecoder::new(compressed.as_slice())
        .take(size as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() < size {
        return Err("its pixels end too early".to_string());
    }
    let mut samples = Vec::new();
    let mut above = vec![0; line];
    for filtered in bytes.chunks_exact_mut(line + 1) {
        let (kind, pixels) = filtered.split_first_mut().ok_or("it has no lines")?;
        unfilter(*kind, pixels, &above, (bits as usize).div_ceil(8))?;
        Bits::of(pixels).extend(&mut samples, bits, width, |sample| sample as u32)?;
        above.copy_from_slice(pixels);
    }
    Ok(samples)
}

/// The header, and the contents of all chunks `IDAT` as one.
fn chunks(data: &[u8]) -> Result<(Header, Vec<u8>), String> {
    let mut rest = data.strip_prefix(SIGNATURE).ok_or("it is no PNG image")?;
    let mut header = None;
    let mut compressed = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let [a, b, c, d, kind @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let contents = tail.get(..length).ok_or("a chunk of it ends too early")?;
        match &kind {
            b"IHDR" => header = Some(Header::of(contents)?),
            b"IDAT" => compressed.extend_from_slice(contents),
            b"IEND" => break,
            _ => {}
        }
        // A checksum of four bytes follows.
        rest = tail.get(length + 4..).unwrap_or_default();
    }
    Ok((header.ok_or("it has no header")?, compressed))
}

impl Header {
    fn of(contents: &[u8]) -> Result<Self, String> {
        let [a, b, c, d, e, f, g, h, depth, colours, _, _, interlacing] = contents else {
            return Err("its header has another size".to_string());
        };
        let channels = match colours {
            0 => 1,
            2 => 3,
            4 => 2,
            6 => 4,
            other => return Err(format!("its pixels are colours of type {other}")),
        };
        let bits = u32::from(*depth) * channels;
        if !(1..=32).contains(&bits) || *interlacing != 0 {
            return Err(format!("its pixels have {bits} bits, or it is interlaced"));
        }
        Ok(Self {
            width: u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            height: u32::from_be_bytes([*e, *f, *g, *h]) as usize,
            bits,
        })
    }
}

/// Undoes the filter of a line: bytes are differences to the pixel before, of `step` bytes, the line above, or both.
fn unfilter(kind: u8, line: &mut [u8], above: &[u8], step: usize) -> Result<(), String> {
    if kind > 4 {
        return Err(format!("a line of it is filtered in the way {kind}"));
    }
    for at in 0..line.len() {
        let before = |line: &[u8]| at.checked_sub(step).map_or(0, |before| line[before]);
        let (left, up, corner) = (before(line), above[at], before(above));
        let predicted = match kind {
            0 => 0,
            1 => left,
            2 => up,
            3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
            _ => nearest(left, up, corner),
        };
        line[at] = line[at].wrapping_add(predicted);
    }
    Ok(())
}

/// The neighbour that is nearest to the plane through all three (Paeth's predictor).
fn nearest(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let estimate = a + b - c;
    let [of_left, of_up, of_corner] = [a, b, c].map(|value| (estimate - value).abs());
    match (of_left <= of_up && of_left <= of_corner, of_up <= of_corner) {
        (true, _) => left,
        (false, true) => up,
        (false, false) => corner,
    }
}
