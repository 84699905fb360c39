//! `cell_area(lat, lon [, lat_step, lon_step])` and `lat_weight(lat [, lat_step])`: the area of a row's cell.

use std::sync::{Arc, LazyLock};

use arrow::array::types::Float64Type;
use arrow::array::{AsArray, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TypeSignature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::cell_size::{
    area, constants, is_projected, no_constant, share_of_band, size, unknown_size,
};

/// `cell_area(lat, lon [, lat_step, lon_step])`.
pub fn cell_area() -> ScalarUDF {
    CellMeasure::new(Measured::Area, 2).into()
}

/// `lat_weight(lat [, lat_step])`.
pub fn lat_weight() -> ScalarUDF {
    CellMeasure::new(Measured::ShareOfBand, 1).into()
}

static CELL_AREA: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Area in square metres of the cell around a latitude and a longitude, on the WGS 84 ellipsoid. Cells of a cube with equal steps know their size; for others it has to be stated. Cells end at the poles.",
        "cell_area(lat, lon [, lat_step, lon_step])",
    )
    .with_argument("lat", "Latitude of the cell's centre in degrees.")
    .with_argument("lon", "Longitude of the cell's centre in degrees.")
    .with_argument("lat_step", "Height of the cell in degrees.")
    .with_argument("lon_step", "Width of the cell in degrees.")
    .with_related_udf("lat_weight")
    .with_sql_example(
        r#"```sql
> SELECT lat, round(cell_area(lat, lon) / 1e6) AS km2, round(cell_area(lat, lon, 0.5, 0.5) / 1e6) AS of_half_a_degree FROM grid ORDER BY lat;
+------+---------+------------------+
| lat  | km2     | of_half_a_degree |
+------+---------+------------------+
| 0.5  | 12308.0 | 3077.0           |
| 60.5 | 6123.0  | 1531.0           |
| 89.5 | 109.0   | 27.0             |
+------+---------+------------------+
```"#,
    )
    .build()
});

static LAT_WEIGHT: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Part of the Earth's surface that lies between the bounds of the cells around a latitude: the weight of a row of cells in a mean over area. On the WGS 84 ellipsoid.",
        "lat_weight(lat [, lat_step])",
    )
    .with_argument("lat", "Latitude of the cell's centre in degrees.")
    .with_argument("lat_step", "Height of the cell in degrees.")
    .with_related_udf("cell_area")
    .with_related_udf("area_avg")
    .with_sql_example(
        r#"```sql
> SELECT lat, round(lat_weight(lat), 6) AS weight FROM grid ORDER BY lat;
+------+----------+
| lat  | weight   |
+------+----------+
| 0.5  | 0.008687 |
| 60.5 | 0.004322 |
| 89.5 | 0.000077 |
+------+----------+
```"#,
    )
    .build()
});

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Measured {
    Area,
    ShareOfBand,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CellMeasure {
    measured: Measured,
    /// How many coordinates come first; as many sizes may follow.
    coordinates: usize,
    signature: Signature,
}

impl CellMeasure {
    fn new(measured: Measured, coordinates: usize) -> Self {
        let numbers = |count: usize| TypeSignature::Exact(vec![DataType::Float64; count]);
        CellMeasure {
            measured,
            coordinates,
            signature: Signature::one_of(
                vec![numbers(coordinates), numbers(2 * coordinates)],
                Volatility::Immutable,
            ),
        }
    }

    fn example(&self) -> &'static str {
        match self.measured {
            Measured::Area => "cell_area(lat, lon, 0.25, 0.25)",
            Measured::ShareOfBand => "lat_weight(lat, 0.25) and area_avg(v, lat, 0.25)",
        }
    }

    /// The sizes of cells along each coordinate, `None` where it is not known, or not yet: while a query is
    /// planned, a constant may still be an expression.
    fn sizes(
        &self,
        columns: &[FieldRef],
        arguments: &[Option<&ScalarValue>],
    ) -> Result<Vec<Option<f64>>> {
        let states_sizes = columns.len() > self.coordinates;
        let sizes = columns.iter().take(self.coordinates).enumerate();
        sizes
            .map(|(at, column)| {
                if is_projected(column) {
                    return plan_err!(
                        "{} needs latitudes and longitudes in degrees, but {} is measured in {}",
                        self.name(),
                        column.name(),
                        column.metadata().get("units").map_or("", String::as_str)
                    );
                }
                if !states_sizes {
                    return size(self.name(), column, None);
                }
                match arguments.get(self.coordinates + at) {
                    Some(Some(argument)) => size(self.name(), column, Some(argument)),
                    _ => Ok(None),
                }
            })
            .collect()
    }
}

impl ScalarUDFImpl for CellMeasure {
    fn name(&self) -> &str {
        match self.measured {
            Measured::Area => "cell_area",
            Measured::ShareOfBand => "lat_weight",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("{} derives its type from fields", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let sizes = self.sizes(args.arg_fields, args.scalar_arguments)?;
        let states_sizes = args.arg_fields.len() > self.coordinates;
        for (column, size) in args.arg_fields.iter().zip(sizes) {
            // SHOW FUNCTIONS asks for the type without a column; what is wrong then shows on the first row.
            if size.is_none() && !states_sizes && !column.metadata().is_empty() {
                return unknown_size(self.name(), column, self.example());
            }
        }
        let mut coordinates = args.arg_fields.iter().take(self.coordinates);
        let nullable = coordinates.any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Float64,
            nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arguments = constants(&args.args);
        let mut known = Vec::new();
        for (column, size) in args
            .arg_fields
            .iter()
            .zip(self.sizes(&args.arg_fields, &arguments)?)
        {
            match size {
                Some(size) => known.push(size),
                None if args.args.len() > self.coordinates => {
                    return no_constant(self.name(), self.example());
                }
                None => return unknown_size(self.name(), column, self.example()),
            }
        }
        let measure = |latitude: f64| match (self.measured, known.as_slice()) {
            (Measured::Area, [height, width]) => area(latitude, *height, *width),
            (_, [height, ..]) => share_of_band(latitude, *height),
            (_, []) => f64::NAN,
        };
        let Some(latitudes) = args.args.first() else {
            return internal_err!("{} takes a latitude", self.name());
        };
        let coordinates = args.args.iter().take(self.coordinates);
        let coordinates: Vec<ColumnarValue> = coordinates.cloned().collect();
        if coordinates
            .iter()
            .all(|value| matches!(value, ColumnarValue::Scalar(_)))
        {
            let areas = measured(latitudes, &coordinates, 1, measure)?;
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &areas, 0,
            )?));
        }
        let areas = measured(latitudes, &coordinates, args.number_rows, measure)?;
        Ok(ColumnarValue::Array(Arc::new(areas)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(match self.measured {
            Measured::Area => &CELL_AREA,
            Measured::ShareOfBand => &LAT_WEIGHT,
        })
    }
}

/// What `measure` says of each latitude; NULL where any coordinate is. Neighbouring rows mostly share a latitude.
fn measured(
    latitudes: &ColumnarValue,
    coordinates: &[ColumnarValue],
    rows: usize,
    measure: impl Fn(f64) -> f64,
) -> Result<Float64Array> {
    let latitudes = latitudes.to_array(rows)?;
    let latitudes = latitudes.as_primitive::<Float64Type>();
    let mut last = (f64::NAN, f64::NAN);
    let values: Vec<f64> = latitudes
        .values()
        .iter()
        .map(|latitude| {
            if *latitude != last.0 {
                last = (*latitude, measure(*latitude));
            }
            last.1
        })
        .collect();
    let mut nulls = None;
    for coordinate in coordinates {
        let coordinate = coordinate.to_array(rows)?;
        nulls =
            arrow::buffer::NullBuffer::union(nulls.as_ref(), coordinate.logical_nulls().as_ref());
    }
    Ok(Float64Array::new(values.into(), nulls))
}
