//! The `.shp` file. Source: ESRI Shapefile Technical Description, July 1998.

use crate::formats::vector::wkb::{Kind, Position, Writer};

/// The length of the file's header.
const HEADER: usize = 100;

/// Every shape as WKB, `None` for a null shape. The error is what is wrong with the file.
pub(super) fn geometries(bytes: &[u8]) -> Result<Vec<Option<Vec<u8>>>, String> {
    if bytes.get(..4) != Some(&9994_i32.to_be_bytes()) || bytes.len() < HEADER {
        return Err("the file is not a shapefile".to_string());
    }
    let mut rest = &bytes[HEADER..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let row = found.len();
        let cut_off = || format!("the file ends within shape {row}");
        let (header, after) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let [.., a, b, c, d] = *header;
        // Lengths count words of two bytes.
        let length = u32::from_be_bytes([a, b, c, d]) as usize * 2;
        let (content, after) = after.split_at_checked(length).ok_or_else(cut_off)?;
        rest = after;
        let geometry = Content(content).geometry();
        found.push(geometry.map_err(|cause| format!("shape {row} {cause}"))?);
    }
    Ok(found)
}

/// What is left of a record.
struct Content<'a>(&'a [u8]);

const CUT_OFF: &str = "is cut off";

impl Content<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (first, rest) = self.0.split_first_chunk().ok_or(CUT_OFF)?;
        self.0 = rest;
        Ok(*first)
    }

    fn integer(&mut self) -> Result<usize, &'static str> {
        let number = i32::from_le_bytes(self.take()?);
        usize::try_from(number).map_err(|_| "has a negative number of parts or points")
    }

    fn number(&mut self) -> Result<f64, &'static str> {
        Ok(f64::from_le_bytes(self.take()?))
    }

    /// As many of `size` bytes as are announced: so that a broken number asks for no memory.
    fn check(&self, count: usize, size: usize) -> Result<(), &'static str> {
        match count.checked_mul(size) {
            Some(bytes) if bytes <= self.0.len() => Ok(()),
            _ => Err(CUT_OFF),
        }
    }

    fn geometry(mut self) -> Result<Option<Vec<u8>>, String> {
        let code = self.integer()?;
        // Shapes with z, and those with measures alone, are numbered like the plain ones.
        let (plain, has_z) = match code {
            11 | 13 | 15 | 18 => (code - 10, true),
            21 | 23 | 25 | 28 => (code - 20, false),
            _ => (code, false),
        };
        let mut writer = Writer::new(has_z);
        match plain {
            0 => return Ok(None),
            1 => {
                let (x, y) = (self.number()?, self.number()?);
                let z = if has_z { self.number()? } else { f64::NAN };
                writer.start(Kind::Point);
                writer.position([x, y, z]);
            }
            8 => {
                self.take::<32>()?;
                let count = self.integer()?;
                let points = self.positions(count, has_z)?;
                writer.start(Kind::MultiPoint);
                writer.count(points.len());
                for point in points {
                    writer.start(Kind::Point);
                    writer.position(point);
                }
            }
            3 | 5 => {
                self.take::<32>()?;
                let (parts, count) = (self.integer()?, self.integer()?);
                self.check(parts, 4)?;
                let starts: Vec<usize> = (0..parts)
                    .map(|_| self.integer())
                    .collect::<Result<_, _>>()?;
                let points = self.positions(count, has_z)?;
                let parts = cut(&points, &starts)?;
                match plain {
                    3 => write_lines(&parts, &mut writer),
                    _ => write_polygons(&parts, &mut writer),
                }
                if parts.is_empty() {
                    return Ok(None);
                }
            }
            _ => return Err(format!("is of type {code}, which cannot be read")),
        }
        Ok(Some(writer.bytes))
    }

    fn positions(&mut self, count: usize, has_z: bool) -> Result<Vec<Position>, &'static str> {
        self.check(count, 16)?;
        let mut positions = Vec::with_capacity(count);
        for _ in 0..count {
            positions.push([self.number()?, self.number()?, f64::NAN]);
        }
        if has_z {
            // Their range comes first.
            self.take::<16>()?;
            for position in &mut positions {
                position[2] = self.number()?;
            }
        }
        Ok(positions)
    }
}

