//! FlatGeobuf: features one after the other behind a header and an index that reading all of it skips.
//!
//! ```text
//!  fgb 3 fgb ┆ length header ┆ index ┆ length feature ┆ length feature ┆ …
//! ```
//! Source: the schemas of <https://flatgeobuf.org>, version 3. The crate checks that the buffers of the header
//! and of each feature are sound; what they say is checked here.

use ::flatgeobuf::{
    ColumnType, Feature, Geometry, GeometryType, Header, size_prefixed_root_as_feature,
    size_prefixed_root_as_header,
};
use arrow::array::RecordBatch;
use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Layer, Location, TableFormat};
use serde_json::{Number, Value};

use super::columns::{Columns, Crs, Kind as ValueKind};
use super::wkb::{Kind, Position, Writer};
use super::{parse, read_whole};

/// Reads FlatGeobuf.
#[derive(Debug)]
pub(super) struct FlatGeobuf;

#[async_trait]
impl TableFormat for FlatGeobuf {
    fn name(&self) -> &'static str {
        "FLATGEOBUF"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".fgb"]
    }

    async fn read(&self, location: &Location) -> CubeResult<Vec<Layer>> {
        let bytes = read_whole(location).await?;
        let url = &location.url;
        Ok(vec![parse(url, || table(&bytes, url))?.into()])
    }
}

/// Length of what comes before the header, and of the number that precedes each buffer.
const MAGIC: usize = 8;
const LENGTH: usize = 4;

/// Bytes of a node of the index: a box and an offset.
const NODE: u64 = 40;

fn table(bytes: &[u8], url: &str) -> CubeResult<RecordBatch> {
    let broken = |cause: String| {
        CubeError::corrupt(url, cause).remedy("copy the file again from its source")
    };
    match bytes {
        [b'f', b'g', b'b', 3, b'f', b'g', b'b', ..] => {}
        [b'f', b'g', b'b', version, ..] => {
            let cause = format!("version {version} of FlatGeobuf cannot be read");
            return Err(CubeError::unsupported(url, cause)
                .remedy("write the file again with GDAL 3.1 or later"));
        }
        _ => return Err(broken("the file is not FlatGeobuf".to_string())),
    }
    let (header, rest) = bytes
        .get(MAGIC..)
        .and_then(split_buffer)
        .ok_or_else(|| broken("the file ends within its header".to_string()))?;
    let header = header.to_vec();
    let header = size_prefixed_root_as_header(&header)
        .map_err(|error| broken(format!("the header is broken: {error}")))?;
    let index = index_length(&header).and_then(|length| usize::try_from(length).ok());
    let mut rest = index
        .and_then(|length| rest.get(length..))
        .ok_or_else(|| broken("the file ends within its index".to_string()))?;
    let names = declared(&header);
    let mut columns = Columns::default();
    for (name, _, kind) in &names {
        columns.declare(name, *kind);
    }
    let mut geometries = Vec::new();
    let mut buffer = Vec::new();
    while !rest.is_empty() {
        let row = geometries.len();
        let (feature, after) = split_buffer(rest)
            .ok_or_else(|| broken(format!("the file ends within feature {row}")))?;
        rest = after;
        // Aligned memory of its own.
        buffer.clear();
        buffer.extend_from_slice(feature);
        let feature = size_prefixed_root_as_feature(&buffer)
            .map_err(|error| broken(format!("feature {row} is broken: {error}")))?;
        let attributes = attributes(&feature, &names)
            .ok_or_else(|| broken(format!("the attributes of feature {row} are broken")))?;
        columns.add_row(attributes);
        let geometry = feature.geometry().map(|geometry| wkb(&header, &geometry));
        geometries.push(match geometry {
            Some(Err(cause)) => {
                let cause = format!("feature {row} has {cause}");
                return Err(CubeError::unsupported(url, cause)
                    .remedy("convert it to points, lines or polygons, for example with ogr2ogr"));
            }
            Some(Ok(geometry)) => geometry,
            None => None,
        });
    }
    columns.finish(url, geometries, crs(&header))
}

