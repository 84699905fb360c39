//! GeoJSON (RFC 7946): a feature is a row, its properties are columns.
//!
//! Features are converted one at a time while the file is parsed. Coordinates are longitude and
//! latitude (`OGC:CRS84`), unless the file has the member `crs` of older editions.

use std::fmt;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Layer, Location, TableFormat};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::columns::{Columns, Crs};
use super::wkb::{Kind, Position, Writer};
use super::{parse, read_whole};

/// Reads GeoJSON.
#[derive(Debug)]
pub(super) struct GeoJson;

#[async_trait]
impl TableFormat for GeoJson {
    fn name(&self) -> &'static str {
        "GEOJSON"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".geojson"]
    }

    async fn read(&self, location: &Location) -> CubeResult<Vec<Layer>> {
        let bytes = read_whole(location).await?;
        let url = &location.url;
        Ok(vec![parse(url, || table(&bytes, url))?.into()])
    }
}

fn table(bytes: &[u8], url: &str) -> CubeResult<RecordBatch> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let root: Root = serde_json::from_slice(bytes).map_err(|error| {
        let error = CubeError::corrupt(url, format!("the file is not GeoJSON: {error}"));
        error.remedy("check it with a GeoJSON validator")
    })?;
    let crs = crs_of(root.crs.as_ref());
    let features = match (root.kind.as_str(), root.features) {
        ("FeatureCollection", Some(features)) => features,
        ("Feature", None) => {
            let mut features = Features::default();
            features.add(Feature {
                geometry: root.geometry,
                properties: root.properties,
                id: root.id,
            });
            features
        }
        (kind, None) if kind_named(kind).is_some() => {
            let mut features = Features::default();
            let geometry = Geometry {
                kind: root.kind,
                coordinates: root.coordinates,
                geometries: root.geometries,
            };
            features.add(Feature {
                geometry: Some(geometry),
                ..Feature::default()
            });
            features
        }
        (kind, _) => {
            let cause = format!("the file is no GeoJSON: its type is {kind:?}");
            let error = CubeError::unsupported(url, cause);
            return Err(
                error.remedy("known are FeatureCollection, Feature and the types of geometries")
            );
        }
    };
    if let Some((row, cause)) = features.broken {
        return Err(
            CubeError::corrupt(url, format!("feature {row} has {cause}"))
                .remedy("check the file with a GeoJSON validator"),
        );
    }
    let mut columns = features.columns;
    if features.ids.iter().any(Option::is_some) {
        columns.add_first("id", features.ids);
    }
    columns.finish(url, features.geometries, Some(crs))
}

/// What the whole file is: a collection, a feature or a geometry.
#[derive(Deserialize)]
struct Root {
    #[serde(rename = "type")]
    kind: String,
    features: Option<Features>,
    geometry: Option<Geometry>,
    properties: Option<Map<String, Value>>,
    id: Option<Value>,
    coordinates: Option<Coordinates>,
    geometries: Option<Vec<Geometry>>,
    crs: Option<Value>,
}

#[derive(Deserialize, Default)]
struct Feature {
    geometry: Option<Geometry>,
    properties: Option<Map<String, Value>>,
    id: Option<Value>,
}

#[derive(Deserialize)]
struct Geometry {
    #[serde(rename = "type")]
    kind: String,
    coordinates: Option<Coordinates>,
    geometries: Option<Vec<Geometry>>,
}

/// A position, or a list of positions, or a list of such lists, …
enum Coordinates {
    Position { position: Position, has_z: bool },
    List(Vec<Coordinates>),
}

/// Features that were converted.
#[derive(Default)]
struct Features {
    columns: Columns,
    ids: Vec<Option<Value>>,
    geometries: Vec<Option<Vec<u8>>>,
    /// The first feature that makes no sense, counted from 0, and what is wrong with it.
    broken: Option<(usize, String)>,
}

impl Features {
    fn add(&mut self, feature: Feature) {
        let row = self.geometries.len();
        let geometry = feature.geometry.map_or(Ok(None), |geometry| geometry.wkb());
        let geometry = geometry.unwrap_or_else(|cause| {
            self.broken.get_or_insert((row, cause));
            None
        });
        self.geometries.push(geometry);
        self.columns.add_row(feature.properties.unwrap_or_default());
        self.ids.push(feature.id);
    }
}

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Features;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of features")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Features, A::Error> {
                let mut features = Features::default();
                while let Some(feature) = list.next_element()? {
                    features.add(feature);
                }
                Ok(features)
            }
        }
        deserializer.deserialize_seq(Each)
    }
}

impl<'de> Deserialize<'de> for Coordinates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Nested)
    }
}

struct Nested;

impl<'de> Visitor<'de> for Nested {
    type Value = Coordinates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a position or a list of positions")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Coordinates, A::Error> {
        let first = match list.next_element()? {
            None => return Ok(Coordinates::List(Vec::new())),
            Some(Element::List(first)) => first,
            Some(Element::Number(x)) => {
                let y = list.next_element()?;
                let y =
                    y.ok_or_else(|| A::Error::custom("a position has one number, it needs two"))?;
                let z: Option<f64> = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Coordinates::Position {
                    position: [x, y, z.unwrap_or(f64::NAN)],
                    has_z: z.is_some(),
                });
            }
        };
        let mut all = vec![first];
        while let Some(next) = list.next_element()? {
            all.push(next);
        }
        Ok(Coordinates::List(all))
    }
}

