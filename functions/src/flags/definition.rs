//! The flags that a column's metadata define, and how to test a value for one of them.

use arrow::array::types::{Int64Type, UInt64Type};
use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, plan_datafusion_err, plan_err};

use crate::metadata::{FLAG_MASKS, FLAG_MEANINGS, FLAG_VALUES};

/// The flags of one column.
#[derive(Debug)]
pub(super) struct FlagDefinition {
    flags: Vec<(String, FlagTest)>,
    /// The bits that the column's type has.
    width: i64,
}

/// When a flag is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagTest {
    /// Any of the bits is set.
    Bits(i64),
    /// The bits below the mask have a value.
    Equals {
        /// The bits that count.
        mask: i64,
        /// Their value.
        value: i64,
    },
}

impl FlagTest {
    pub(super) fn is_set(self, bits: i64) -> bool {
        match self {
            Self::Bits(mask) => bits & mask != 0,
            Self::Equals { mask, value } => bits & mask == value,
        }
    }
}

impl FlagDefinition {
    /// The flags of a column.
    ///
    /// # Errors
    /// The column is no number, has no flags, or its attributes contradict each other.
    pub(super) fn of(field: &Field) -> Result<Self> {
        let name = field.name();
        let metadata = field.metadata();
        let Some(meanings) = metadata.get(FLAG_MEANINGS) else {
            return plan_err!(
                "'{name}' has no flags: it lacks the attribute {FLAG_MEANINGS}; use a column of flags as the data have it, not an expression on it"
            );
        };
        if !field.data_type().is_numeric() {
            return plan_err!(
                "'{name}' is of type {}, but flags are numbers",
                field.data_type()
            );
        }
        let width = bits_of(field.data_type());
        let names: Vec<&str> = meanings.split_whitespace().collect();
        let numbers = |key: &str| -> Result<Option<Vec<i64>>> {
            let Some(text) = metadata.get(key) else {
                return Ok(None);
            };
            let numbers = parse_numbers(text).ok_or_else(|| {
                plan_datafusion_err!(
                    "the attribute {key} of '{name}' is no list of integers: {text}"
                )
            })?;
            if numbers.len() != names.len() {
                return plan_err!(
                    "'{name}' has {} names in {FLAG_MEANINGS} but {} numbers in {key}",
                    names.len(),
                    numbers.len()
                );
            }
            Ok(Some(
                numbers.into_iter().map(|number| number & width).collect(),
            ))
        };
        let tests: Vec<FlagTest> = match (numbers(FLAG_MASKS)?, numbers(FLAG_VALUES)?) {
            (Some(masks), None) => masks.into_iter().map(FlagTest::Bits).collect(),
            (None, Some(values)) => values
                .into_iter()
                .map(|value| FlagTest::Equals { mask: width, value })
                .collect(),
            (Some(masks), Some(values)) => masks
                .into_iter()
                .zip(values)
                .map(|(mask, value)| FlagTest::Equals { mask, value })
                .collect(),
            (None, None) => {
                return plan_err!(
                    "'{name}' has {FLAG_MEANINGS} but neither {FLAG_MASKS} nor {FLAG_VALUES}"
                );
            }
        };
        Ok(Self {
            flags: names.into_iter().map(String::from).zip(tests).collect(),
            width,
        })
    }

    /// The tests of the flags of that name.
    ///
    /// # Errors
    /// There is no such flag.
    pub(super) fn tests(&self, column: &str, flag: &str) -> Result<Vec<FlagTest>> {
        let tests: Vec<FlagTest> = self
            .flags
            .iter()
            .filter(|(name, _)| name == flag)
            .map(|(_, test)| *test)
            .collect();
        if tests.is_empty() {
            let names: Vec<&str> = self.flags.iter().map(|(name, _)| name.as_str()).collect();
            return plan_err!(
                "'{column}' has no flag '{flag}'; its flags are {}",
                names.join(", ")
            );
        }
        Ok(tests)
    }

    /// The names of the flags that are set.
    pub(super) fn names(&self, bits: i64) -> impl Iterator<Item = &str> {
        self.flags
            .iter()
            .filter(move |(_, test)| test.is_set(bits))
            .map(|(name, _)| name.as_str())
    }

    /// The bits of each value of the column.
    pub(super) fn bits(&self, values: &ArrayRef) -> Result<Int64Array> {
        let bits: Int64Array = match values.data_type() {
            DataType::UInt64 => values.as_primitive::<UInt64Type>().unary(u64::cast_signed),
            _ => {
                let exactly = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                let integers = cast_with_options(values, &DataType::Int64, &exactly)?;
                integers.as_primitive::<Int64Type>().clone()
            }
        };
        Ok(bits.unary(|bits| bits & self.width))
    }
}

/// The bits that values of a type have; those of floating-point numbers are whole numbers.
fn bits_of(data_type: &DataType) -> i64 {
    match data_type {
        DataType::Int8 | DataType::UInt8 => 0xff,
        DataType::Int16 | DataType::UInt16 => 0xffff,
        DataType::Int32 | DataType::UInt32 => 0xffff_ffff,
        _ => -1,
    }
}

fn parse_numbers(text: &str) -> Option<Vec<i64>> {
    text.trim_matches(['[', ']', ' '])
        .split([',', ' '])
        .filter(|number| !number.is_empty())
        .map(|number| {
            let signed = number.parse::<i64>().ok();
            signed.or_else(|| number.parse::<u64>().ok().map(u64::cast_signed))
        })
        .collect()
}