/// A buffer with the number of its bytes in front, and what comes after it.
fn split_buffer(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    bytes.split_at_checked(LENGTH.checked_add(length)?)
}

/// Bytes of the index: a tree whose leaves are the features. `None` for one that cannot be.
fn index_length(header: &Header<'_>) -> Option<u64> {
    let (features, fan_out) = (header.features_count(), u64::from(header.index_node_size()));
    if features == 0 || fan_out == 0 {
        return Some(0);
    }
    let mut level = features;
    let mut nodes = features;
    // Even a single leaf has a root above it.
    loop {
        level = level.div_ceil(fan_out.max(2));
        nodes = nodes.checked_add(level)?;
        if level <= 1 {
            break;
        }
    }
    nodes.checked_mul(NODE)
}

/// Name, type as stored, and kind of values of every column.
fn declared(header: &Header<'_>) -> Vec<(String, ColumnType, Option<ValueKind>)> {
    let columns = header.columns().into_iter().flatten();
    columns
        .map(|column| {
            let kind = match column.type_() {
                ColumnType::Bool => Some(ValueKind::Boolean),
                ColumnType::Float | ColumnType::Double => Some(ValueKind::Number),
                ColumnType::String | ColumnType::Json | ColumnType::Binary => Some(ValueKind::Text),
                // Numbers above the largest Int64 and days without a time show in the values.
                ColumnType::ULong | ColumnType::DateTime => None,
                _ => Some(ValueKind::Integer),
            };
            (column.name().to_string(), column.type_(), kind)
        })
        .collect()
}

/// Pairs of a column's number and its value. `None` where the bytes end too early or a number is too large.
fn attributes(
    feature: &Feature<'_>,
    columns: &[(String, ColumnType, Option<ValueKind>)],
) -> Option<Vec<(String, Value)>> {
    let mut found = Vec::new();
    let bytes = feature
        .properties()
        .map_or(&[][..], |properties| properties.bytes());
    let mut rest = Bytes(bytes);
    while !rest.0.is_empty() {
        let column = usize::from(u16::from_le_bytes(rest.take()?));
        let (name, kind, _) = columns.get(column)?;
        let value = match *kind {
            ColumnType::Byte => i64::from(i8::from_le_bytes(rest.take()?)).into(),
            ColumnType::UByte => i64::from(u8::from_le_bytes(rest.take()?)).into(),
            ColumnType::Bool => Value::Bool(rest.take::<1>()? != [0]),
            ColumnType::Short => i64::from(i16::from_le_bytes(rest.take()?)).into(),
            ColumnType::UShort => i64::from(u16::from_le_bytes(rest.take()?)).into(),
            ColumnType::Int => i64::from(i32::from_le_bytes(rest.take()?)).into(),
            ColumnType::UInt => i64::from(u32::from_le_bytes(rest.take()?)).into(),
            ColumnType::Long => i64::from_le_bytes(rest.take()?).into(),
            ColumnType::ULong => u64::from_le_bytes(rest.take()?).into(),
            ColumnType::Float => number(f64::from(f32::from_le_bytes(rest.take()?))),
            ColumnType::Double => number(f64::from_le_bytes(rest.take()?)),
            ColumnType::String | ColumnType::Json | ColumnType::DateTime => {
                String::from_utf8_lossy(rest.text()?).into_owned().into()
            }
            ColumnType::Binary => {
                let digits = rest.text()?.iter().map(|byte| format!("{byte:02x}"));
                digits.collect::<String>().into()
            }
            _ => return None,
        };
        found.push((name.clone(), value));
    }
    Some(found)
}

