//! Files that are cut off or changed: an error that says where, or values; never a panic, never all of the memory. What
//! ecCodes writes is compared with what ecCodes reads in the tests of the workspace.

#![allow(clippy::unwrap_used)]

mod samples;

use std::sync::Arc;

use graticule_engine::error::CubeResult;
use graticule_engine::source::{CubeFormat, Group, Location, Options};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use self::samples::{first, second};
use super::Grib;
use super::message::Message;

/// Variables of grids with more points than this are not read: a damaged section may claim any number.
const MOST_POINTS: u64 = 200_000;

async fn open(bytes: Vec<u8>) -> CubeResult<Vec<Group>> {
    let path = Path::from("sample.grib");
    let store = InMemory::new();
    store.put(&path, PutPayload::from(bytes)).await.unwrap();
    let location = Location {
        store: Arc::new(store),
        path,
        url: "memory://sample.grib".to_string(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    };
    Grib.open(&location, &Options::new()).await
}

/// Reads everything in a file; an error must name it.
async fn read_all(bytes: Vec<u8>) -> bool {
    let outcome = async {
        for group in open(bytes).await? {
            for array in &group.arrays {
                let description = array.description();
                let chunk: u64 = description.chunks.iter().map(|axis| axis.size()).product();
                if chunk > MOST_POINTS {
                    continue;
                }
                let index = vec![0; description.shape.len()];
                if let Some(encoded) = array.fetch(&index).await? {
                    array.decode(&index, encoded)?;
                }
            }
        }
        Ok(())
    };
    let outcome: CubeResult<()> = outcome.await;
    if let Err(error) = &outcome {
        let said = error.to_string();
        assert!(said.contains("sample.grib"), "no place in: {error}");
    }
    outcome.is_ok()
}

/// Messages in all packings.
fn files() -> Vec<Vec<u8>> {
    let mut files = vec![first(false), first(true)];
    files.extend([0, 2, 3, 4, 40, 41, 42].map(second));
    files
}

#[tokio::test]
async fn files_that_are_cut_off() {
    for bytes in files() {
        for length in 0..bytes.len() {
            assert!(!read_all(bytes[..length].to_vec()).await, "{length}");
        }
        read_all(bytes.clone()).await;
        // What stands between messages is stepped over.
        let mut several = b"\r\r\n042\r\n".to_vec();
        several.extend(&bytes);
        several.extend(b"\0\0\0");
        several.extend(&bytes);
        assert!(open(several).await.is_ok());
    }
    for bytes in [first(false), first(true), second(0), second(4)] {
        assert!(read_all(bytes).await);
    }
}

/// A small generator of numbers (xorshift), so that every run changes the same bytes.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[tokio::test]
async fn files_with_changed_bytes() {
    let files = files();
    let mut numbers = Numbers(0x5eed);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = files[numbers.below(files.len())].clone();
        for _ in 0..=numbers.below(3) {
            let position = numbers.below(bytes.len());
            bytes[position] = match numbers.below(3) {
                0 => 0xff,
                1 => 0,
                _ => numbers.below(256) as u8,
            };
        }
        match read_all(bytes).await {
            true => read += 1,
            false => refused += 1,
        }
    }
    assert!(
        read > 1000 && refused > 1000,
        "{read} read, {refused} refused"
    );
}

/// What is not read says why.
#[tokio::test]
async fn refusals() {
    let changed = |mut bytes: Vec<u8>, at: usize, to: &[u8]| {
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    // Section 3 begins at byte 37 of the message, its template at byte 49 and its columns and rows at byte 67.
    let cases = [
        (b"no messages".to_vec(), "no GRIB message"),
        (Vec::new(), "no GRIB message"),
        (changed(second(0), 7, &[3]), "edition 3"),
        (changed(second(0), 49, &[0, 50]), "spherical harmonics"),
        (changed(second(0), 67, &[0x7f; 8]), "points, and"),
        (changed(second(0), 67, &[0; 8]), "no points"),
        (changed(second(0), 14, &[0x7f]), "truncated"),
        (changed(first(false), 36 + 5, &[50]), "spherical harmonics"),
        (
            changed(first(false), 8 + 7, &[0]),
            "which is not in the file",
        ),
    ];
    for (bytes, expected) in cases {
        let error = open(bytes).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// A message of edition 1 whose length is counted in units of 120 octets, and corrected by its data section.
#[tokio::test]
async fn long_messages_of_edition_1() {
    let mut bytes = first(false);
    // The product section becomes longer by 19 octets, the message as long as 120 - 5 + 4.
    bytes.splice(36..36, [0; 19]);
    bytes[10] = 28 + 19;
    bytes[4..7].copy_from_slice(&[0x80, 0, 1]);
    let data = 36 + 19 + 32 + 8;
    bytes[data..data + 3].copy_from_slice(&[0, 0, 5]);
    assert_eq!(bytes.len(), 119);
    assert!(read_all([bytes.clone(), bytes].concat()).await);
}

/// Files with more grids, or causes for which fields are left out, than are kept.
#[tokio::test]
async fn limits() {
    let messages = |numbers: std::ops::Range<u16>, at: usize| {
        let message = |number: u16| {
            let mut bytes = second(0);
            bytes[at..at + 2].copy_from_slice(&number.to_be_bytes());
            bytes
        };
        numbers.flat_map(message).collect::<Vec<u8>>()
    };
    // The last two octets of the first longitude.
    let error = open(messages(0..1002, 89)).await.unwrap_err().to_string();
    assert!(error.contains("more than 1000 grids"), "{error}");
    assert_eq!(open(messages(0..20, 89)).await.unwrap().len(), 20);
    // Templates of grids that are not known.
    let mut bytes = messages(200..350, 49);
    bytes.extend(second(0));
    let groups = open(bytes).await.unwrap();
    let left_out = groups[0].attributes["GRIB_left_out"].as_str().unwrap();
    let lines: Vec<&str> = left_out.lines().collect();
    assert_eq!(lines.len(), 101, "{left_out}");
    assert!(lines[0].starts_with("1 fields"), "{left_out}");
    assert!(lines[100].starts_with("50 fields"), "{left_out}");
}

/// Who reads a message alone compares its points with what they expect, before the values take memory.
#[test]
fn points_are_known_before_values() {
    let mut compared = 0;
    for bytes in files() {
        let message = Message::of(bytes.into()).unwrap();
        // One of the files has an image that is none.
        if let Ok(values) = message.values() {
            assert_eq!(message.points(), values.len() as u64);
            compared += 1;
        }
    }
    assert!(compared > 4, "{compared} files have values");
}
