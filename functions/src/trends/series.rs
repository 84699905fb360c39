//! What aggregates over series have in common: [`SeriesAggregate`] keeps the pairs of a group.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::mem::{size_of, size_of_val};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, TimeUnit};
use datafusion::common::{Result, exec_err, internal_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, Documentation, Signature, TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;

/// A function of a series.
pub(super) trait SeriesFunction: Debug + Send + Sync + 'static {
    /// Its name in SQL.
    const NAME: &'static str;
    /// Does its result depend on how far apart the places of the series lie, not on their order alone?
    const MEASURES: bool;

    /// What it is, with an example.
    fn documentation() -> &'static Documentation;

    /// Type of its values.
    fn value_type() -> DataType {
        DataType::Float64
    }

    /// Type of its result.
    fn result_type() -> DataType;

    /// Its result for pairs of place and value in the order of the places.
    ///
    /// # Errors
    /// The result cannot be put together.
    fn result(series: &[(f64, f64)]) -> Result<ScalarValue>;
}

/// An aggregate of DataFusion's out of a function of a series.
#[derive(Debug)]
pub(super) struct SeriesAggregate<F> {
    signature: Signature,
    function: std::marker::PhantomData<fn() -> F>,
}

impl<F: SeriesFunction> SeriesAggregate<F> {
    pub(super) fn new() -> Self {
        let times = [
            DataType::Timestamp(TimeUnit::Microsecond, None),
            DataType::Date32,
        ];
        let ordering = times.into_iter().filter(|_| !F::MEASURES);
        let places = std::iter::once(DataType::Float64).chain(ordering);
        let variants = places.map(|place| TypeSignature::Exact(vec![F::value_type(), place]));
        Self {
            signature: Signature::one_of(variants.collect(), Volatility::Immutable),
            function: std::marker::PhantomData,
        }
    }
}

impl<F: SeriesFunction> PartialEq for SeriesAggregate<F> {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl<F: SeriesFunction> Eq for SeriesAggregate<F> {}

impl<F: SeriesFunction> Hash for SeriesAggregate<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        F::NAME.hash(state);
    }
}

impl<F: SeriesFunction> AggregateUDFImpl for SeriesAggregate<F> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(F::result_type())
    }

    fn accumulator(&self, _arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Pairs::<F> {
            pairs: Vec::new(),
            function: std::marker::PhantomData,
        }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = || DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)));
        let field = |part: &str| {
            Arc::new(Field::new(
                format!("{} {part}", arguments.name),
                list(),
                true,
            ))
        };
        Ok(vec![field("places"), field("values")])
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(F::documentation())
    }
}

/// The pairs of a group.
#[derive(Debug)]
struct Pairs<F> {
    pairs: Vec<(f64, f64)>,
    function: std::marker::PhantomData<fn() -> F>,
}

impl<F> Pairs<F> {
    fn add(&mut self, places: &Float64Array, values: &Float64Array) {
        let both = places.iter().zip(values.iter());
        let whole = both.filter_map(|(place, value)| place.zip(value));
        self.pairs
            .extend(whole.filter(|(place, value)| !place.is_nan() && !value.is_nan()));
    }
}

impl<F: SeriesFunction> Accumulator for Pairs<F> {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let [values, places] = columns else {
            return internal_err!("{} takes two columns, not {}", F::NAME, columns.len());
        };
        let (places, values) = (numbers(places)?, numbers(values)?);
        self.add(
            places.as_primitive::<Float64Type>(),
            values.as_primitive::<Float64Type>(),
        );
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [places, values] = states else {
            return internal_err!("{} has two states, not {}", F::NAME, states.len());
        };
        let (places, values) = (places.as_list::<i32>(), values.as_list::<i32>());
        for (places, values) in places.iter().zip(values.iter()) {
            if let (Some(places), Some(values)) = (places, values) {
                self.add(
                    places.as_primitive::<Float64Type>(),
                    values.as_primitive::<Float64Type>(),
                );
            }
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let list = |of: fn(&(f64, f64)) -> f64| {
            let numbers: Vec<ScalarValue> = self
                .pairs
                .iter()
                .map(|pair| ScalarValue::from(of(pair)))
                .collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&numbers, &DataType::Float64))
        };
        Ok(vec![list(|pair| pair.0), list(|pair| pair.1)])
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
        if let Some(pair) = self.pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return exec_err!(
                "{} has two values for the place {} of a series; group by the other axes, too, or reduce them first",
                F::NAME,
                pair[0].0
            );
        }
        F::result(&self.pairs)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.pairs.capacity() * size_of::<(f64, f64)>()
    }
}

/// A column as numbers: times as what they count.
fn numbers(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Date32 => Ok(cast(&cast(column, &DataType::Int32)?, &DataType::Float64)?),
        temporal if temporal.is_temporal() => {
            Ok(cast(&cast(column, &DataType::Int64)?, &DataType::Float64)?)
        }
        _ => Ok(cast(column, &DataType::Float64)?),
    }
}