/// NaN and infinities are no values.
fn number(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// Bytes that are taken from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(u32::from_le_bytes(self.take()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}

fn crs(header: &Header<'_>) -> Option<Crs> {
    let crs = header.crs()?;
    let authority = crs.org().filter(|name| !name.is_empty()).unwrap_or("EPSG");
    let code = match (crs.code(), crs.code_string()) {
        (0, Some(code)) if !code.is_empty() => Some(code.to_string()),
        (0, _) => None,
        (code, _) => Some(code.to_string()),
    };
    match (code, crs.wkt()) {
        (Some(code), _) => Some(Crs::Code(format!("{authority}:{code}"))),
        (None, Some(wkt)) if !wkt.is_empty() => Some(Crs::Text(wkt.to_string())),
        _ => None,
    }
}

/// A geometry as WKB; `None` for an empty one. The error says what the feature has.
fn wkb(header: &Header<'_>, geometry: &Geometry<'_>) -> Result<Option<Vec<u8>>, String> {
    let kind = match header.geometry_type() {
        GeometryType::Unknown => geometry.type_(),
        declared => declared,
    };
    let is_empty = geometry.xy().is_none_or(|xy| xy.is_empty())
        && geometry.parts().is_none_or(|parts| parts.is_empty());
    if is_empty {
        return Ok(None);
    }
    let mut writer = Writer::new(header.has_z());
    write(geometry, kind, &mut writer)?;
    Ok(Some(writer.bytes))
}

fn write(geometry: &Geometry<'_>, kind: GeometryType, writer: &mut Writer) -> Result<(), String> {
    let positions = positions(geometry);
    match kind {
        GeometryType::Point => {
            writer.start(Kind::Point);
            writer.position(*positions.first().ok_or("a point without coordinates")?);
        }
        GeometryType::LineString => {
            writer.start(Kind::LineString);
            writer.positions(positions.into_iter());
        }
        GeometryType::Polygon => {
            writer.start(Kind::Polygon);
            let rings = parts(geometry, &positions)?;
            writer.count(rings.len());
            for ring in rings {
                writer.positions(ring.iter().copied());
            }
        }
        GeometryType::MultiPoint => {
            writer.start(Kind::MultiPoint);
            writer.count(positions.len());
            for position in positions {
                writer.start(Kind::Point);
                writer.position(position);
            }
        }
        GeometryType::MultiLineString => {
            writer.start(Kind::MultiLineString);
            let lines = parts(geometry, &positions)?;
            writer.count(lines.len());
            for line in lines {
                writer.start(Kind::LineString);
                writer.positions(line.iter().copied());
            }
        }
        GeometryType::MultiPolygon | GeometryType::GeometryCollection => {
            let is_collection = kind == GeometryType::GeometryCollection;
            writer.start(if is_collection {
                Kind::GeometryCollection
            } else {
                Kind::MultiPolygon
            });
            let parts = geometry.parts();
            writer.count(parts.map_or(0, |parts| parts.len()));
            for part in parts.into_iter().flatten() {
                let kind = if is_collection {
                    part.type_()
                } else {
                    GeometryType::Polygon
                };
                write(&part, kind, writer)?;
            }
        }
        other => {
            return Err(format!(
                "a geometry of type {}",
                other.variant_name().unwrap_or("unknown")
            ));
        }
    }
    Ok(())
}

fn positions(geometry: &Geometry<'_>) -> Vec<Position> {
    let flat: Vec<f64> = geometry.xy().into_iter().flatten().collect();
    let z = geometry.z();
    flat.as_chunks()
        .0
        .iter()
        .enumerate()
        .map(|(at, [x, y])| {
            let z = z.filter(|z| at < z.len()).map_or(f64::NAN, |z| z.get(at));
            [*x, *y, z]
        })
        .collect()
}

/// Positions cut where one ring or line ends and the next one starts.
fn parts<'a>(
    geometry: &Geometry<'_>,
    positions: &'a [Position],
) -> Result<Vec<&'a [Position]>, String> {
    let Some(ends) = geometry.ends().filter(|ends| !ends.is_empty()) else {
        return Ok(vec![positions]);
    };
    let mut start = 0;
    ends.iter()
        .map(|end| {
            let end = end as usize;
            let part = positions
                .get(start..end)
                .ok_or("rings that end behind its coordinates")?;
            start = end;
            Ok(part)
        })
        .collect()
}
