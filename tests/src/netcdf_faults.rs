//! Damaged NetCDF files: an error that says where and what to do, never a panic, never other numbers.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::object_store::memory::InMemory;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::object_store::{ObjectStoreExt, PutPayload};
use graticule_connectors::formats::netcdf::Netcdf;
use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::{CubeFormat, Location, Options};
use libtest_mimic::{Failed, Trial};

use crate::netcdf::{Whole, location, read_whole, runtime};
use crate::oracle;

/// Arrays with more cells than this are not read: a damaged header may claim any number.
const MOST_CELLS: u64 = 200_000;
/// How long the mutations go on, at most.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long one file may take, at most.
const HANG: Duration = Duration::from_secs(10);

/// A file in memory called `fault.nc`.
async fn in_memory(bytes: Vec<u8>) -> Location {
    let store = InMemory::new();
    let path = ObjectPath::from("fault.nc");
    let payload = PutPayload::from(bytes);
    store
        .put(&path, payload)
        .await
        .expect("memory holds a file");
    Location {
        store: Arc::new(store),
        path,
        url: "memory://fault.nc".to_string(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    }
}

/// Everything in a file.
async fn read_all(location: &Location) -> CubeResult<Vec<Whole>> {
    let mut found = Vec::new();
    for group in Netcdf.open(location, &Options::new()).await? {
        for array in &group.arrays {
            let description = array.description();
            let cells = description
                .shape
                .iter()
                .fold(1_u64, |cells, n| cells.saturating_mul(*n));
            if cells <= MOST_CELLS {
                found.push(read_whole(array.as_ref()).await?);
            }
        }
    }
    Ok(found)
}

/// A good message names the file and says what to do.
fn check_message(error: &CubeError, kinds: &[ErrorKind]) {
    let message = error.to_string();
    assert!(message.contains("fault.nc"), "no place: {message}");
    assert!(message.contains("; "), "no remedy: {message}");
    assert!(
        kinds.contains(&error.kind()),
        "{:?}: {message}",
        error.kind()
    );
}

/// Files cut off anywhere give an error, or all that was in them when only padding is gone.
fn check_truncation() -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?.join("generated");
    let runtime = runtime();
    for name in [
        "netcdf3_classic",
        "padded_records",
        "filter_zlib_shuffle_fletcher",
        "groups",
        "types",
    ] {
        let bytes = fs::read(folder.join(format!("{name}.nc")))?;
        let complete =
            runtime.block_on(async { read_all(&in_memory(bytes.clone()).await).await })?;
        let length = bytes.len();
        let cuts = [
            0,
            1,
            3,
            4,
            7,
            8,
            9,
            32,
            100,
            500,
            length / 4,
            length / 2,
            length * 3 / 4,
        ];
        let tail = [16, 8, 3, 1].map(|less| length - less);
        for cut in cuts.into_iter().chain(tail).filter(|cut| *cut < length) {
            let outcome =
                runtime.block_on(async { read_all(&in_memory(bytes[..cut].to_vec()).await).await });
            match outcome {
                Ok(found) if cut + 16 >= length => assert!(found == complete, "{name} at {cut}"),
                Ok(_) => {
                    return Err(format!(
                        "{name} cut at {cut} of {length} is read without complaint"
                    )
                    .into());
                }
                Err(error) => check_message(&error, &[ErrorKind::Corrupt, ErrorKind::Unsupported]),
            }
        }
    }
    Ok(())
}

/// Files that are something else, and the words that must be in the message.
fn check_other_files() -> Result<(), Failed> {
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (b"PK\x03\x04 and more", "zip"),
        (b"\x1f\x8b and more", "gzip"),
        (b"GRIB and more", "GRIB"),
        (b"<!DOCTYPE html><html>404</html>", "magic"),
        (b"CDF\x03 and more", "version 3"),
        (b"CDF", "magic"),
    ];
    let runtime = runtime();
    for (bytes, word) in cases {
        let outcome = runtime.block_on(async { read_all(&in_memory(bytes.to_vec()).await).await });
        let error = outcome.expect_err(word);
        check_message(&error, &[ErrorKind::Corrupt, ErrorKind::Unsupported]);
        assert!(error.to_string().contains(word), "no '{word}': {error}");
    }
    let absent = location(std::path::Path::new("/no/such/folder/fault.nc"));
    let error = runtime.block_on(read_all(&absent)).expect_err("no file");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    Ok(())
}

