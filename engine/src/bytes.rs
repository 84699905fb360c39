//! Amounts of bytes as people write them: `8GB`, `512 MiB`, `3.2 MB`.

const UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Reads an amount such as `8GB`, `1.5 GiB` or `1000`; `k`, `m`, `g` and `t` alone are decimal.
///
/// # Errors
/// Not a positive number with one of the units, for people.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let unit = unit.trim();
    let factor = UNITS
        .iter()
        .find(|(name, _)| *name == unit || name.strip_suffix('b') == Some(unit))
        .map(|(_, factor)| *factor);
    match (number.parse::<f64>(), factor) {
        (Ok(number), Some(factor)) if number > 0.0 => Ok((number * factor as f64) as u64),
        _ => Err(format!(
            "`{text}` is no amount of memory such as 8GB or 512MiB"
        )),
    }
}

/// Writes an amount with three digits at most: `3.2 MB`.
pub fn format_bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        // 999.5 would be rounded to four digits.
        if amount < 999.5 {
            let decimals = usize::from(unit != "bytes" && amount < 9.95);
            return format!("{amount:.decimals$} {unit}");
        }
        amount /= 1000.0;
    }
    format!("{amount:.0} PB")
}

#[cfg(test)]
mod tests {
    use super::{format_bytes, parse_bytes};

    #[test]
    fn reads_amounts() {
        let cases = [
            ("8GB", Some(8_000_000_000)),
            ("1.5 GiB", Some(1_610_612_736)),
            ("512m", Some(512_000_000)),
            ("1000", Some(1000)),
            ("0", None),
            ("-1GB", None),
            ("8 gigs", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn writes_amounts() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (9_960, "10 kB"),
            (999_600, "1.0 MB"),
            (3_240_000, "3.2 MB"),
            (5_000_000_000_000_000, "5 PB"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(format_bytes(bytes), expected);
        }
    }
}
