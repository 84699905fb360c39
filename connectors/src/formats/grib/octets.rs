//! Octets of a section, counted from 1 as the tables of the standard count them: [`Octets`].

use graticule_engine::error::CubeResult;

use super::damaged;

/// The octets of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a> {
    bytes: &'a [u8],
    /// What people call the section.
    section: &'static str,
}

impl<'a> Octets<'a> {
    pub(super) fn of(bytes: &'a [u8], section: &'static str) -> Self {
        Self { bytes, section }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn slice(&self, first: usize, count: usize) -> CubeResult<&'a [u8]> {
        let from = first.saturating_sub(1);
        let found = from.checked_add(count);
        let found = found.and_then(|to| self.bytes.get(from..to));
        found.ok_or_else(|| {
            let (section, length) = (self.section, self.bytes.len());
            damaged(format!(
                "its {section} ends at octet {length}, before octet {}",
                first.saturating_add(count).saturating_sub(1)
            ))
        })
    }

    /// The number without a sign in `count` octets, eight at most.
    pub(super) fn unsigned(&self, first: usize, count: usize) -> CubeResult<u64> {
        let bytes = self.slice(first, count)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }

    /// The same as a length or a position.
    pub(super) fn count(&self, first: usize, count: usize) -> CubeResult<usize> {
        Ok(usize::try_from(self.unsigned(first, count)?).unwrap_or(usize::MAX))
    }

    pub(super) fn octet(&self, number: usize) -> CubeResult<u8> {
        Ok(self.slice(number, 1)?[0])
    }

    /// The number in `count` octets, at most seven, whose first bit is its sign.
    pub(super) fn signed(&self, first: usize, count: usize) -> CubeResult<i64> {
        let number = self.unsigned(first, count)?;
        let sign = 1_u64 << (8 * count - 1);
        let size = (number & !sign) as i64;
        Ok(match number & sign {
            0 => size,
            _ => -size,
        })
    }

    /// A float of IEEE 754 in four octets.
    pub(super) fn float(&self, first: usize) -> CubeResult<f64> {
        let bits = self.unsigned(first, 4)?;
        Ok(f64::from(f32::from_bits(bits as u32)))
    }

    /// A float of IBM's System/360 in four octets: sign, exponent to the base 16 with a bias of 64, mantissa.
    pub(super) fn ibm_float(&self, first: usize) -> CubeResult<f64> {
        let bits = self.unsigned(first, 4)?;
        let mantissa = (bits & 0x00ff_ffff) as f64;
        let exponent = ((bits >> 24) & 0x7f) as i32 - 64;
        let size = mantissa * 16_f64.powi(exponent - 6);
        Ok(match bits >> 31 {
            0 => size,
            _ => -size,
        })
    }

    /// All octets from `first` on.
    pub(super) fn from(&self, first: usize) -> CubeResult<&'a [u8]> {
        let count = (self.bytes.len() + 1).saturating_sub(first);
        self.slice(first, count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers() {
        let octets = Octets::of(&[0x80, 0x05, 0x00, 0x05, 0xc2, 0x76, 0xa0, 0x00], "section");
        assert_eq!(octets.unsigned(1, 2).unwrap(), 0x8005);
        assert_eq!(octets.signed(1, 2).unwrap(), -5);
        assert_eq!(octets.signed(3, 2).unwrap(), 5);
        // The example of the System/360: 0xc276a000 is -118.625.
        assert_eq!(octets.ibm_float(5).unwrap(), -118.625);
        assert_eq!(octets.from(8).unwrap(), [0]);
        let error = octets.unsigned(7, 3).unwrap_err().to_string();
        assert!(error.contains("section ends at octet 8"), "{error}");
    }
}
