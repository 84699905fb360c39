//! Cubes of every kind, the same for the same seed: types, ranks, chunks, shards, codecs, fill values.

use std::sync::Arc;

use arrow::array::{ArrayDataBuilder, make_array};
use arrow::array::{ArrayRef, BooleanArray, StringArray, new_null_array};
use arrow::buffer::Buffer;
use arrow::datatypes::DataType;
use graticule_engine::sink::{TargetArray, TargetCube};
use graticule_engine::source::Attributes;
use serde_json::{Value, json};

use super::Filled;

/// Numbers that look random: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

const CODECS: [Option<&str>; 9] = [
    None,
    Some("none"),
    Some("zstd"),
    Some("zstd:1"),
    Some("gzip:5"),
    Some("blosc"),
    Some("blosc:zstd:3:bitshuffle"),
    Some("blosc:lz4hc:9:noshuffle"),
    Some("blosc:zlib:1:shuffle"),
];

/// All types that are stored; texts are the last.
pub(crate) const TYPES: [DataType; 12] = [
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Float32,
    DataType::Float64,
    DataType::Boolean,
    DataType::Utf8,
];

/// A cube with an array of every type.
pub(crate) fn cube(random: &mut Random, has_shards: bool) -> Filled {
    let lengths: Vec<u64> = (0..4)
        .map(|_| random.one_of(&[1, 2, 3, 5, 8, 13, 0]))
        .collect();
    let mut arrays = Vec::new();
    let mut values = Vec::new();
    for (number, data_type) in TYPES.into_iter().enumerate() {
        let rank = random.below(5) as usize;
        let first = random.below(5 - rank as u64) as usize;
        let shape = lengths[first..first + rank].to_vec();
        let chunks: Vec<u64> = shape
            .iter()
            .map(|length| 1 + random.below(length + 3))
            .collect();
        let is_sharded = has_shards && random.below(2) == 0;
        let shards = is_sharded.then(|| {
            chunks
                .iter()
                .map(|chunk| chunk * (1 + random.below(3)))
                .collect()
        });
        let (fill_value, missing) = fill_value(random, &data_type);
        let mut attributes = Attributes::new();
        attributes.insert("long_name".into(), json!(format!("Größe {number}")));
        if let Some(missing) = missing {
            attributes.insert("_FillValue".into(), missing);
        }
        let cells = shape.iter().product::<u64>() as usize;
        values.push(random_values(random, &data_type, &fill_value, cells));
        arrays.push(TargetArray {
            name: format!("v{number}"),
            dimensions: (first..first + rank)
                .map(|axis| format!("d{axis}"))
                .collect(),
            shape,
            chunks,
            shards,
            data_type,
            fill_value,
            codec: random.one_of(&CODECS).map(str::to_string),
            attributes,
        });
    }
    let attributes = json!({"title": "random", "numbers": [1, 2.5], "nested": {"a": null}});
    Filled {
        cube: TargetCube {
            arrays,
            attributes: attributes.as_object().unwrap().clone(),
            images: None,
        },
        values,
    }
}

/// The value of cells that are not stored, and the attribute `_FillValue`.
pub(crate) fn fill_value(random: &mut Random, data_type: &DataType) -> (Value, Option<Value>) {
    let choices = match data_type {
        DataType::Boolean => vec![json!(false), json!(true)],
        DataType::Utf8 => vec![json!(""), json!("nichts ü")],
        DataType::Float32 | DataType::Float64 => {
            vec![
                json!("NaN"),
                json!(0.0),
                json!(-9999.5),
                json!("Infinity"),
                json!(7),
            ]
        }
        _ => vec![json!(0), json!(7), json!(127)],
    };
    let pick = |random: &mut Random| choices[random.below(choices.len() as u64) as usize].clone();
    let fill_value = pick(random);
    let missing = match (data_type, random.below(3)) {
        (DataType::Boolean | DataType::Utf8, _) | (_, 0) => None,
        (_, 1) => Some(fill_value.clone()),
        _ => Some(pick(random)),
    };
    (fill_value, missing)
}

/// Values with the fill value, extremes and whole stretches of the same among them.
pub(crate) fn random_values(
    random: &mut Random,
    data_type: &DataType,
    fill_value: &Value,
    cells: usize,
) -> ArrayRef {
    let share_of_fill = random.one_of(&[0, 2, 9, 10]);
    let is_fill = |random: &mut Random| random.below(10) < share_of_fill;
    match data_type {
        DataType::Boolean => {
            let fill = fill_value.as_bool().unwrap();
            let values = (0..cells).map(|_| is_fill(random) == fill);
            Arc::new(BooleanArray::from(values.collect::<Vec<bool>>()))
        }
        DataType::Utf8 => {
            let fill = fill_value.as_str().unwrap();
            let texts = ["", "a", "Maß", "long text with spaces", "\u{1f30d}"];
            let values = (0..cells).map(|_| match is_fill(random) {
                true => fill,
                false => random.one_of(&texts),
            });
            Arc::new(StringArray::from(values.collect::<Vec<&str>>()))
        }
        _ => {
            let width = data_type.primitive_width().unwrap();
            let fill = bytes_of(data_type, fill_value);
            let specials = specials(data_type);
            let mut bytes = Vec::new();
            for _ in 0..cells {
                match is_fill(random) {
                    true => bytes.extend_from_slice(&fill),
                    false if random.below(4) == 0 => {
                        let special = random.below(specials.len() as u64) as usize;
                        bytes.extend_from_slice(&specials[special]);
                    }
                    false => bytes.extend_from_slice(&random.next().to_le_bytes()[..width]),
                }
            }
            if cells == 0 {
                return new_null_array(data_type, 0);
            }
            let values = ArrayDataBuilder::new(data_type.clone()).len(cells);
            let values = values
                .add_buffer(Buffer::from_vec(bytes))
                .align_buffers(true);
            make_array(values.build().unwrap())
        }
    }
}

fn bytes_of(data_type: &DataType, value: &Value) -> Vec<u8> {
    let float = match value.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        _ => value.as_f64().unwrap_or_default(),
    };
    match data_type {
        DataType::Float32 => (float as f32).to_le_bytes().to_vec(),
        DataType::Float64 => float.to_le_bytes().to_vec(),
        _ => {
            let width = data_type.primitive_width().unwrap();
            value.as_i64().unwrap().to_le_bytes()[..width].to_vec()
        }
    }
}

fn specials(data_type: &DataType) -> Vec<Vec<u8>> {
    let floats = [
        f64::NAN,
        -0.0,
        0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
    ];
    match data_type {
        DataType::Float32 => floats
            .map(|float| (float as f32).to_le_bytes().to_vec())
            .to_vec(),
        DataType::Float64 => floats.map(|float| float.to_le_bytes().to_vec()).to_vec(),
        _ => {
            let width = data_type.primitive_width().unwrap();
            let lowest = 1_u64 << (8 * width - 1);
            [0, 1, u64::MAX, lowest, lowest - 1]
                .map(|bits| bits.to_le_bytes()[..width].to_vec())
                .to_vec()
        }
    }
}
