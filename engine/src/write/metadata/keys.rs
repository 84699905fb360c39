//! Which times a group key stands for, read out of its expression.
//!
//! ```text
//!  date_trunc('month', time)                ─▶ Truncated(Month)
//!  date_bin(INTERVAL '8 days', time)        ─▶ Bins { step: 8 days, origin: 1970-01-01 }
//!  time_bucket(INTERVAL '8 days', time, 'year') ─▶ BinsOfYear(8 days)
//! ```

use arrow::datatypes::Field;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use graticule_functions::calendar::{Calendar, DatePart, MICROS_PER_DAY, Step, parse_civil};

use super::bounds::{TimeCells, width};
use crate::cube::metadata::CALENDAR;

impl TimeCells {
    /// The cells that a group key makes of the times of an axis, given the key's column for its
    /// calendar. `None` for an expression that is no such key, or that is not understood: then nothing
    /// is said of bounds.
    pub(crate) fn of_key(key: &Expr, field: &Field) -> Option<TimeCells> {
        let function = match key {
            Expr::Alias(alias) => return Self::of_key(&alias.expr, field),
            Expr::Cast(cast) => return Self::of_key(&cast.expr, field),
            Expr::ScalarFunction(function) => function,
            _ => return None,
        };
        match (function.name(), function.args.as_slice()) {
            ("date_trunc", [part, Expr::Column(_)]) => {
                let part = DatePart::parse(text(part)?)?;
                // Nothing is truncated to a day of the week or the like.
                let length = width(part, calendar(field)).ok();
                length.map(|_| Self::Truncated(part))
            }
            ("date_bin" | "time_bucket", [step, Expr::Column(_)]) => {
                let step = interval(step)?;
                Some(Self::Bins { step, origin: 0 })
            }
            ("time_bucket", [step, Expr::Column(_), origin])
                if text(origin).is_some_and(|origin| origin.eq_ignore_ascii_case("year")) =>
            {
                Some(Self::BinsOfYear(interval(step)?))
            }
            ("date_bin" | "time_bucket", [step, Expr::Column(_), origin]) => {
                let (origin, ahead) = parse_civil(text(origin)?).ok()?;
                let origin = calendar(field).micros(&origin).ok()? - ahead;
                let step = interval(step)?;
                Some(Self::Bins { step, origin })
            }
            _ => None,
        }
    }
}

fn calendar(field: &Field) -> Calendar {
    let stated = field.metadata().get(CALENDAR);
    let stated = stated.and_then(|name| Calendar::parse(name));
    stated.unwrap_or(Calendar::ProlepticGregorian)
}

/// A constant text, `TIMESTAMP '…'` included.
fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        Expr::Cast(cast) => text(&cast.expr),
        _ => None,
    }
}

/// A constant interval of either months or days and shorter.
fn interval(expression: &Expr) -> Option<Step> {
    let Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) = expression else {
        return None;
    };
    let step = Step {
        months: i64::from(interval.months),
        micros: i64::from(interval.days) * MICROS_PER_DAY + interval.nanoseconds / 1000,
    };
    ((step.months == 0) != (step.micros == 0)).then_some(step)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;

    use arrow::datatypes::{DataType, IntervalMonthDayNano, TimeUnit};
    use datafusion::logical_expr::{cast, col, lit};
    use graticule_functions::calendar::CivilTime;
    use graticule_functions::registry::own_functions;

    use super::*;

    fn every(months: i32, days: i32) -> Expr {
        let interval = IntervalMonthDayNano::new(months, days, 0);
        lit(ScalarValue::IntervalMonthDayNano(Some(interval)))
    }

    #[test]
    fn keys_are_recognised_or_left_alone() {
        let stamp = DataType::Timestamp(TimeUnit::Microsecond, None);
        let real = Field::new("time", stamp.clone(), true);
        let metadata = HashMap::from([(CALENDAR.to_string(), "360_day".to_string())]);
        let model = Field::new("time", DataType::Int64, true).with_metadata(metadata);
        let call = |name: &str, arguments: Vec<Expr>| {
            let functions = own_functions().into_iter();
            let mut function = functions.filter(|function| function.name() == name);
            function.next().unwrap().call(arguments)
        };
        let truncated = |part: &str| call("date_trunc", vec![lit(part), col("time")]);
        let bin = |arguments| call("date_bin", arguments);
        let bucket = |arguments| call("time_bucket", arguments);
        let days = |days| Step {
            months: 0,
            micros: days * MICROS_PER_DAY,
        };
        let months = |months| Step { months, micros: 0 };
        let origin =
            |calendar: Calendar| calendar.micros(&CivilTime::midnight(2000, 2, 15)).unwrap();
        let (day, month) = (every(0, 8), every(3, 0));
        let date = || lit("2000-02-15");
        let cases = [
            (
                &real,
                truncated("month"),
                Some(TimeCells::Truncated(DatePart::Month)),
            ),
            (
                &real,
                truncated("YEAR").alias("time"),
                Some(TimeCells::Truncated(DatePart::Year)),
            ),
            (
                &real,
                cast(truncated("day"), stamp.clone()),
                Some(TimeCells::Truncated(DatePart::Day)),
            ),
            (&real, truncated("doy"), None),
            (
                &real,
                bin(vec![day.clone(), col("time")]),
                Some(TimeCells::Bins {
                    step: days(8),
                    origin: 0,
                }),
            ),
            (
                &real,
                bin(vec![month.clone(), col("time"), cast(date(), stamp)]),
                Some(TimeCells::Bins {
                    step: months(3),
                    origin: origin(Calendar::ProlepticGregorian),
                }),
            ),
            (
                &model,
                bucket(vec![month, col("time"), date()]),
                Some(TimeCells::Bins {
                    step: months(3),
                    origin: origin(Calendar::Day360),
                }),
            ),
            (
                &real,
                bucket(vec![day.clone(), col("time"), lit("Year")]),
                Some(TimeCells::BinsOfYear(days(8))),
            ),
            (
                &real,
                bin(vec![day.clone(), col("time"), col("start")]),
                None,
            ),
            (&real, bin(vec![every(1, 1), col("time")]), None),
            (
                &real,
                call("date_trunc", vec![lit("month"), col("time") + day]),
                None,
            ),
            (&real, col("time"), None),
        ];
        for (field, key, expected) in cases {
            assert_eq!(TimeCells::of_key(&key, field), expected, "{key}");
        }
    }
}
