//! Packings by codecs that others define and crates decode: JPEG 2000 and CCSDS 121.0-B (adaptive entropy coding).

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use rust_aec::{AecFlags, AecParams, decode, flags_from_grib2_ccsds_flags};

use super::bits::Bits;
use super::fenced;

/// The samples of an image of `count` pixels with one channel.
pub(super) fn jpeg2000(data: &[u8], count: usize) -> Result<Vec<u32>, String> {
    fenced("JPEG 2000 image", || {
        let settings = DecodeSettings::default();
        let image = Image::new(data, &settings).map_err(|error| error.to_string())?;
        let (width, height) = (image.width() as usize, image.height() as usize);
        if width.checked_mul(height) != Some(count) {
            return Err(format!(
                "it has {width} × {height} pixels for {count} values"
            ));
        }
        // Samples are decoded to floats of 32 bits.
        let depth = image.original_bit_depth();
        if depth > 24 {
            return Err(format!("its pixels have {depth} bits, and 24 are read"));
        }
        let mut context = DecoderContext::default();
        let decoded = image
            .decode(&mut context)
            .map_err(|error| error.to_string())?;
        match decoded.components() {
            [only] => Ok(only
                .samples()
                .iter()
                .map(|sample| sample.round() as u32)
                .collect()),
            several => Err(format!("it has {} channels", several.len())),
        }
    })
}

/// `count` numbers of `width` bits, in blocks of `block` of them, of which `interval` share a reference.
pub(super) fn ccsds(
    data: &[u8],
    count: usize,
    width: u32,
    flags: u8,
    block: u8,
    interval: u64,
) -> Result<Vec<u32>, String> {
    fenced("CCSDS stream", || {
        // How the decoder lays its numbers out does not concern what is stored.
        let mut flags = flags_from_grib2_ccsds_flags(flags);
        flags.insert(AecFlags::MSB);
        flags.remove(AecFlags::DATA_3BYTE);
        let width = u8::try_from(width).unwrap_or(u8::MAX);
        let parameters = AecParams::new(width, u32::from(block), interval as u32, flags);
        let bytes = decode(data, parameters, count).map_err(|error| error.to_string())?;
        let bits = match width {
            0..=8 => 8,
            9..=16 => 16,
            _ => 32,
        };
        let mut samples = Vec::new();
        Bits::of(&bytes).extend(&mut samples, bits, count, |sample| sample as u32)?;
        Ok(samples)
    })
}