/// Points cut at the starts of parts.
fn cut<'a>(points: &'a [Position], starts: &[usize]) -> Result<Vec<&'a [Position]>, &'static str> {
    let ends = starts.iter().skip(1).copied().chain([points.len()]);
    let parts = starts.iter().zip(ends);
    parts
        .map(|(start, end)| {
            points
                .get(*start..end)
                .ok_or("has parts that start behind its points")
        })
        .filter(|part| part.as_ref().map_or(true, |part| !part.is_empty()))
        .collect()
}

fn write_lines(lines: &[&[Position]], writer: &mut Writer) {
    if lines.len() != 1 {
        writer.start(Kind::MultiLineString);
        writer.count(lines.len());
    }
    for line in lines {
        writer.start(Kind::LineString);
        writer.positions(line.iter().copied());
    }
}

/// Rings in any order: clockwise ones bound an area, the others are holes in one of them.
fn write_polygons(rings: &[&[Position]], writer: &mut Writer) {
    let polygons = group(rings);
    if polygons.len() != 1 {
        writer.start(Kind::MultiPolygon);
        writer.count(polygons.len());
    }
    for polygon in polygons {
        writer.start(Kind::Polygon);
        writer.count(polygon.len());
        for ring in polygon {
            writer.positions(ring.iter().copied());
        }
    }
}

/// Every outer ring followed by its holes. A hole belongs to the smallest ring around it; one that is in no
/// ring, as in files that write rings the wrong way round, is a ring of its own.
fn group<'a>(rings: &[&'a [Position]]) -> Vec<Vec<&'a [Position]>> {
    let is_outer = |ring: &&[Position]| doubled_area(ring) <= 0.0;
    let mut outer: Vec<&[Position]> = rings
        .iter()
        .filter(|ring| is_outer(ring))
        .copied()
        .collect();
    let mut holes: Vec<&[Position]> = rings
        .iter()
        .filter(|ring| !is_outer(ring))
        .copied()
        .collect();
    if outer.is_empty() {
        std::mem::swap(&mut outer, &mut holes);
    }
    let mut by_size: Vec<usize> = (0..outer.len()).collect();
    by_size.sort_by(|a, b| {
        doubled_area(outer[*a])
            .abs()
            .total_cmp(&doubled_area(outer[*b]).abs())
    });
    let mut polygons: Vec<Vec<&[Position]>> = outer.iter().map(|ring| vec![*ring]).collect();
    for hole in holes {
        let around = match outer.len() {
            1 => Some(0),
            _ => by_size.iter().copied().find(|at| lies_in(hole, outer[*at])),
        };
        match around.and_then(|at| polygons.get_mut(at)) {
            Some(polygon) => polygon.push(hole),
            None => polygons.push(vec![hole]),
        }
    }
    polygons
}

/// Negative for clockwise rings.
fn doubled_area(ring: &[Position]) -> f64 {
    let Some([x0, y0, _]) = ring.first() else {
        return 0.0;
    };
    ring.windows(2)
        .map(|pair| {
            let ([ax, ay, _], [bx, by, _]) = (pair[0], pair[1]);
            (ax - x0) * (by - y0) - (ay - y0) * (bx - x0)
        })
        .sum()
}

/// Does a hole lie inside a ring? It may touch the ring with some of its vertices, so that most of its
/// vertices and the middles of its edges decide.
fn lies_in(hole: &[Position], ring: &[Position]) -> bool {
    let is_inside = |(x, y): &(f64, f64)| {
        let crossed = ring.windows(2).filter(|pair| {
            let ([ax, ay, _], [bx, by, _]) = (pair[0], pair[1]);
            (ay <= *y) != (by <= *y) && ax + (y - ay) / (by - ay) * (bx - ax) < *x
        });
        crossed.count() % 2 == 1
    };
    let judges = hole.windows(2).flat_map(|pair| {
        let ([ax, ay, _], [bx, by, _]) = (pair[0], pair[1]);
        [(ax, ay), (f64::midpoint(ax, bx), f64::midpoint(ay, by))]
    });
    let inside = judges.clone().filter(is_inside).count();
    2 * inside > judges.count()
}
