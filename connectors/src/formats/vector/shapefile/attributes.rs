//! The `.dbf` file: dBASE III and its extensions. Texts are UTF-8, Windows-1252, or what `.cpg` says.

use serde_json::{Number, Value};

use crate::formats::vector::columns::{Columns, Kind};

/// Length of a field's description, and of the part of the header before the first one.
const FIELD: usize = 32;

/// The byte behind the last field.
const END: u8 = 0x0d;

#[derive(Debug)]
struct Field {
    name: String,
    kind: u8,
    length: usize,
    decimals: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Encoding {
    Utf8,
    Windows1252,
    /// UTF-8 where the bytes allow it.
    Unknown,
}

/// Adds all records that are not deleted; gives for each record whether it is. The error is what is wrong with the file.
pub(super) fn read(
    bytes: &[u8],
    code_page: Option<&[u8]>,
    columns: &mut Columns,
) -> Result<Vec<bool>, String> {
    let cut_off = || "the .dbf file ends within its header".to_string();
    let encoding = encoding(code_page)?;
    let header = bytes.first_chunk::<FIELD>().ok_or_else(cut_off)?;
    let count = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let start = usize::from(u16::from_le_bytes([header[8], header[9]]));
    let length = usize::from(u16::from_le_bytes([header[10], header[11]]));
    let descriptions = bytes.get(FIELD..start).ok_or_else(cut_off)?;
    let fields: Vec<Field> = descriptions
        .chunks_exact(FIELD)
        .take_while(|field| field.first() != Some(&END))
        .map(|field| Field::new(field, encoding))
        .collect();
    let total: usize = fields.iter().map(|field| field.length).sum();
    if length == 0 || total + 1 > length {
        return Err("the fields of the .dbf file are longer than its records".to_string());
    }
    let records = bytes
        .get(start..)
        .ok_or_else(cut_off)?
        .chunks_exact(length)
        .take(count);
    if records.len() < count {
        return Err(format!(
            "the .dbf file announces {count} records and ends after {}",
            records.len()
        ));
    }
    for field in &fields {
        columns.declare(&field.name, Some(field.values()));
    }
    let mut deleted = Vec::with_capacity(count);
    for record in records {
        let is_deleted = record.first() == Some(&b'*');
        deleted.push(is_deleted);
        if is_deleted {
            continue;
        }
        let mut rest = &record[1..];
        let row = fields.iter().map(|field| {
            let (value, after) = rest.split_at(field.length);
            rest = after;
            (field.name.clone(), field.value(value, encoding))
        });
        columns.add_row(row);
    }
    Ok(deleted)
}

fn encoding(code_page: Option<&[u8]>) -> Result<Encoding, String> {
    let Some(name) = code_page else {
        return Ok(Encoding::Unknown);
    };
    let name = String::from_utf8_lossy(name).trim().to_ascii_uppercase();
    match name.as_str() {
        "UTF-8" | "UTF8" | "65001" => Ok(Encoding::Utf8),
        "ISO-8859-1" | "ISO 88591" | "ISO88591" | "88591" | "LATIN1" | "1252" | "CP1252"
        | "ANSI 1252" | "WINDOWS-1252" => Ok(Encoding::Windows1252),
        "" | "ASCII" | "US-ASCII" => Ok(Encoding::Unknown),
        _ => Err(format!(
            "the .cpg file names the encoding {name}, which cannot be read"
        )),
    }
}

impl Encoding {
    fn text(self, bytes: &[u8]) -> String {
        match (self, std::str::from_utf8(bytes)) {
            (Encoding::Utf8 | Encoding::Unknown, Ok(text)) => text.to_string(),
            (Encoding::Utf8, Err(_)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
        }
    }
}

/// The characters of bytes 0x80 to 0x9f; all others are those of Latin-1.
const PUNCTUATION: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

fn windows_1252(byte: u8) -> char {
    let punctuation = byte
        .checked_sub(0x80)
        .and_then(|at| PUNCTUATION.get(usize::from(at)));
    punctuation.copied().unwrap_or(char::from(byte))
}

impl Field {
    /// `description` is [`FIELD`] bytes long.
    fn new(description: &[u8], encoding: Encoding) -> Self {
        let name = description[..11]
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        let (kind, mut length, mut decimals) = (
            description[11],
            usize::from(description[16]),
            description[17],
        );
        if kind == b'C' {
            // Long texts use the byte for decimals, too.
            length += usize::from(decimals) << 8;
            decimals = 0;
        }
        Field {
            name: encoding.text(name).trim().to_string(),
            kind,
            length,
            decimals,
        }
    }

    fn values(&self) -> Kind {
        match self.kind {
            b'N' | b'F' if self.decimals == 0 && self.length < 19 && self.kind == b'N' => {
                Kind::Integer
            }
            b'I' | b'+' => Kind::Integer,
            b'N' | b'F' | b'O' | b'B' => Kind::Number,
            b'D' => Kind::Date,
            b'L' => Kind::Boolean,
            _ => Kind::Text,
        }
    }

    /// NULL where a value is empty, or no value of the field's kind.
    fn value(&self, bytes: &[u8], encoding: Encoding) -> Value {
        match (self.kind, bytes) {
            (b'I' | b'+', [a, b, c, d]) => {
                return i64::from(i32::from_le_bytes([*a, *b, *c, *d])).into();
            }
            (b'O' | b'B', bytes) if bytes.len() == 8 => {
                let number = bytes.first_chunk().map(|bytes| f64::from_le_bytes(*bytes));
                return number
                    .and_then(Number::from_f64)
                    .map_or(Value::Null, Value::Number);
            }
            _ => {}
        }
        let text = encoding.text(bytes);
        let text = text.trim_matches(['\0', ' ']);
        if text.is_empty() {
            return Value::Null;
        }
        match self.values() {
            Kind::Integer => text.parse::<i64>().map_or(Value::Null, Value::from),
            Kind::Number => {
                let number = text.parse().ok().and_then(Number::from_f64);
                number.map_or(Value::Null, Value::Number)
            }
            Kind::Boolean => match text {
                "T" | "t" | "Y" | "y" => Value::Bool(true),
                "F" | "f" | "N" | "n" => Value::Bool(false),
                _ => Value::Null,
            },
            Kind::Date => match (text.get(..4), text.get(4..6), text.get(6..8)) {
                (Some(year), Some(month), Some(day)) => format!("{year}-{month}-{day}").into(),
                _ => Value::Null,
            },
            _ => text.into(),
        }
    }
}