/// A flipped bit in a chunk with a checksum, or one that does not decompress, is found.
fn check_flipped_chunks() -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?.join("generated");
    let runtime = runtime();
    for (name, needle) in [
        ("filter_fletcher", "checksum"),
        ("filter_zlib_shuffle_fletcher", ""),
    ] {
        let mut bytes = fs::read(folder.join(format!("{name}.nc")))?;
        // Well inside the chunks of the first variables.
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..middle + 2000] {
            *byte ^= 0x10;
        }
        let outcome = runtime.block_on(async { read_all(&in_memory(bytes).await).await });
        let error = outcome.expect_err("flipped bits");
        check_message(&error, &[ErrorKind::Corrupt]);
        let message = error.to_string();
        assert!(
            message.contains("variable v_") && message.contains(needle),
            "{message}"
        );
    }
    Ok(())
}

/// A small generator of numbers (xorshift), so that every run mutates alike.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Files with a few bytes changed: whatever comes out, nothing panics, hangs or runs out of memory.
fn check_mutations() -> Result<(), Failed> {
    let folder = oracle::oracle("netcdf.py")?.join("generated");
    let names = [
        "netcdf3_classic",
        "netcdf3_64bit_data",
        "filter_zlib_shuffle_fletcher",
        "filter_blosc_lz4",
        "filter_zstd",
        "filter_szip_nn",
        "groups",
        "types",
        "unequal_records",
        "many_chunks",
    ];
    let files = names.map(|name| fs::read(folder.join(format!("{name}.nc"))));
    let mut numbers = Numbers(0x5eed);
    let runtime = runtime();
    let start = Instant::now();
    let (mut read, mut refused) = (0, 0);
    while start.elapsed() < PATIENCE && read + refused < 3000 {
        let number = numbers.below(files.len());
        let mut bytes = files[number]
            .as_ref()
            .map_err(|error| error.to_string())?
            .clone();
        // Headers are small; most changes go where they hurt.
        let reach = if numbers.below(4) == 0 {
            bytes.len()
        } else {
            bytes.len().min(12_000)
        };
        let mut changes = Vec::new();
        for _ in 0..=numbers.below(4) {
            let position = numbers.below(reach);
            bytes[position] = match numbers.below(3) {
                0 => 0xff,
                1 => 0,
                _ => numbers.below(256) as u8,
            };
            changes.push((position, bytes[position]));
        }
        let outcome = runtime.block_on(async {
            let location = in_memory(bytes).await;
            // A task of its own, so that a panic comes back as an error.
            let task = tokio::spawn(async move { read_all(&location).await.map(|_| ()) });
            tokio::time::timeout(HANG, task).await
        });
        let place = format!("{} with {changes:?}", names[number]);
        match outcome {
            Err(_) => return Err(format!("{place}: not done after {HANG:?}").into()),
            Ok(Err(error)) => return Err(format!("{place}: {error}").into()),
            Ok(Ok(Ok(()))) => read += 1,
            Ok(Ok(Err(error))) => {
                assert!(
                    error.to_string().contains("fault.nc"),
                    "{place}: no place in: {error}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        read + refused > 100 && refused > 10,
        "{read} read, {refused} refused"
    );
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("netcdf_faults::truncation", check_truncation),
        Trial::test("netcdf_faults::other_files", check_other_files),
        Trial::test("netcdf_faults::flipped_chunks", check_flipped_chunks),
        Trial::test("netcdf_faults::mutations", check_mutations),
    ]
}
