//! References that are told by a rule, the `gen` of sets of version 1: [`Generator`].
//!
//! ```text
//!  {"key": "sst/{{i}}.0", "url": "{{u}}{{i}}.nc", "offset": "{{i * 100}}", "length": "100",
//!   "dimensions": {"i": {"stop": 3}}}
//!     ─▶ sst/0.0  sst/1.0  sst/2.0
//! ```
//! Every combination of the values of the dimensions is one reference. A short rule may stand for very many, so
//! their number, the length of their texts and the steps that these take are bounded.

use std::ops::Range;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::references::{LONGEST_TEXTS, TableBuilder, range_of};
use super::templates::{Template, Templates, Value};

/// References of all rules of a set.
const MOST_REFERENCES: u64 = 4_000_000;

/// Dimensions of a rule.
const MOST_DIMENSIONS: usize = 32;

/// A rule that references follow.
#[derive(Debug, Deserialize)]
pub(super) struct Generator {
    key: String,
    url: String,
    offset: Option<Json>,
    length: Option<Json>,
    dimensions: Map<String, Json>,
}

/// The values of a dimension.
#[derive(Debug)]
enum Steps {
    Range { start: i64, step: i64, count: u64 },
    List(Vec<Value>),
}

impl Steps {
    fn parse(name: &str, stored: &Json) -> Result<Self, String> {
        let wrong = || format!("the values of the dimension {name:?} of a generator are not known");
        if let Some(values) = stored.as_array() {
            let value = |value: &Json| match value {
                Json::String(text) => Some(Value::Text(text.clone())),
                other => other.as_i64().map(Value::Number),
            };
            let values: Option<Vec<Value>> = values.iter().map(value).collect();
            return values.map(Self::List).ok_or_else(wrong);
        }
        let number = |name: &str, absent: Option<i64>| match stored.get(name) {
            None => absent,
            Some(value) => value.as_i64(),
        };
        let start = number("start", Some(0)).ok_or_else(wrong)?;
        let stop = number("stop", None).ok_or_else(wrong)?;
        let step = number("step", Some(1)).filter(|step| *step != 0);
        let step = step.ok_or_else(wrong)?;
        let distance = match step > 0 {
            true => i128::from(stop) - i128::from(start),
            false => i128::from(start) - i128::from(stop),
        };
        let size = i128::from(step).abs();
        let count = (distance.max(0) + size - 1) / size;
        Ok(Self::Range {
            start,
            step,
            count: u64::try_from(count).map_err(|_| wrong())?,
        })
    }

    fn count(&self) -> u64 {
        match self {
            Self::Range { count, .. } => *count,
            Self::List(values) => values.len() as u64,
        }
    }

    /// The value at `at`, which is below the count.
    fn value(&self, at: u64) -> Value {
        match self {
            Self::Range { start, step, .. } => {
                Value::Number(start.wrapping_add(step.wrapping_mul(at as i64)))
            }
            Self::List(values) => values.get(at as usize).cloned().unwrap_or(Value::Number(0)),
        }
    }
}

/// What is left of the limits.
#[derive(Debug)]
struct Allowance {
    references: u64,
    /// Bytes of keys and URLs.
    texts: usize,
}

/// Adds the references of all rules.
///
/// # Errors
/// A rule makes no sense, or they stand for too many references.
pub(super) fn generate(
    generators: &[Generator],
    templates: &Templates,
    builder: &mut TableBuilder,
) -> Result<(), String> {
    let mut allowance = Allowance {
        references: MOST_REFERENCES,
        texts: LONGEST_TEXTS,
    };
    for generator in generators {
        generator.generate(templates, builder, &mut allowance)?;
    }
    Ok(())
}

impl Generator {
    fn generate(
        &self,
        templates: &Templates,
        builder: &mut TableBuilder,
        allowance: &mut Allowance,
    ) -> Result<(), String> {
        let too_many =
            || format!("the generators stand for more than {MOST_REFERENCES} references");
        if self.dimensions.len() > MOST_DIMENSIONS {
            return Err(format!(
                "a generator has more than {MOST_DIMENSIONS} dimensions"
            ));
        }
        let dimensions: Vec<(String, Steps)> = self
            .dimensions
            .iter()
            .map(|(name, steps)| Ok((name.clone(), Steps::parse(name, steps)?)))
            .collect::<Result<_, String>>()?;
        let counts = dimensions.iter().map(|(_, steps)| steps.count());
        let total = counts.fold(1, u64::saturating_mul);
        allowance.references = allowance
            .references
            .checked_sub(total)
            .ok_or_else(too_many)?;
        let key = Template::parse(&self.key)?;
        let url = Template::parse(&self.url)?;
        let range = match (&self.offset, &self.length) {
            (Some(offset), Some(length)) => Some((number(offset)?, number(length)?)),
            (None, None) => None,
            _ => {
                return Err(
                    "a generator has an offset without a length, or a length without an offset"
                        .into(),
                );
            }
        };
        for combination in 0..total {
            let names = names(&dimensions, combination);
            for (_, value) in &names {
                templates.spend(value.length())?;
            }
            let key = templates.render(&key, &names)?;
            let url = templates.render(&url, &names)?;
            let range: Option<Range<u64>> = match &range {
                None => None,
                Some((offset, length)) => {
                    let whole = |template| whole_number(&templates.render(template, &names)?);
                    Some(range_of(whole(offset)?, whole(length)?)?)
                }
            };
            allowance.texts = allowance
                .texts
                .checked_sub(key.len() + url.len())
                .ok_or_else(too_many)?;
            builder.file(&key, &url, range)?;
        }
        Ok(())
    }
}

/// The values of the dimensions, the last one running fastest.
fn names(dimensions: &[(String, Steps)], combination: u64) -> Vec<(String, Value)> {
    let mut rest = combination;
    let backwards = dimensions.iter().rev().map(|(name, steps)| {
        // There are no combinations where a count is zero.
        let count = steps.count().max(1);
        let value = steps.value(rest % count);
        rest /= count;
        (name.clone(), value)
    });
    backwards.collect()
}

/// An offset or a length: a number, or a text that becomes one.
fn number(stored: &Json) -> Result<Template, String> {
    match stored {
        Json::String(text) => Template::parse(text),
        other => Template::parse(&other.to_string()),
    }
}

fn whole_number(text: &str) -> Result<u64, String> {
    let number = text.trim().parse();
    number.map_err(|_| format!("the offset or length {text:?} of a generator is no whole number"))
}
