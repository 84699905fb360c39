//! The header and the directory of a TIFF file: [`Directory`].
//!
//! ```text
//!  classic   II 42 │ offset       │ u16 entries │ tag type count value…  12 bytes each │ 0
//!  BigTIFF   II 43 │ 8 0 │ offset │ u64 entries │ tag type count value…  20 bytes each │ 0
//!                                                                └ here, or where it stands behind the directory
//! ```
//! All is in the byte order of this machine, which the header tells.

use std::collections::BTreeMap;

/// Which of the two kinds of TIFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// Offsets of 32 bits.
    Classic,
    /// Offsets of 64 bits.
    Big,
}

impl Variant {
    /// Bytes of the header.
    fn header(self) -> usize {
        match self {
            Self::Classic => 8,
            Self::Big => 16,
        }
    }

    /// Bytes of an entry of the directory.
    fn entry(self) -> usize {
        match self {
            Self::Classic => 12,
            Self::Big => 20,
        }
    }

    /// Bytes of an offset, of a count, and of a value that stands in its entry.
    fn word(self) -> usize {
        match self {
            Self::Classic => 4,
            Self::Big => 8,
        }
    }

    fn put(self, bytes: &mut Vec<u8>, number: u64) {
        match self {
            Self::Classic => bytes.extend((number as u32).to_ne_bytes()),
            Self::Big => bytes.extend(number.to_ne_bytes()),
        }
    }
}

/// The values of a tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// A text, which a zero byte ends in the file.
    Text(String),
    Shorts(Vec<u16>),
    Longs(Vec<u32>),
    Doubles(Vec<f64>),
    /// Places in the file and lengths: 32 or 64 bits each.
    Offsets(Vec<u64>),
}

impl Values {
    /// The code of the type, how many there are, and their bytes.
    fn encoded(&self, variant: Variant) -> (u16, usize, Vec<u8>) {
        match self {
            Self::Text(text) => {
                let mut bytes = text.replace('\0', " ").into_bytes();
                bytes.push(0);
                (2, bytes.len(), bytes)
            }
            Self::Shorts(values) => (
                3,
                values.len(),
                values
                    .iter()
                    .flat_map(|value| value.to_ne_bytes())
                    .collect(),
            ),
            Self::Longs(values) => (
                4,
                values.len(),
                values
                    .iter()
                    .flat_map(|value| value.to_ne_bytes())
                    .collect(),
            ),
            Self::Doubles(values) => (
                12,
                values.len(),
                values
                    .iter()
                    .flat_map(|value| value.to_ne_bytes())
                    .collect(),
            ),
            Self::Offsets(values) => {
                let mut bytes = Vec::with_capacity(values.len() * variant.word());
                values
                    .iter()
                    .for_each(|value| variant.put(&mut bytes, *value));
                let code = match variant {
                    Variant::Classic => 4,
                    Variant::Big => 16,
                };
                (code, values.len(), bytes)
            }
        }
    }
}

/// The tags of an image, with their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    tags: BTreeMap<u16, Values>,
}

impl Directory {
    pub(super) fn set(&mut self, tag: u16, values: Values) {
        self.tags.insert(tag, values);
    }

    /// Everything in front of the tiles. Its length depends on the tags and the numbers of their values alone.
    pub(super) fn head(&self, variant: Variant) -> Vec<u8> {
        let (header, word) = (variant.header(), variant.word());
        let entries = self.tags.iter();
        let entries: Vec<_> = entries
            .map(|(tag, values)| (*tag, values.encoded(variant)))
            .collect();
        let counter = match variant {
            Variant::Classic => 2,
            Variant::Big => 8,
        };
        let directory = counter + entries.len() * variant.entry() + word;
        // Short values first: what tells who wrote the file stands in its first bytes.
        let mut outside: Vec<usize> = (0..entries.len())
            .filter(|entry| entries[*entry].1.2.len() > word)
            .collect();
        outside.sort_by_key(|entry| entries[*entry].1.2.len());
        let mut places = vec![0; entries.len()];
        let mut values = Vec::new();
        let start = (header + directory).next_multiple_of(8);
        for entry in outside {
            places[entry] = start + values.len();
            values.extend(&entries[entry].1.2);
            values.resize(values.len().next_multiple_of(8), 0);
        }
        let mut head = match cfg!(target_endian = "little") {
            true => b"II".to_vec(),
            false => b"MM".to_vec(),
        };
        match variant {
            Variant::Classic => head.extend(42_u16.to_ne_bytes()),
            Variant::Big => {
                for number in [43_u16, 8, 0] {
                    head.extend(number.to_ne_bytes());
                }
            }
        }
        variant.put(&mut head, header as u64);
        match variant {
            Variant::Classic => head.extend((entries.len() as u16).to_ne_bytes()),
            Variant::Big => head.extend((entries.len() as u64).to_ne_bytes()),
        }
        for ((tag, (code, count, bytes)), place) in entries.iter().zip(places) {
            head.extend(tag.to_ne_bytes());
            head.extend(code.to_ne_bytes());
            variant.put(&mut head, *count as u64);
            match bytes.len() > word {
                true => variant.put(&mut head, place as u64),
                false => {
                    head.extend(bytes);
                    head.resize(head.len() + word - bytes.len(), 0);
                }
            }
        }
        // There is no directory after this one.
        variant.put(&mut head, 0);
        head.resize(start, 0);
        head.extend(values);
        head
    }
}
