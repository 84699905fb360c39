//! Writes geometries as well-known binary (OGC 06-103r4, clause 8.2), little-endian, with z where it is there.

/// The numbers of kinds of geometries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Point = 1,
    LineString = 2,
    Polygon = 3,
    MultiPoint = 4,
    MultiLineString = 5,
    MultiPolygon = 6,
    GeometryCollection = 7,
}

/// x, y, and z or NaN.
pub(super) type Position = [f64; 3];

/// Well-known binary in the making.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    has_z: bool,
}

impl Writer {
    pub(super) fn new(has_z: bool) -> Self {
        Writer {
            bytes: Vec::new(),
            has_z,
        }
    }

    /// Starts a geometry, also one inside another.
    pub(super) fn start(&mut self, kind: Kind) {
        let code = kind as u32 + if self.has_z { 1000 } else { 0 };
        self.bytes.push(1);
        self.bytes.extend(code.to_le_bytes());
    }

    /// How many positions, rings or parts follow.
    pub(super) fn count(&mut self, count: usize) {
        // Files are smaller than 4 billion positions, see `read_whole`.
        self.bytes.extend((count as u32).to_le_bytes());
    }

    pub(super) fn position(&mut self, [x, y, z]: Position) {
        self.bytes.extend(x.to_le_bytes());
        self.bytes.extend(y.to_le_bytes());
        if self.has_z {
            self.bytes.extend(z.to_le_bytes());
        }
    }

    pub(super) fn positions(&mut self, positions: impl ExactSizeIterator<Item = Position>) {
        self.count(positions.len());
        positions.for_each(|position| self.position(position));
    }
}
