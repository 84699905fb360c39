//! Geometries as GeoPackage stores them: a header in front of well-known binary.
//!
//! ```text
//!  G P version flags ┆ system ┆ envelope ┆ well-known binary
//!  1 1    1      1        4     0 … 64
//! ```
//! Source: OGC 12-128r19, clause 2.1.3.

/// Bytes in front of the envelope.
const FIXED: usize = 8;

/// The well-known binary in a value.
///
/// # Errors
/// It is none of GeoPackage, or a kind that is not known; the cause in words.
pub(super) fn well_known_binary(stored: &[u8]) -> Result<&[u8], &'static str> {
    let [b'G', b'P', _, flags, ..] = stored else {
        return Err("what is no geometry of GeoPackage");
    };
    // Bit 5: a form that an extension defines.
    if flags & 0b10_0000 != 0 {
        return Err("a geometry in a form that is not known");
    }
    let envelope = match (flags >> 1) & 0b111 {
        0 => 0,
        1 => 32,
        2 | 3 => 48,
        4 => 64,
        _ => return Err("a geometry with an envelope that is not known"),
    };
    match stored.get(FIXED + envelope..) {
        // The order of bytes, and the kind.
        Some(binary) if binary.len() >= 5 => Ok(binary),
        _ => Err("a geometry that ends within its header"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let point = [1, 1, 0, 0, 0, 9];
        for (flags, envelope) in [
            (1, 0),
            (0, 0),
            (0b11, 32),
            (0b101, 48),
            (0b111, 48),
            (0b1001, 64),
            (0b1_0001, 0),
        ] {
            let mut stored = vec![b'G', b'P', 0, flags, 0, 0, 0, 0];
            stored.extend(vec![0; envelope]);
            stored.extend(point);
            assert_eq!(well_known_binary(&stored), Ok(&point[..]), "{flags}");
            assert!(well_known_binary(&stored[..FIXED + envelope + 4]).is_err());
        }
        for broken in [
            &b""[..],
            b"GP",
            b"PG\0\0\0\0\0\0\x01\x01\0\0\0",
            b"GP\0\x21\0\0\0\0\x01\x01\0\0\0",
            b"GP\0\x0b\0\0\0\0\x01\x01\0\0\0",
        ] {
            assert!(well_known_binary(broken).is_err());
        }
    }
}
