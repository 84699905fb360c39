//! Compensated addition, so that sums of millions of blocks lose nothing.
//!
//! Source: A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54
//! (1974) 39–51.

/// Adds `value` to the sum `high + low`, keeping in `low` what `high` cannot hold.
#[inline(always)]
pub fn add(high: &mut f64, low: &mut f64, value: f64) {
    let sum = *high + value;
    let lost = if high.abs() >= value.abs() {
        (*high - sum) + value
    } else {
        (value - sum) + *high
    };
    *high = sum;
    *low += lost;
}

/// The value of `high + low`. What was lost is undefined once the sum is infinite or not a number.
#[inline(always)]
pub fn total(high: f64, low: f64) -> f64 {
    if high.is_finite() { high + low } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_plain_addition_loses() {
        let (mut high, mut low) = (0.0, 0.0);
        for value in [1.0, 1e100, 1.0, -1e100] {
            add(&mut high, &mut low, value);
        }
        assert_eq!(total(high, low), 2.0);
        for value in [f64::INFINITY, 1.0] {
            add(&mut high, &mut low, value);
        }
        assert_eq!(total(high, low), f64::INFINITY);
    }
}
