//! Counts for people: digits in groups, and a noun that agrees.

/// `1234567` as `1,234,567`.
pub(crate) fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 row`, `2 rows`.
pub(crate) fn count_of(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", format_count(count))
}

#[cfg(test)]
mod tests {
    use super::{count_of, format_count};

    #[test]
    fn groups_digits() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ];
        for (count, expected) in cases {
            assert_eq!(format_count(count), expected);
        }
        assert_eq!(
            (count_of(1, "row"), count_of(0, "row")),
            ("1 row".into(), "0 rows".into())
        );
    }
}
