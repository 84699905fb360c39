//! Small TIFF files, byte by byte: [`Sample`], and [`file`] out of directories.

use std::io::Write;

use arrow::datatypes::DataType;

use crate::formats::geotiff::reading::directory::ByteOrder;

/// The values of a tag.
#[derive(Debug, Clone)]
pub(super) enum Tag {
    Shorts(Vec<u16>),
    Doubles(Vec<f64>),
    Text(&'static str),
    /// Places in the file and lengths: 32 or 64 bits each.
    Offsets(Vec<u64>),
}

/// The low bytes of a number in a byte order.
pub(super) fn bytes_of(number: u64, width: usize, order: ByteOrder) -> Vec<u8> {
    match order {
        ByteOrder::Little => number.to_le_bytes()[..width].to_vec(),
        ByteOrder::Big => number.to_be_bytes()[8 - width..].to_vec(),
    }
}

/// Bytes before the data.
pub(super) fn header_bytes(is_big: bool) -> u64 {
    if is_big { 16 } else { 8 }
}

/// A file: header, `data`, directories.
pub(super) fn file(
    order: ByteOrder,
    is_big: bool,
    data: &[u8],
    directories: &[Vec<(u16, Tag)>],
) -> Vec<u8> {
    let put = |number: u64, width: usize| bytes_of(number, width, order);
    let (word, counter) = if is_big { (8, 8) } else { (4, 2) };
    let mut after = data.to_vec();
    let start = header_bytes(is_big);
    let mut places = Vec::new();
    for tags in directories {
        let mut tags = tags.clone();
        tags.sort_by_key(|(tag, _)| *tag);
        let mut entries = Vec::new();
        for (tag, values) in tags {
            let (kind, count, bytes) = match values {
                Tag::Shorts(values) => (
                    3,
                    values.len(),
                    values.iter().flat_map(|v| put(u64::from(*v), 2)).collect(),
                ),
                Tag::Doubles(values) => (
                    12,
                    values.len(),
                    values.iter().flat_map(|v| put(v.to_bits(), 8)).collect(),
                ),
                Tag::Text(text) => (2, text.len() + 1, format!("{text}\0").into_bytes()),
                Tag::Offsets(values) => (
                    if is_big { 16 } else { 4 },
                    values.len(),
                    values.iter().flat_map(|v| put(*v, word)).collect(),
                ),
            };
            let mut bytes: Vec<u8> = bytes;
            entries.extend(put(u64::from(tag), 2));
            entries.extend(put(kind, 2));
            entries.extend(put(count as u64, word));
            if bytes.len() > word {
                entries.extend(put(start + after.len() as u64, word));
                after.extend(bytes);
            } else {
                bytes.resize(word, 0);
                entries.extend(bytes);
            }
        }
        let count = entries.len() / if is_big { 20 } else { 12 };
        places.push(after.len());
        after.extend(put(count as u64, counter));
        after.extend(entries);
        after.extend(put(0, word));
    }
    for (number, next) in places.iter().skip(1).enumerate() {
        let tags = directories[number].len();
        let at = places[number] + counter + tags * if is_big { 20 } else { 12 };
        after[at..at + word].copy_from_slice(&put(start + *next as u64, word));
    }
    let mut bytes = match order {
        ByteOrder::Little => b"II".to_vec(),
        ByteOrder::Big => b"MM".to_vec(),
    };
    match is_big {
        false => bytes.extend(put(42, 2)),
        true => bytes.extend([put(43, 2), put(8, 2), put(0, 2)].concat()),
    }
    bytes.extend(put(start + places[0] as u64, word));
    bytes.extend(after);
    bytes
}

/// An image in one of the layouts.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) order: ByteOrder,
    pub(super) is_big: bool,
    pub(super) size: (usize, usize),
    /// Width and height of tiles; without them strips of `rows`.
    pub(super) tile: Option<(usize, usize)>,
    pub(super) rows: usize,
    pub(super) samples: usize,
    pub(super) is_planar: bool,
    pub(super) data_type: DataType,
    pub(super) compression: u16,
    pub(super) predictor: u16,
}

impl Sample {
    pub(super) const SIZE: (usize, usize) = (21, 35);

    /// Bits of the cell of a band, and its value.
    pub(super) fn cell(&self, band: usize, row: usize, column: usize) -> (u64, f64) {
        let number = ((band * 41 + row * 17 + column * 5) % 120) as i64;
        match &self.data_type {
            DataType::Float32 => {
                let value = number as f32 / 8.0 - 3.0;
                (u64::from(value.to_bits()), f64::from(value))
            }
            DataType::Float64 => {
                let value = number as f64 / 3.0 - 7.0;
                (value.to_bits(), value)
            }
            DataType::Float16 => {
                // 1, 2, 4, …: exponents alone.
                let exponent = number as u64 % 10;
                ((exponent + 15) << 10, f64::from(1_u32 << exponent))
            }
            signed if signed.is_signed_integer() => ((number - 60) as u64, (number - 60) as f64),
            _ => (number as u64, number as f64),
        }
    }

