//! Snappy's C interface on top of the crate `snap`, under the name of the crate that blosc is built with.
//!
//! Chunks in blosc may be compressed with Snappy, whose own library is C++. With this crate in its place
//! a C compiler is all that Graticule needs. It has what blosc calls, and nothing else:
//!
//! ```text
//!  zarrs ─▶ blosc-src (C) ── snappy_uncompress(pointers) ──▶ this crate ── slices ──▶ snap (safe Rust)
//! ```
//!
//! This is one of the few places where `unsafe` is allowed: each function turns the pointers that it is
//! given into slices, once. What the bytes hold is checked by `snap`.

use std::ffi::{c_char, c_uint};

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

/// `SNAPPY_OK`: the output is complete.
pub const OK: c_uint = 0;
/// `SNAPPY_INVALID_INPUT`: the input is not what Snappy writes.
pub const INVALID_INPUT: c_uint = 1;
/// `SNAPPY_BUFFER_TOO_SMALL`: the output would be longer than its buffer.
pub const BUFFER_TOO_SMALL: c_uint = 2;

/// The longest that `length` bytes can become when compressed.
#[unsafe(no_mangle)]
pub extern "C" fn snappy_max_compressed_length(length: usize) -> usize {
    max_compress_len(length)
}

/// Compresses `input` to `output`.
///
/// # Safety
/// `input` has `input_length` bytes, `output` has room for `*output_length`; none of the three overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snappy_compress(
    input: *const c_char,
    input_length: usize,
    output: *mut c_char,
    output_length: *mut usize,
) -> c_uint {
    // SAFETY: as the caller promises.
    let (input, capacity) = unsafe { (readable(input, input_length), *output_length) };
    let needed = max_compress_len(input.len());
    if needed > capacity {
        return BUFFER_TOO_SMALL;
    }
    // SAFETY: there is room for `capacity` bytes, and `needed` are no more.
    let buffer = unsafe { writable(output, needed) };
    match Encoder::new().compress(input, buffer) {
        Ok(length) => {
            // SAFETY: as the caller promises.
            unsafe { *output_length = length };
            OK
        }
        Err(_) => INVALID_INPUT,
    }
}

/// Restores what was compressed to `input` in `output`.
///
/// # Safety
/// `input` has `input_length` bytes, `output` has room for `*output_length`; none of the three overlap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn snappy_uncompress(
    input: *const c_char,
    input_length: usize,
    output: *mut c_char,
    output_length: *mut usize,
) -> c_uint {
    // SAFETY: as the caller promises.
    let (input, capacity) = unsafe { (readable(input, input_length), *output_length) };
    let length = match decompress_len(input) {
        Ok(length) if length <= capacity => length,
        Ok(_) => return BUFFER_TOO_SMALL,
        Err(_) => return INVALID_INPUT,
    };
    // SAFETY: there is room for `capacity` bytes, and `length` are no more.
    let buffer = unsafe { writable(output, length) };
    match Decoder::new().decompress(input, buffer) {
        Ok(length) => {
            // SAFETY: as the caller promises.
            unsafe { *output_length = length };
            OK
        }
        Err(_) => INVALID_INPUT,
    }
}

/// The bytes at `start`.
///
/// # Safety
/// There are `length` bytes, which nobody writes to meanwhile.
unsafe fn readable<'a>(start: *const c_char, length: usize) -> &'a [u8] {
    match length {
        // C may give no place for nothing.
        0 => &[],
        // SAFETY: as the caller promises.
        _ => unsafe { std::slice::from_raw_parts(start.cast(), length) },
    }
}

/// The room at `start`, filled with zeros, since C need not have written to it before.
///
/// # Safety
/// There is room for `length` bytes, which nobody else uses meanwhile.
unsafe fn writable<'a>(start: *mut c_char, length: usize) -> &'a mut [u8] {
    if length == 0 {
        return &mut [];
    }
    // SAFETY: as the caller promises.
    unsafe {
        start.write_bytes(0, length);
        std::slice::from_raw_parts_mut(start.cast(), length)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    type Function = unsafe extern "C" fn(*const c_char, usize, *mut c_char, *mut usize) -> c_uint;

    /// Calls `function` as C does, with a buffer of `capacity` bytes.
    fn call(function: Function, input: &[u8], capacity: usize) -> Result<Vec<u8>, c_uint> {
        let mut output = vec![0xee_u8; capacity];
        let mut length = capacity;
        // SAFETY: the lengths are those of the vectors.
        let status = unsafe {
            function(
                input.as_ptr().cast(),
                input.len(),
                output.as_mut_ptr().cast(),
                &mut length,
            )
        };
        match status {
            OK => Ok(output[..length].to_vec()),
            status => {
                assert_eq!(length, capacity, "the length is kept where there is none");
                Err(status)
            }
        }
    }

    /// "abcd" twice, as the description of the format says: a length of 8, a literal of 4 bytes, then
    /// 4 bytes copied from 4 before.
    const TWICE: &[u8] = b"\x08\x0cabcd\x01\x04";

    #[test]
    fn restores() {
        for (input, capacity, expected) in [
            (TWICE, 8, Ok(&b"abcdabcd"[..])),
            (TWICE, 100, Ok(b"abcdabcd")),
            (TWICE, 7, Err(BUFFER_TOO_SMALL)),
            (&TWICE[..6], 8, Err(INVALID_INPUT)),
            (&TWICE[..7], 8, Err(INVALID_INPUT)),
            (b"\x08\x0cabcd\x01\x05", 8, Err(INVALID_INPUT)),
            (b"\x00", 0, Ok(b"")),
            (b"", 8, Err(INVALID_INPUT)),
            (b"\xff\xff\xff\xff\xff\xff", 8, Err(INVALID_INPUT)),
        ] {
            let found = call(snappy_uncompress, input, capacity);
            assert_eq!(
                found.as_deref(),
                expected.as_ref().copied(),
                "{input:?} {capacity}"
            );
        }
    }

    #[test]
    fn compresses() {
        let input: Vec<u8> = (0..100_000_u32).map(|i| (i / 100 % 251) as u8).collect();
        let room = snappy_max_compressed_length(input.len());
        let compressed = call(snappy_compress, &input, room).unwrap();
        assert!(compressed.len() < input.len() / 5, "{}", compressed.len());
        assert_eq!(
            call(snappy_uncompress, &compressed, input.len()),
            Ok(input.clone())
        );
        assert_eq!(
            call(snappy_compress, &input, room - 1),
            Err(BUFFER_TOO_SMALL)
        );
    }
}
