//! Attributes of features as columns: collected row by row, typed once all are known.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use serde_json::{Value, json};

/// The name of the column of geometries.
pub(super) const GEOMETRY: &str = "geometry";

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Number,
    /// Text as `2020-12-31`.
    Date,
    /// Text as `2020-12-31T23:59:59`, with or without an offset from UTC.
    Time,
    Text,
}

#[derive(Debug)]
struct Column {
    name: String,
    /// As the file declares it; otherwise what all values allow.
    kind: Option<Kind>,
    /// Ends before the last row where the rest is NULL.
    values: Vec<Value>,
}

/// Attributes of the rows so far.
#[derive(Debug, Default)]
pub(super) struct Columns {
    columns: Vec<Column>,
    by_name: HashMap<String, usize>,
    rows: usize,
}

impl Columns {
    /// Announces a column, so that it is there without values, too.
    pub(super) fn declare(&mut self, name: &str, kind: Option<Kind>) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        self.by_name.insert(name.to_string(), self.columns.len());
        self.columns.push(Column {
            name: name.to_string(),
            kind,
            values: Vec::new(),
        });
        self.columns.len() - 1
    }

    /// Adds a row.
    pub(super) fn add_row(&mut self, attributes: impl IntoIterator<Item = (String, Value)>) {
        for (name, value) in attributes {
            let at = self.declare(&name, None);
            let values = &mut self.columns[at].values;
            values.resize(self.rows, Value::Null);
            values.push(value);
        }
        self.rows += 1;
    }

    /// Adds a column that is there already, before all others. Its name gives way to an attribute's.
    pub(super) fn add_first(&mut self, name: &str, values: Vec<Option<Value>>) {
        let mut name = name.to_string();
        while self.by_name.contains_key(&name) {
            name = format!("feature_{name}");
        }
        self.columns.insert(
            0,
            Column {
                name,
                kind: None,
                values: values.into_iter().map(Option::unwrap_or_default).collect(),
            },
        );
        self.by_name.values_mut().for_each(|at| *at += 1);
    }

    /// The table: the attributes in the order in which they appeared, then the geometries as WKB.
    ///
    /// `crs` is an authority's code, WKT or PROJJSON.
    ///
    /// # Errors
    /// More than two gigabytes in one column.
    pub(super) fn finish(
        self,
        url: &str,
        geometries: Vec<Option<Vec<u8>>>,
        crs: Option<Crs>,
    ) -> CubeResult<RecordBatch> {
        let too_large = |name: &str| {
            CubeError::new(
                ErrorKind::Limit,
                url,
                format!("column {name} has more than two gigabytes"),
            )
            .remedy("split the file, or simplify its geometries")
        };
        let mut taken = HashSet::from([GEOMETRY.to_string()]);
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for mut column in self.columns {
            column.values.resize(self.rows, Value::Null);
            let array = column.array().ok_or_else(|| too_large(&column.name))?;
            let name = distinct(column.name, &mut taken);
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let total: usize = geometries.iter().flatten().map(Vec::len).sum();
        if i32::try_from(total).is_err() {
            return Err(too_large(GEOMETRY));
        }
        let metadata = geometry_metadata("geoarrow.wkb", crs, None);
        fields.push(Field::new(GEOMETRY, DataType::Binary, true).with_metadata(metadata));
        arrays.push(Arc::new(BinaryArray::from_iter(geometries)));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| CubeError::corrupt(url, error))
    }
}

/// A coordinate reference system as a file states it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Crs {
    /// `EPSG:4326`.
    Code(String),
    /// PROJJSON.
    Json(Value),
    /// Well-known text, of whatever edition.
    Text(String),
}

/// Metadata of a column of geometries, see <https://geoarrow.org/extension-types>.
pub(super) fn geometry_metadata(
    extension: &str,
    crs: Option<Crs>,
    edges: Option<&str>,
) -> HashMap<String, String> {
    let mut metadata = match crs {
        None => json!({}),
        Some(Crs::Code(code)) => json!({"crs": code, "crs_type": "authority_code"}),
        Some(Crs::Json(definition)) => json!({"crs": definition, "crs_type": "projjson"}),
        Some(Crs::Text(definition)) => json!({"crs": definition}),
    };
    if let Some(edges) = edges.filter(|edges| *edges != "planar") {
        metadata["edges"] = edges.into();
    }
    HashMap::from([
        ("ARROW:extension:name".to_string(), extension.to_string()),
        ("ARROW:extension:metadata".to_string(), metadata.to_string()),
    ])
}

/// Two columns of one name would make both unreachable.
pub(super) fn distinct(name: String, taken: &mut HashSet<String>) -> String {
    let candidates = (1..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.clone())
        .chain(candidates)
        .find(|candidate| !taken.contains(candidate))
        .unwrap_or(name);
    taken.insert(free.clone());
    free
}

