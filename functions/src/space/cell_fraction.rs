//! `cell_fraction(geometry, lat, lon [, lat_step, lon_step])`: how much of a row's cell a geometry covers.
//!
//! Rows that come together mostly belong to the same geometry and to neighbouring cells, so the geometry is
//! laid on all their cells at once:
//!
//! ```text
//!  latitudes and longitudes of the rows ──▶ distinct, sorted ──▶ bounds ──▶ ZoneCover ──▶ a fraction per row
//! ```

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::types::{logical_binary, logical_float64};
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    Coercion, ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, TypeSignatureClass, Volatility,
};
use datafusion::scalar::ScalarValue;
use geo_types::Geometry;

use super::cell_size::{band, constants, is_projected, no_constant, size, unknown_size};
use super::zones::{Measure, Plane, ZoneCover, ZoneError, geometries};

const NAME: &str = "cell_fraction";
const EXAMPLE: &str = "cell_fraction(geometry, lat, lon, 0.25, 0.25)";

/// `cell_fraction(geometry, lat, lon [, lat_step, lon_step])`.
pub fn cell_fraction() -> ScalarUDF {
    let binary = Coercion::new_exact(TypeSignatureClass::Native(logical_binary()));
    let number = Coercion::new_exact(TypeSignatureClass::Native(logical_float64()));
    let shown = TypeSignature::Coercible(vec![binary, number.clone(), number]);
    CellFraction {
        // The first variant shows in SHOW FUNCTIONS, the others take any encoding of geometries.
        signature: Signature::one_of(
            vec![shown, TypeSignature::Any(3), TypeSignature::Any(5)],
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Fraction of the area of the cell around a latitude and a longitude that a polygon covers, between 0 and 1. Edges are straight lines in latitude and longitude; longitudes from 0 to 360 and from -180 to 180 both work. On axes that are measured in other units than degrees it is the fraction in the plane.",
        "cell_fraction(geometry, lat, lon [, lat_step, lon_step])",
    )
    .with_argument("geometry", "Polygon, in the coordinates of the grid.")
    .with_argument("lat", "Latitude of the cell's centre in degrees, or y of a projected grid.")
    .with_argument("lon", "Longitude of the cell's centre in degrees, or x of a projected grid.")
    .with_argument("lat_step", "Height of the cell. Cells of a cube with equal steps know it.")
    .with_argument("lon_step", "Width of the cell. Cells of a cube with equal steps know it.")
    .with_related_udf("cell_area")
    .with_sql_example(
        r#"```sql
> SELECT lat, round(cell_fraction(ST_GeomFromText('POLYGON((0 0, 1 0, 1 90, 0 90, 0 0))'), lat, lon), 6) AS fraction FROM grid ORDER BY lat;
+------+----------+
| lat  | fraction |
+------+----------+
| 0.5  | 0.5      |
| 60.5 | 0.5      |
| 89.5 | 0.5      |
+------+----------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct CellFraction {
    signature: Signature,
}

/// The sizes of cells along latitude and longitude.
fn sizes(columns: &[FieldRef], arguments: &[Option<&ScalarValue>]) -> Result<[Option<f64>; 2]> {
    let mut known = [None; 2];
    for (at, known) in known.iter_mut().enumerate() {
        let Some(column) = columns.get(1 + at) else {
            return internal_err!("{NAME} takes a latitude and a longitude");
        };
        *known = match (columns.len(), arguments.get(3 + at)) {
            (3, _) => size(NAME, column, None)?,
            (_, Some(Some(argument))) => size(NAME, column, Some(argument))?,
            // While a query is planned, a constant may still be an expression.
            _ => None,
        };
    }
    Ok(known)
}

impl ScalarUDFImpl for CellFraction {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let sizes = sizes(args.arg_fields, args.scalar_arguments)?;
        for (column, size) in args.arg_fields.iter().skip(1).zip(sizes) {
            // SHOW FUNCTIONS asks for the type without a column; what is wrong then shows on the first row.
            if size.is_none() && args.arg_fields.len() == 3 && !column.metadata().is_empty() {
                return unknown_size(NAME, column, EXAMPLE);
            }
        }
        Ok(Arc::new(Field::new(NAME, DataType::Float64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = constants(&args.args);
        let [geometry, latitude, longitude, ..] = args.args.as_slice() else {
            return internal_err!("{NAME} takes a geometry, a latitude and a longitude");
        };
        let [geometry_field, latitude_field, longitude_field, ..] = args.arg_fields.as_slice()
        else {
            return internal_err!("{NAME} takes a geometry, a latitude and a longitude");
        };
        let steps = match sizes(&args.arg_fields, &arguments)? {
            [Some(height), Some(width)] => [height, width],
            _ if args.args.len() > 3 => return no_constant(NAME, EXAMPLE),
            [None, _] => return unknown_size(NAME, latitude_field, EXAMPLE),
            [_, None] => return unknown_size(NAME, longitude_field, EXAMPLE),
        };
        let degrees = |value: &ColumnarValue| -> Result<ArrayRef> {
            Ok(arrow::compute::cast(
                &value.to_array(args.number_rows)?,
                &DataType::Float64,
            )?)
        };
        let (latitudes, longitudes) = (degrees(latitude)?, degrees(longitude)?);
        let cells = Cells {
            y: latitudes.as_primitive(),
            x: longitudes.as_primitive(),
            steps,
            is_projected: is_projected(latitude_field),
        };
        let is_one = matches!(geometry, ColumnarValue::Scalar(_));
        let geometry = geometry.to_array(if is_one { 1 } else { args.number_rows })?;
        let geometries = geometries(geometry.as_ref(), geometry_field).map_err(refused)?;
        let mut fractions = vec![None; args.number_rows];
        match geometries.as_slice() {
            [one] if is_one => cells.cover(one.as_ref(), 0, &mut fractions)?,
            several => {
                let mut start = 0;
                for same in several.chunk_by(|a, b| a == b) {
                    let end = start + same.len();
                    let geometry = same.first().and_then(Option::as_ref);
                    cells.cover(geometry, start, &mut fractions[start..end])?;
                    start = end;
                }
            }
        }
        Ok(ColumnarValue::Array(Arc::new(Float64Array::from(
            fractions,
        ))))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}

fn refused(error: ZoneError) -> DataFusionError {
    DataFusionError::Execution(format!("{NAME}: {error}"))
}

/// The cells of all rows.
struct Cells<'a> {
    y: &'a Float64Array,
    x: &'a Float64Array,
    /// Height and width.
    steps: [f64; 2],
    is_projected: bool,
}

impl Cells<'_> {
    /// Fills in the fractions of the rows from `start` on. NULL where a coordinate or the geometry is.
    fn cover(
        &self,
        geometry: Option<&Geometry>,
        start: usize,
        fractions: &mut [Option<f64>],
    ) -> Result<()> {
        let Some(geometry) = geometry else {
            return Ok(());
        };
        let rows = start..start + fractions.len();
        let (y, x) = (places(self.y, rows.clone()), places(self.x, rows));
        let [height, width] = self.steps;
        let (measure, period) = match self.is_projected {
            true => (Measure::Plane, None),
            false => (Measure::Sphere, Some(360.0)),
        };
        let y_bounds = Bounds::new(&y, |centre| match measure {
            Measure::Plane => [centre - height / 2.0, centre + height / 2.0],
            Measure::Sphere => band(centre, height),
        });
        let x_bounds = Bounds::new(&x, |centre| [centre - width / 2.0, centre + width / 2.0]);
        let (Some(y_bounds), Some(x_bounds)) = (y_bounds, x_bounds) else {
            // Cells that overlap are those of no grid.
            return fractions
                .chunks_mut(1)
                .enumerate()
                .try_for_each(|(at, fraction)| self.cover(Some(geometry), start + at, fraction));
        };
        let plane = Plane::new(&x_bounds.values, &y_bounds.values, period).map_err(refused)?;
        let cover = ZoneCover::new(&plane, start, geometry, measure).map_err(refused)?;
        for (at, fraction) in fractions.iter_mut().enumerate() {
            let row = start + at;
            if self.y.is_valid(row) && self.x.is_valid(row) {
                let (row, cell) = (
                    y_bounds.cell(&y, place(self.y, row)),
                    x_bounds.cell(&x, place(self.x, row)),
                );
                *fraction = row.zip(cell).map(|(row, cell)| cover.fraction(row, cell));
            }
        }
        Ok(())
    }
}

/// The distinct coordinates of some rows in rising order.
fn places(column: &Float64Array, rows: std::ops::Range<usize>) -> Vec<f64> {
    let mut places: Vec<f64> = rows
        .filter(|row| column.is_valid(*row))
        .map(|row| place(column, row))
        .filter(|place| place.is_finite())
        .collect();
    places.sort_unstable_by(f64::total_cmp);
    places.dedup();
    places
}

/// The coordinate of a row, where 0 has no sign.
fn place(column: &Float64Array, row: usize) -> f64 {
    column.value(row) + 0.0
}

/// Bounds of cells that need not be neighbours: where they are not, a cell of no row lies between them.
struct Bounds {
    values: Vec<f64>,
    /// For each place the cell that it is the centre of; `None` for a cell of no size, beyond a pole.
    cells: Vec<Option<u32>>,
}

/// Neighbouring cells share a bound although it is not exactly the same number, reckoned from either.
const ROUNDING: f64 = 1e-6;

impl Bounds {
    /// `None` where cells overlap.
    fn new(places: &[f64], cell: impl Fn(f64) -> [f64; 2]) -> Option<Self> {
        let mut values: Vec<f64> = Vec::with_capacity(places.len() + 1);
        let mut cells = Vec::with_capacity(places.len());
        for place in places {
            let [low, high] = cell(*place);
            if high <= low {
                cells.push(None);
                continue;
            }
            let slack = (high - low) * ROUNDING;
            match values.last() {
                Some(last) if (low - last).abs() <= slack => {}
                Some(last) if low < *last => return None,
                _ => values.push(low),
            }
            cells.push(u32::try_from(values.len() - 1).ok());
            values.push(high);
        }
        Some(Bounds { values, cells })
    }

    fn cell(&self, places: &[f64], place: f64) -> Option<u32> {
        let at = places
            .binary_search_by(|other| other.total_cmp(&place))
            .ok()?;
        self.cells.get(at).copied().flatten()
    }
}
