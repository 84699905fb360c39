//! `pg_size_pretty(bytes)`: a size as a person reads it, rounded as PostgreSQL rounds.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// From the first that is followed by larger ones.
const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PrettySize {
    signature: Signature,
}

impl Default for PrettySize {
    fn default() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for PrettySize {
    fn name(&self) -> &'static str {
        "pg_size_pretty"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let sizes = args.args[0].to_array(args.number_rows)?;
        let sizes = cast(&sizes, &DataType::Int64)?;
        let sizes = sizes.as_primitive::<Int64Type>().iter();
        let texts: StringArray = sizes.map(|size| size.map(pretty)).collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

/// A unit holds sizes below 20480 of the one before, halves rounded away from zero.
fn pretty(size: i64) -> String {
    if size.unsigned_abs() < 10 * 1024 {
        return format!("{size} bytes");
    }
    // In halves of the unit.
    let mut halves = size / 512;
    let mut units = UNITS.iter().peekable();
    loop {
        let unit = units.next().unwrap_or(&"PB");
        if halves.unsigned_abs() < 20 * 1024 - 1 || units.peek().is_none() {
            return format!("{} {unit}", (halves + halves.signum()) / 2);
        }
        halves /= 1024;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL 15 has them.
    #[test]
    fn sizes_are_rounded_as_postgresql_rounds() {
        for (size, expected) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (-123_456, "-121 kB"),
            (10_485_247, "10239 kB"),
            (10_485_248, "10 MB"),
            (5_000_000_000, "4768 MB"),
            (i64::MAX, "8192 PB"),
        ] {
            assert_eq!(pretty(size), expected, "{size}");
        }
    }
}
