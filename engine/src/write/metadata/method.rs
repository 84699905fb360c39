//! What an aggregate does to a quantity: CF's name for it, and which attributes stay true.

/// What an aggregate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// The mean, weighted or not.
    Mean,
    /// The sum.
    Sum,
    /// The smallest value.
    Minimum,
    /// The greatest value.
    Maximum,
    /// The median.
    Median,
    /// Another percentile.
    Percentile,
    /// The first or last value.
    Pick,
    /// Bits of several flags together.
    Bits,
    /// The standard deviation.
    StandardDeviation,
    /// The variance.
    Variance,
    /// How many values there are.
    Count,
    /// Another quantity than that of the values.
    Other,
}

impl Method {
    /// What the aggregate function of that SQL name computes.
    pub(crate) fn of_function(name: &str) -> Method {
        match name.to_ascii_lowercase().as_str() {
            "avg" | "mean" | "area_avg" => Self::Mean,
            "sum" => Self::Sum,
            "min" => Self::Minimum,
            "max" => Self::Maximum,
            "median" | "approx_median" => Self::Median,
            "percentile_cont"
            | "quantile_cont"
            | "approx_percentile_cont"
            | "approx_percentile_cont_with_weight" => Self::Percentile,
            "first_value" | "last_value" | "nth_value" | "any_value" => Self::Pick,
            "bit_and" | "bit_or" => Self::Bits,
            "stddev" | "stddev_samp" | "stddev_pop" => Self::StandardDeviation,
            "var" | "var_samp" | "var_sample" | "var_pop" | "var_population" => Self::Variance,
            "count" | "approx_distinct" => Self::Count,
            _ => Self::Other,
        }
    }

    /// The name in `cell_methods` (CF 1.11 appendix E), if there is one.
    pub(super) fn cf_name(self) -> Option<&'static str> {
        Some(match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Median => "median",
            Self::StandardDeviation => "standard_deviation",
            Self::Variance => "variance",
            Self::Percentile | Self::Pick | Self::Bits | Self::Count | Self::Other => return None,
        })
    }

    /// Are values of it values of the same quantity?
    pub(super) fn keeps_quantity(self) -> bool {
        match self {
            Self::Mean
            | Self::Sum
            | Self::Minimum
            | Self::Maximum
            | Self::Median
            | Self::Percentile
            | Self::Pick
            | Self::Bits
            | Self::StandardDeviation => true,
            Self::Variance | Self::Count | Self::Other => false,
        }
    }

    /// Is a value of `units` one of the same units after it?
    pub(super) fn keeps_units(self, units: &str) -> bool {
        match self {
            Self::Sum => is_additive(units),
            other => other.keeps_quantity(),
        }
    }

    /// Are the flags of the values still those of the result?
    pub(super) fn keeps_flags(self) -> bool {
        matches!(
            self,
            Self::Minimum | Self::Maximum | Self::Pick | Self::Bits
        )
    }

    /// Are differences of values what it is about, so that a temperature is one (CF 1.11 §3.1.2)?
    pub(super) fn is_difference(self) -> bool {
        self == Self::StandardDeviation
    }
}

/// Units of temperatures whose zero is a convention, in lower case.
const TEMPERATURE_SCALES: [&str; 10] = [
    "celsius",
    "degc",
    "degree_c",
    "degree_celsius",
    "degrees_c",
    "degrees_celsius",
    "°c",
    "degf",
    "degree_fahrenheit",
    "fahrenheit",
];

/// Do values add up to one of the same units? Those on a scale whose zero is a convention do not, and
/// neither do logarithms.
fn is_additive(units: &str) -> bool {
    let units = units.trim().to_ascii_lowercase();
    let is_scale = TEMPERATURE_SCALES.contains(&units.as_str()) || units.contains(" since ");
    let is_logarithm = ["db", "dbz"].contains(&units.as_str()) || units.starts_with("lg(");
    !is_scale && !is_logarithm
}

/// Is it a unit of temperature?
pub(super) fn is_temperature(units: &str) -> bool {
    let units = units.trim().to_ascii_lowercase();
    let kelvins = ["k", "kelvin", "degk", "degree_kelvin"];
    kelvins.contains(&units.as_str()) || TEMPERATURE_SCALES.contains(&units.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_scales_are_none() {
        for units in ["mm", "kg m-2", "1", "K", "m", ""] {
            assert!(Method::Sum.keeps_units(units), "{units}");
        }
        for units in [
            "degC",
            "degree_Celsius",
            "dBZ",
            "days since 2000-01-01",
            "lg(re 1 mW)",
        ] {
            assert!(!Method::Sum.keeps_units(units), "{units}");
        }
    }

    #[test]
    fn functions_have_methods() {
        let cases = [
            ("avg", Some("mean")),
            ("STDDEV_POP", Some("standard_deviation")),
            ("var_samp", Some("variance")),
            ("count", None),
        ];
        for (function, name) in cases {
            assert_eq!(Method::of_function(function).cf_name(), name, "{function}");
        }
        assert_eq!(Method::of_function("corr"), Method::Other);
    }
}
