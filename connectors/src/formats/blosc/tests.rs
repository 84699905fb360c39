//! c-blosc compresses, we decompress.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use zarrs::array::codec::{BloscCompressor, BloscShuffleMode, blosc_compress_bytes};

use super::{decompress, decompress_part};

const COMPRESSORS: [BloscCompressor; 6] = [
    BloscCompressor::BloscLZ,
    BloscCompressor::LZ4,
    BloscCompressor::LZ4HC,
    BloscCompressor::Snappy,
    BloscCompressor::Zlib,
    BloscCompressor::Zstd,
];

const SHUFFLES: [BloscShuffleMode; 3] = [
    BloscShuffleMode::NoShuffle,
    BloscShuffleMode::Shuffle,
    BloscShuffleMode::BitShuffle,
];

/// Bytes that compress a little: a slow wave with noise in the lowest bits.
fn wave(length: usize, noise: u32) -> Vec<u8> {
    let mut seed = noise | 1;
    let cells = (0..length.div_ceil(4)).map(|cell| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = (cell as f32 / 300.0).sin() * 20.0 + 280.0;
        f32::from_bits(value.to_bits() ^ (seed >> 24 & noise))
    });
    let mut bytes: Vec<u8> = cells.flat_map(f32::to_le_bytes).collect();
    bytes.truncate(length);
    bytes
}

fn compress(
    bytes: &[u8],
    compressor: BloscCompressor,
    level: u8,
    shuffle: BloscShuffleMode,
    element: usize,
    block: usize,
) -> Vec<u8> {
    let level = level.try_into().unwrap();
    blosc_compress_bytes(bytes, level, shuffle, element, compressor, block, 1).unwrap()
}

#[test]
fn every_compressor_shuffle_and_size_of_elements() {
    for compressor in COMPRESSORS {
        for shuffle in SHUFFLES {
            for element in [1, 2, 3, 4, 5, 8, 12, 16, 17, 255] {
                for length in [0, 1, 7, 8, 127, 4096, 70_001, 200_000] {
                    let bytes = wave(length, 255);
                    for block in [0, 1024] {
                        let frame = compress(&bytes, compressor, 5, shuffle, element, block);
                        let found = decompress(&frame, length as u64);
                        assert!(
                            found.as_ref() == Ok(&bytes),
                            "{compressor:?} {shuffle:?} elements of {element} in {length} bytes, blocks of {block}: {:?}",
                            found.map(|found| found.len())
                        );
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn parts_are_parts(
        compressor in prop::sample::select(COMPRESSORS.to_vec()),
        shuffle in prop::sample::select(SHUFFLES.to_vec()),
        level in 0_u8..=9,
        element in 1_usize..=9,
        block in prop::sample::select(vec![0_usize, 512, 4096, 65_536]),
        (length, noise) in (1_usize..300_000, any::<u32>()),
        (start, size) in (0.0..1.0, 0.0..1.0),
    ) {
        let bytes = wave(length, noise);
        let frame = compress(&bytes, compressor, level, shuffle, element, block);
        let start = (length as f64 * start) as usize;
        let end = start + ((length - start) as f64 * size) as usize;
        if let Some(part) = decompress_part(&frame, length as u64, start..end) {
            prop_assert!(part.unwrap() == bytes[start..end]);
        }
        prop_assert!(decompress(&frame, length as u64).unwrap() == bytes);
        prop_assert!(decompress(&frame, length as u64 - 1).is_err());
        prop_assert!(decompress_part(&frame, length as u64 + 1, start..end).is_none());
    }

    /// An error or other bytes, but no panic and never more bytes than the header promises.
    #[test]
    fn damage_is_survived(
        compressor in prop::sample::select(COMPRESSORS.to_vec()),
        shuffle in prop::sample::select(SHUFFLES.to_vec()),
        element in 1_usize..=9,
        places in prop::collection::vec((0.0..1.0, any::<u8>()), 1..4),
        in_header in any::<bool>(),
        cut in prop::option::of(0.0..1.0),
    ) {
        let bytes = wave(50_000, 7);
        let mut frame = compress(&bytes, compressor, 5, shuffle, element, 4096);
        let reach = if in_header { 80 } else { frame.len() };
        for (place, value) in places {
            frame[(reach as f64 * place) as usize] = value;
        }
        if let Some(cut) = cut {
            frame.truncate((frame.len() as f64 * cut) as usize);
            prop_assert!(decompress(&frame, 1 << 20).is_err());
        }
        if let Ok(found) = decompress(&frame, 1 << 20) {
            prop_assert!(found.len() <= 1 << 20);
        }
        if let Some(Ok(part)) = decompress_part(&frame, 50_000, 10_000..20_000) {
            prop_assert!(part.len() == 10_000);
        }
    }
}

/// Only what is asked for is decompressed: the others of these blocks are garbage.
#[test]
fn a_part_costs_its_blocks() {
    let bytes = wave(64 * 1024, 3);
    let (mode, compressor) = (BloscShuffleMode::BitShuffle, BloscCompressor::Zstd);
    let mut frame = compress(&bytes, compressor, 5, mode, 4, 4096);
    let start = |number: usize| {
        let place = 16 + 4 * number;
        u32::from_le_bytes(frame[place..place + 4].try_into().unwrap()) as usize
    };
    let kept = start(3)..start(5);
    for (place, byte) in frame.iter_mut().enumerate() {
        if place >= 80 && !kept.contains(&place) {
            *byte = 0xff;
        }
    }
    assert!(decompress(&frame, 64 * 1024).is_err());
    let part = decompress_part(&frame, 64 * 1024, 13_000..20_000);
    assert!(part.unwrap().unwrap() == bytes[13_000..20_000]);
    assert!(
        decompress_part(&frame, 64 * 1024, 11_000..20_000)
            .unwrap()
            .is_err()
    );
}