impl Column {
    /// `None` for more text than an array holds.
    fn array(&self) -> Option<ArrayRef> {
        let kind = self.kind.unwrap_or_else(|| self.inferred());
        let values = self.values.iter();
        Some(match kind {
            Kind::Boolean => Arc::new(values.map(Value::as_bool).collect::<BooleanArray>()),
            Kind::Integer => Arc::new(values.map(Value::as_i64).collect::<Int64Array>()),
            Kind::Number => Arc::new(values.map(Value::as_f64).collect::<Float64Array>()),
            Kind::Date => Arc::new(values.map(days).collect::<Date32Array>()),
            Kind::Time => Arc::new(
                values
                    .map(microseconds)
                    .collect::<TimestampMicrosecondArray>(),
            ),
            Kind::Text => {
                let texts: Vec<Option<String>> = values.map(text).collect();
                let total: usize = texts.iter().flatten().map(String::len).sum();
                i32::try_from(total).ok()?;
                Arc::new(StringArray::from(texts))
            }
        })
    }

    /// The narrowest kind that holds all values.
    fn inferred(&self) -> Kind {
        let present = || self.values.iter().filter(|value| !value.is_null());
        let kinds: [(Kind, fn(&Value) -> bool); 5] = [
            (Kind::Boolean, Value::is_boolean),
            (Kind::Integer, |value| value.as_i64().is_some()),
            (Kind::Number, Value::is_number),
            (Kind::Date, |value| days(value).is_some()),
            (Kind::Time, |value| microseconds(value).is_some()),
        ];
        let fits = |(_, holds): &&(Kind, fn(&Value) -> bool)| {
            present().next().is_some() && present().all(holds)
        };
        kinds
            .iter()
            .find(fits)
            .map_or(Kind::Text, |(kind, _)| *kind)
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn days(value: &Value) -> Option<i32> {
    value.as_str().and_then(days_of)
}

/// Days since 1970.
pub(super) fn days_of(text: &str) -> Option<i32> {
    let text = Some(text).filter(|text| text.len() == "2020-12-31".len())?;
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    let epoch = DateTime::UNIX_EPOCH.date_naive();
    i32::try_from(date.signed_duration_since(epoch).num_days()).ok()
}

fn microseconds(value: &Value) -> Option<i64> {
    value.as_str().and_then(microseconds_of)
}

/// Microseconds since 1970.
pub(super) fn microseconds_of(text: &str) -> Option<i64> {
    let with_offset = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_micros());
    let civil = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    let time = with_offset.or_else(|_| civil().map(|time| time.and_utc().timestamp_micros()));
    time.ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow::util::pretty::pretty_format_columns;

    #[test]
    fn values_decide_on_types() {
        let cases = [
            (json!([true, null, false]), DataType::Boolean, "true,,false"),
            (json!([1, null, -3]), DataType::Int64, "1,,-3"),
            (json!([1, 2.5, null]), DataType::Float64, "1.0,2.5,"),
            (json!([1, 1e20]), DataType::Float64, "1.0,1e20"),
            (
                json!([9_007_199_254_740_993_u64]),
                DataType::Int64,
                "9007199254740993",
            ),
            (
                json!([u64::MAX]),
                DataType::Float64,
                "1.8446744073709552e19",
            ),
            (json!(["a", null]), DataType::Utf8, "a,"),
            (json!(["2020-02-29", null]), DataType::Date32, "2020-02-29,"),
            (json!(["2020-02-30"]), DataType::Utf8, "2020-02-30"),
            (
                json!(["2020-02-29", "later"]),
                DataType::Utf8,
                "2020-02-29,later",
            ),
            (
                json!([
                    "2020-02-29T12:00:00.5Z",
                    "2020-02-29T12:00:00+01:00",
                    "2020-02-29T12:00:00"
                ]),
                DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None),
                "2020-02-29T12:00:00.500,2020-02-29T11:00:00,2020-02-29T12:00:00",
            ),
            (
                json!([1, "a", true, {"b": [1]}, [2]]),
                DataType::Utf8,
                r#"1,a,true,{"b":[1]},[2]"#,
            ),
            (json!([null, null]), DataType::Utf8, ","),
        ];
        for (values, data_type, expected) in cases {
            let mut columns = Columns::default();
            let values = values.as_array().unwrap();
            for value in values {
                columns.add_row([("v".to_string(), value.clone())]);
            }
            let table = columns.finish("x", vec![None; values.len()], None).unwrap();
            assert_eq!(
                table.schema().field(0).data_type(),
                &data_type,
                "{values:?}"
            );
            let printed = pretty_format_columns("v", &[Arc::clone(table.column(0))])
                .unwrap()
                .to_string();
            let cells: Vec<&str> = printed
                .lines()
                .skip(3)
                .take(values.len())
                .map(|line| line.trim_matches(['|', ' ']))
                .collect();
            assert_eq!(cells.join(","), expected, "{values:?}");
        }
    }

    #[test]
    fn rows_may_lack_attributes() {
        let mut columns = Columns::default();
        columns.declare("none", Some(Kind::Integer));
        columns.add_row([("a".to_string(), json!(1))]);
        columns.add_row([
            (GEOMETRY.to_string(), json!("x")),
            ("geometry_1".to_string(), json!("y")),
        ]);
        columns.add_row([]);
        let table = columns.finish("x", vec![None; 3], None).unwrap();
        let schema = table.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        assert_eq!(names, ["none", "a", "geometry_1", "geometry_1_1", GEOMETRY]);
        assert_eq!(table.num_rows(), 3);
        assert_eq!(table.column(1).null_count(), 2);
    }
}