enum Element {
    Number(f64),
    List(Coordinates),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or a list")
            }

            fn visit_f64<E>(self, number: f64) -> Result<Element, E> {
                Ok(Element::Number(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Element, E> {
                Ok(Element::Number(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Element, E> {
                Ok(Element::Number(number as f64))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Element, A::Error> {
                Nested.visit_seq(list).map(Element::List)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn kind_named(name: &str) -> Option<Kind> {
    Some(match name {
        "Point" => Kind::Point,
        "LineString" => Kind::LineString,
        "Polygon" => Kind::Polygon,
        "MultiPoint" => Kind::MultiPoint,
        "MultiLineString" => Kind::MultiLineString,
        "MultiPolygon" => Kind::MultiPolygon,
        "GeometryCollection" => Kind::GeometryCollection,
        _ => return None,
    })
}

impl Geometry {
    /// The geometry as WKB; `None` for one without coordinates. The error says what the feature has.
    fn wkb(&self) -> Result<Option<Vec<u8>>, String> {
        let mut writer = Writer::new(self.has_z());
        self.write(&mut writer)?;
        Ok(match &self.coordinates {
            Some(Coordinates::List(none)) if none.is_empty() => None,
            _ => Some(writer.bytes),
        })
    }

    /// Only where every position has a height.
    fn has_z(&self) -> bool {
        let parts = self.geometries.iter().flatten();
        self.coordinates.iter().all(Coordinates::has_z) && parts.into_iter().all(Geometry::has_z)
    }

    fn write(&self, writer: &mut Writer) -> Result<(), String> {
        let kind = kind_named(&self.kind)
            .ok_or_else(|| format!("a geometry of unknown type {:?}", self.kind))?;
        if kind == Kind::GeometryCollection {
            let parts = self.geometries.as_deref();
            let parts = parts.ok_or("a GeometryCollection without geometries")?;
            writer.start(kind);
            writer.count(parts.len());
            return parts.iter().try_for_each(|part| part.write(writer));
        }
        let coordinates = self.coordinates.as_ref();
        let coordinates =
            coordinates.ok_or_else(|| format!("a {} without coordinates", self.kind))?;
        coordinates.write(kind, writer).ok_or_else(|| {
            format!(
                "a {} whose coordinates are those of another type",
                self.kind
            )
        })
    }
}

impl Coordinates {
    fn has_z(&self) -> bool {
        match self {
            Coordinates::Position { has_z, .. } => *has_z,
            Coordinates::List(list) => list.iter().all(Coordinates::has_z),
        }
    }

    fn position(&self) -> Option<Position> {
        match self {
            Coordinates::Position { position, .. } => Some(*position),
            Coordinates::List(_) => None,
        }
    }

    fn list(&self) -> Option<&[Coordinates]> {
        match self {
            Coordinates::Position { .. } => None,
            Coordinates::List(list) => Some(list),
        }
    }

    /// `None` where lists are nested deeper or less deep than the kind of geometry has it.
    fn write(&self, kind: Kind, writer: &mut Writer) -> Option<()> {
        writer.start(kind);
        let part_of = |kind| match kind {
            Kind::MultiPoint => Kind::Point,
            Kind::MultiLineString => Kind::LineString,
            _ => Kind::Polygon,
        };
        match kind {
            Kind::Point => match self.list() {
                Some([]) => writer.position([f64::NAN; 3]),
                _ => writer.position(self.position()?),
            },
            Kind::LineString => self.write_line(writer)?,
            Kind::Polygon => {
                let rings = self.list()?;
                writer.count(rings.len());
                rings.iter().try_for_each(|ring| ring.write_line(writer))?;
            }
            _ => {
                let parts = self.list()?;
                writer.count(parts.len());
                parts
                    .iter()
                    .try_for_each(|part| part.write(part_of(kind), writer))?;
            }
        }
        Some(())
    }

    fn write_line(&self, writer: &mut Writer) -> Option<()> {
        let positions: Option<Vec<Position>> =
            self.list()?.iter().map(Coordinates::position).collect();
        writer.positions(positions?.into_iter());
        Some(())
    }
}

/// The member `crs` of the edition of 2008, `{"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}`.
fn crs_of(member: Option<&Value>) -> Crs {
    let name = member.and_then(|crs| crs.pointer("/properties/name")?.as_str());
    match name {
        None => Crs::Code("OGC:CRS84".to_string()),
        Some(name) => match name
            .strip_prefix("urn:ogc:def:crs:")
            .and_then(authority_and_code)
        {
            Some(code) => Crs::Code(code),
            None if name
                .split_once(':')
                .is_some_and(|(authority, _)| authority.len() < 6) =>
            {
                Crs::Code(name.to_string())
            }
            None => Crs::Text(name.to_string()),
        },
    }
}

/// `EPSG::25832` or `OGC:1.3:CRS84`: an authority, an edition that may be missing, a code.
fn authority_and_code(rest: &str) -> Option<String> {
    let mut parts = rest.split(':');
    let (authority, _, code) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{authority}:{code}"))
}

#[cfg(test)]
mod tests;
