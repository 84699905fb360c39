//! Damaged Zarr, at random: metadata and chunks are mutated, and whatever comes out is values of the
//! promised length or an error, never a panic, and never a wrong number under a checksum.
//!
//! The seed is fixed and the time bounded. A failure prints the mutation that caused it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use graticule_engine::source::ArrayReader;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::oracle::oracle;
use crate::zarr::{SCRIPT, open, wait};
use crate::zarr_store::Observed;

const TIME: Duration = Duration::from_secs(8);

/// Marsaglia's xorshift: enough randomness, the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Some bytes flipped, removed, repeated or cut off.
    fn damage(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut damaged = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let position = self.below(damaged.len());
            match self.below(6) {
                _ if damaged.is_empty() => damaged.push(7),
                0 => damaged.truncate(position),
                1 => drop(damaged.remove(position)),
                2 => damaged.insert(position, 0xff),
                3 => damaged[position] = *self.pick(&[0, 1, 0x7f, 0x80, 0xff]),
                _ => damaged[position] ^= 1 << self.below(8),
            }
        }
        damaged
    }

    /// One value somewhere in `document` replaced by something it should not be.
    fn mutate(&mut self, document: &mut Value) {
        let strange = [
            json!(null),
            json!(-1),
            json!(0),
            json!(1),
            json!(3),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(1e300),
            json!("NaN"),
            json!(""),
            json!("0x7fc00000"),
            json!([]),
            json!({}),
            json!([[1, u64::MAX]]),
            json!(true),
            json!("<M8[ns]"),
            json!("|S0"),
            json!(">U9"),
            json!("float16"),
            json!("string"),
            json!("zstd"),
            json!("F"),
            json!({"name": "transpose", "configuration": {"order": [1, 0]}}),
            json!([1, 2, 3]),
            json!("vlen-utf8"),
            json!({"name": "regular", "configuration": {"chunk_shape": [1, 1]}}),
            json!({"id": "delta", "dtype": "<i2"}),
        ];
        match document {
            Value::Object(object) if !object.is_empty() && self.below(8) != 0 => {
                let key = object
                    .keys()
                    .nth(self.below(object.len()))
                    .cloned()
                    .unwrap();
                match self.below(12) {
                    0 => drop(object.remove(&key)),
                    _ => self.mutate(&mut object[&key]),
                }
            }
            Value::Array(items) if !items.is_empty() && self.below(4) != 0 => {
                let position = self.below(items.len());
                match self.below(6) {
                    0 => drop(items.remove(position)),
                    1 => items.push(items[position].clone()),
                    _ => self.mutate(&mut items[position]),
                }
            }
            other => *other = self.pick(&strange).clone(),
        }
    }
}

/// Reads a few chunks, the first and the last among them, and checks their lengths.
fn read_some(reader: &dyn ArrayReader) {
    let description = reader.description();
    let counts: Vec<u64> = description.chunks.iter().map(|axis| axis.count()).collect();
    if counts.contains(&0) {
        return;
    }
    let last: Vec<u64> = counts.iter().map(|count| count - 1).collect();
    let beyond = counts.clone();
    for index in [vec![0; counts.len()], last, beyond] {
        let Ok(Some(chunk)) = wait(reader.fetch(&index)) else {
            continue;
        };
        if let Ok(chunk) = reader.decode(&index, chunk) {
            assert_eq!(chunk.values.len(), chunk.shape.iter().product::<usize>());
            assert_eq!(chunk.values.data_type(), &description.data_type);
            for (axis, extent) in chunk.shape.iter().enumerate() {
                let cells = description.chunks[axis].range(index[axis]);
                assert!(*extent as u64 >= cells.end - cells.start);
            }
        }
    }
}

fn open_and_read(store: &Arc<Observed>) {
    if let Ok(groups) = open(&store.location(true), &[]) {
        for array in groups.iter().flat_map(|group| &group.arrays) {
            read_some(array.as_ref());
        }
    }
}

/// Every array of the matrix as a store of its own, with the name of its metadata file.
fn arrays() -> Result<Vec<(Arc<Observed>, &'static str)>, Failed> {
    let folder = oracle(SCRIPT)?;
    let mut arrays = Vec::new();
    for (cube, file) in [("v2.zarr", ".zarray"), ("v3.zarr", "zarr.json")] {
        for entry in std::fs::read_dir(folder.join(cube))? {
            let path = entry?.path();
            if path.join(file).exists() && !path.ends_with("inner") {
                arrays.push((Observed::copy_of(&path), file));
            }
        }
    }
    Ok(arrays)
}

/// Mutates one object after the other until the time is over. `mutation` chooses the object and
/// what it becomes.
fn mutate(
    seed: u64,
    mutation: impl Fn(&mut Random, &Observed, &str) -> (String, Vec<u8>),
) -> Result<(), Failed> {
    let arrays = arrays()?;
    let mut random = Random(seed);
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < TIME {
        let (store, metadata) = random.pick(&arrays);
        let (object, damaged) = mutation(&mut random, store, metadata);
        let whole = store.bytes(&object);
        store.put_bytes(&object, &damaged);
        let outcome = catch_unwind(AssertUnwindSafe(|| open_and_read(store)));
        store.put_bytes(&object, &whole);
        if outcome.is_err() {
            let metadata = String::from_utf8_lossy(&store.bytes(metadata)).into_owned();
            let damaged = String::from_utf8_lossy(&damaged);
            return Err(format!("panic with {object}: {damaged:?} of {metadata}").into());
        }
        count += 1;
    }
    assert!(count > 200, "only {count} mutations in {TIME:?}");
    Ok(())
}

fn mutated_metadata() -> Result<(), Failed> {
    mutate(0x5eed_0001, |random, store, metadata| {
        let whole = store.bytes(metadata);
        let damaged = match random.below(4) {
            0 => random.damage(&whole),
            _ => {
                let mut document: Value = serde_json::from_slice(&whole).unwrap();
                for _ in 0..=random.below(2) {
                    random.mutate(&mut document);
                }
                serde_json::to_vec(&document).unwrap()
            }
        };
        (metadata.to_string(), damaged)
    })
}

fn mutated_chunks() -> Result<(), Failed> {
    mutate(0x5eed_0002, |random, store, metadata| {
        let objects = store.paths();
        let chunks: Vec<&String> = objects.iter().filter(|path| !path.contains("z")).collect();
        let object = match chunks.is_empty() {
            true => metadata.to_string(),
            false => random.pick(&chunks).to_string(),
        };
        let damaged = random.damage(&store.bytes(&object));
        (object, damaged)
    })
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("zarr_fuzz::mutated_metadata", mutated_metadata),
        Trial::test("zarr_fuzz::mutated_chunks", mutated_chunks),
    ]
}