    fn width(&self) -> usize {
        self.data_type.primitive_width().unwrap_or(1)
    }

    /// The bytes of all strips or tiles behind `start`, and the tags of the image.
    pub(super) fn image(&self, start: u64) -> (Vec<u8>, Vec<(u16, Tag)>) {
        let (height, width) = self.size;
        let (columns, rows) = self.tile.unwrap_or((width, self.rows));
        let planes = if self.is_planar { self.samples } else { 1 };
        let together = self.samples / planes;
        let (mut data, mut offsets, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
        for plane in 0..planes {
            for top in (0..height).step_by(rows) {
                for left in (0..width).step_by(columns) {
                    let rows = match self.tile {
                        Some(_) => rows,
                        None => rows.min(height - top),
                    };
                    let mut segment = Vec::new();
                    for row in top..top + rows {
                        let cells = (left..left + columns).flat_map(|column| {
                            (0..together).map(move |sample| (plane + sample, row, column))
                        });
                        let cells = cells.map(|(band, row, column)| self.cell(band, row, column).0);
                        segment.extend(self.row(&cells.collect::<Vec<u64>>(), together));
                    }
                    let stored = self.compressed(&segment);
                    offsets.push(start + data.len() as u64);
                    lengths.push(stored.len() as u64);
                    data.extend(stored);
                }
            }
        }
        let format = match &self.data_type {
            floats if floats.is_floating() => 3,
            signed if signed.is_signed_integer() => 2,
            _ => 1,
        };
        let mut tags = vec![
            (256, Tag::Shorts(vec![width as u16])),
            (257, Tag::Offsets(vec![height as u64])),
            (
                258,
                Tag::Shorts(vec![self.width() as u16 * 8; self.samples]),
            ),
            (259, Tag::Shorts(vec![self.compression])),
            (262, Tag::Shorts(vec![1])),
            (277, Tag::Shorts(vec![self.samples as u16])),
            (284, Tag::Shorts(vec![if self.is_planar { 2 } else { 1 }])),
            (317, Tag::Shorts(vec![self.predictor])),
            (339, Tag::Shorts(vec![format; self.samples])),
        ];
        tags.extend(match self.tile {
            Some((columns, rows)) => vec![
                (322, Tag::Shorts(vec![columns as u16])),
                (323, Tag::Shorts(vec![rows as u16])),
                (324, Tag::Offsets(offsets)),
                (325, Tag::Offsets(lengths)),
            ],
            None => vec![
                (273, Tag::Offsets(offsets)),
                (278, Tag::Shorts(vec![rows as u16])),
                (279, Tag::Offsets(lengths)),
            ],
        });
        (data, tags)
    }

    /// The file with one image, `more` tags, and further images behind it.
    pub(super) fn file(&self, more: &[(u16, Tag)], others: &[(u16, Sample)]) -> Vec<u8> {
        let start = header_bytes(self.is_big);
        let (mut data, mut tags) = self.image(start);
        tags.extend_from_slice(more);
        let mut directories = vec![tags];
        for (kind, other) in others {
            let (bytes, mut tags) = other.image(start + data.len() as u64);
            data.extend(bytes);
            tags.push((254, Tag::Shorts(vec![*kind])));
            directories.push(tags);
        }
        file(self.order, self.is_big, &data, &directories)
    }

    /// A row as it is stored before compression.
    fn row(&self, cells: &[u64], samples: usize) -> Vec<u8> {
        let width = self.width();
        match self.predictor {
            1 => cells
                .iter()
                .flat_map(|cell| bytes_of(*cell, width, self.order))
                .collect(),
            2 => (0..cells.len())
                .flat_map(|at| {
                    let before = at.checked_sub(samples).map_or(0, |before| cells[before]);
                    bytes_of(cells[at].wrapping_sub(before), width, self.order)
                })
                .collect(),
            _ => {
                let mut planes = Vec::new();
                for byte in (0..width).rev() {
                    planes.extend(cells.iter().map(|cell| (cell >> (byte * 8)) as u8));
                }
                let difference = |at: usize| match at.checked_sub(samples) {
                    Some(before) => planes[at].wrapping_sub(planes[before]),
                    None => planes[at],
                };
                (0..planes.len()).map(difference).collect()
            }
        }
    }

    fn compressed(&self, bytes: &[u8]) -> Vec<u8> {
        match self.compression {
            5 => {
                let order = weezl::BitOrder::Msb;
                let mut encoder = weezl::encode::Encoder::with_tiff_size_switch(order, 8);
                encoder.encode(bytes).unwrap()
            }
            8 | 32946 => {
                let level = flate2::Compression::new(6);
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            32773 => bytes.iter().flat_map(|byte| [0, *byte]).collect(),
            50000 => zstd::bulk::compress(bytes, 3).unwrap(),
            _ => bytes.to_vec(),
        }
    }
}
