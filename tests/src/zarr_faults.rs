//! Zarr that is broken, hidden or not for us: each a clear error of its kind, and no request too many.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{Array, ArrayRef};
use futures::future::join_all;
use graticule_engine::error::{CubeError, ErrorKind};
use graticule_engine::source::{ArrayReader, Group};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::netcdf::location;
use crate::oracle::oracle;
use crate::zarr::{SCRIPT, array, open, read, wait};
use crate::zarr_store::Observed;

/// `zarr.json` of an array of four 16-bit integers in two raw chunks, with some fields replaced.
fn v3(changes: Value) -> Value {
    let mut document = json!({
        "zarr_format": 3, "node_type": "array", "shape": [4], "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    });
    replace(&mut document, changes);
    document
}

/// The same as `.zarray`.
fn v2(changes: Value) -> Value {
    let mut document = json!({
        "zarr_format": 2, "shape": [4], "chunks": [2], "dtype": "<i2", "fill_value": null,
        "order": "C", "compressor": null, "filters": null,
    });
    replace(&mut document, changes);
    document
}

/// The type of cells that may be missing, otherwise of type `name`.
fn optional(name: &str) -> Value {
    json!({"name": "zarrs.optional", "configuration": {"name": name, "configuration": {}}})
}

fn replace(document: &mut Value, changes: Value) {
    for (key, value) in changes.as_object().unwrap() {
        document[key] = value.clone();
    }
}

/// A store with one array, whose chunks hold the numbers 1 to 4.
fn store(name: &str, document: &Value) -> Arc<Observed> {
    let chunk = |first: u8| [first, 0, first + 1, 0];
    let (first, second) = match name {
        "zarr.json" => ("c/0", "c/1"),
        _ => ("0", "1"),
    };
    let document = serde_json::to_vec(document).unwrap();
    Observed::with(&[(name, &document), (first, &chunk(1)), (second, &chunk(3))])
}

fn check(error: CubeError, kind: ErrorKind, parts: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// Metadata that open, and the error of opening others.
fn metadata_that_cannot_be() -> Result<(), Failed> {
    use ErrorKind::{Corrupt, NotFound, Unsupported};
    assert!(open(&store("zarr.json", &v3(json!({}))).location(true), &[]).is_ok());
    assert!(open(&store(".zarray", &v2(json!({}))).location(true), &[]).is_ok());
    let grid = |shape: Value| json!({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shape}}});
    let cases = [
        (v3(json!({"shape": [-4]})), Corrupt, "shape"),
        (v3(json!({"shape": "4"})), Corrupt, "shape"),
        (
            v3(json!({"shape": [1_u64 << 40, 1_u64 << 40]})),
            Corrupt,
            "too many cells",
        ),
        (v3(json!({"shape": vec![1; 65]})), Corrupt, "65 dimensions"),
        (v3(grid(json!([0]))), Corrupt, "chunk size is 0"),
        (v3(grid(json!([-1]))), Corrupt, "chunk size -1"),
        (v3(grid(json!([2, 2]))), Corrupt, "1 dimensions"),
        (
            v3(json!({"chunk_grid": {"name": "hexagonal"}})),
            Corrupt,
            "hexagonal",
        ),
        (v3(json!({"chunk_key_encoding": "morse"})), Corrupt, "morse"),
        (
            v3(json!({"dimension_names": ["x", "y"]})),
            Corrupt,
            "dimension names",
        ),
        (v3(json!({"codecs": 5})), Corrupt, "codecs"),
        (v3(json!({"zarr_format": 4})), Corrupt, "zarr_format"),
        (v3(json!({"node_type": "forest"})), Corrupt, "neither"),
        (v3(json!({"node_type": "group"})), NotFound, "no arrays"),
        (
            v3(json!({"data_type": "complex64"})),
            Unsupported,
            "complex64",
        ),
        (v2(json!({"shape": [-4]})), Corrupt, "shape"),
        (v2(json!({"chunks": [0]})), Corrupt, "chunk size is 0"),
        (v2(json!({"chunks": null})), Corrupt, "chunks"),
        (v2(json!({"dtype": "<c16"})), Unsupported, "<c16"),
        (v2(json!({"dtype": "|O"})), Unsupported, "|O"),
        (
            v2(json!({"dtype": "|O", "filters": [{"id": "vlen-array", "dtype": "<M8[s]"}]})),
            Unsupported,
            "|O",
        ),
        (
            v3(
                json!({"data_type": {"name": "zarrs.optional", "configuration": optional("complex64")}}),
            ),
            Unsupported,
            "zarrs.optional of zarrs.optional of complex64",
        ),
        (
            v2(json!({"dtype": "|S999999999999"})),
            Unsupported,
            "|S999999999999",
        ),
        (
            v3(
                json!({"data_type": {"name": "fixed_length_utf32", "configuration": {"length_bytes": 1_u64 << 60}}}),
            ),
            Unsupported,
            "utf32",
        ),
        (v2(json!({"dtype": [["a", "<i2"]]})), Unsupported, "\"a\""),
    ];
    for (document, kind, part) in cases {
        let name = if document["zarr_format"] == 2 {
            ".zarray"
        } else {
            "zarr.json"
        };
        let Err(error) = open(&store(name, &document).location(true), &[]) else {
            return Err(format!("opens: {document}").into());
        };
        check(error, kind, &[part, "memory://cube"]);
    }
    Ok(())
}

/// Cut metadata files are corrupt, and the error names the file.
fn truncated_metadata() -> Result<(), Failed> {
    for (store, file) in [("v3.zarr", "zarr.json"), ("v2.zarr", ".zmetadata")] {
        let store = Observed::copy_of(&oracle(SCRIPT)?.join(store));
        let whole = store.bytes(file);
        for length in [0, 1, whole.len() / 2, whole.len() - 2] {
            store.put_bytes(file, &whole[..length]);
            let error = open(&store.location(true), &[]).unwrap_err();
            check(error, ErrorKind::Corrupt, &[file, "copy it again"]);
        }
    }
    Ok(())
}

/// Arrays that open, because they can be described, but cannot be read; and the error of reading.
fn arrays_that_cannot_be_read() -> Result<(), Failed> {
    use ErrorKind::{Corrupt, Limit, Unsupported};
    let codecs = |codecs: Value| json!({"codecs": codecs});
    let huge = json!({"shape": [1_000_000_000_000_000_u64],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1_000_000_000_000_000_u64]}}});
    let sharded = |inner: u64, index: Value| {
        codecs(json!([{"name": "sharding_indexed", "configuration":
            {"chunk_shape": [inner], "codecs": ["bytes"], "index_codecs": index}}]))
    };
    let cases = [
        (v3(codecs(json!(["bytes", "lerc"]))), Unsupported, "lerc"),
        (
            v3(codecs(
                json!([{"name": "bytes"}, {"name": "crc32c", "configuration": {"x": 1}}]),
            )),
            Unsupported,
            "crc32c",
        ),
        (v3(codecs(json!(["gzip", "bytes"]))), Unsupported, "gzip"),
        (v3(codecs(json!([]))), Unsupported, "no codec"),
        (
            v3(json!({"storage_transformers": [{"name": "mirror"}]})),
            Unsupported,
            "mirror",
        ),
        (
            v3(json!({"extra": {"must_understand": true}})),
            Unsupported,
            "extra",
        ),
        (
            v3(sharded(3, json!(["bytes"]))),
            Unsupported,
            "cannot be cut",
        ),
        (
            v3(sharded(
                1,
                json!(["bytes", {"name": "gzip", "configuration": {"level": 1}}]),
            )),
            Unsupported,
            "compressed",
        ),
        (
            v2(json!({"compressor": {"id": "lerc"}})),
            Unsupported,
            "lerc",
        ),
        (
            v3(codecs(
                json!([{"name": "zfp", "configuration": {"mode": "fixed"}}]),
            )),
            Unsupported,
            "zfp",
        ),
        (
            v3(codecs(
                json!([{"name": "packbits", "configuration": {"bits": 3}}]),
            )),
            Unsupported,
            "packbits",
        ),
        (
            v3(codecs(json!([{"name": "zarrs.vlen", "configuration": {}}]))),
            Unsupported,
            "zarrs.vlen",
        ),
        (
            v3(json!({"data_type": optional("int16"), "codecs":
                [{"name": "zarrs.optional", "configuration": {"mask_codecs": ["bytes"]}}]})),
            Unsupported,
            "zarrs.optional",
        ),
        (
            v3(json!({"data_type": optional("int16"), "codecs":
                [{"name": "zarrs.optional", "configuration": {"mask_codecs": ["packbits"], "data_codecs": ["bytes"]}}]})),
            Corrupt,
            "mask",
        ),
        (
            v3(json!({"data_type": "bytes", "fill_value": "", "codecs":
                [{"name": "numcodecs.vlen-array", "configuration": {"dtype": "<i2"}}]})),
            Corrupt,
            "no lists",
        ),
        (
            v2(json!({"filters": [{"id": "delta", "dtype": "<U3"}]})),
            Unsupported,
            "delta",
        ),
        (v3(huge), Limit, "smaller chunks"),
        (
            v2(json!({"chunks": [1_u64 << 62]})),
            Limit,
            "smaller chunks",
        ),
        (
            v2(json!({"dtype": "|S1000000", "chunks": [4000]})),
            Limit,
            "smaller chunks",
        ),
        (v2(json!({"dtype": "<i4"})), Corrupt, "chunk 0"),
        (v2(json!({"chunks": [3]})), Corrupt, "chunk 0"),
        (
            v2(json!({"compressor": {"id": "zlib", "level": 1}})),
            Corrupt,
            "chunk 0",
        ),
        (
            v2(json!({"compressor": {"id": "blosc"}})),
            Corrupt,
            "chunk 0",
        ),
        (v2(json!({"compressor": {"id": "lz4"}})), Corrupt, "chunk 0"),
        (
            v2(json!({"compressor": {"id": "zfpy"}})),
            Corrupt,
            "chunk 0",
        ),
        (
            v2(json!({"compressor": {"id": "pcodec"}})),
            Corrupt,
            "chunk 0",
        ),
        (
            v2(json!({"dtype": "|b1", "filters": [{"id": "packbits"}]})),
            Corrupt,
            "chunk 0",
        ),
        (
            v3(codecs(json!([{"name": "packbits", "configuration":
                {"padding_encoding": "last_byte", "last_bit": 8}}]))),
            Corrupt,
            "chunk c/0",
        ),
        (
            v3(codecs(
                json!([{"name": "zfp", "configuration": {"mode": "reversible"}}]),
            )),
            Corrupt,
            "chunk c/0",
        ),
        (
            v3(codecs(json!(["bytes", "zarrs.gdeflate"]))),
            Corrupt,
            "chunk c/0",
        ),
        (
            v2(json!({"dtype": "|O", "filters": [{"id": "vlen-utf8"}]})),
            Corrupt,
            "chunk 0",
        ),
        (
            v2(json!({"dtype": "<U1", "chunks": [1], "shape": [4]})),
            Corrupt,
            "UTF-32",
        ),
        (v3(codecs(json!(["bytes", "crc32c"]))), Corrupt, "chunk c/0"),
        (v3(sharded(1, json!(["bytes"]))), Corrupt, "shard c/0"),
    ];
    for (document, kind, part) in cases {
        let name = if document["zarr_format"] == 2 {
            ".zarray"
        } else {
            "zarr.json"
        };
        let store = store(name, &document);
        if part == "UTF-32" {
            store.put_bytes("0", &[0xff; 4]);
        }
        let groups = open(&store.location(true), &[])?;
        let array = Arc::clone(&groups[0].arrays[0]);
        let read = wait(async {
            match array.fetch(&[0]).await? {
                Some(chunk) => array.decode(&[0], chunk).map(Some),
                None => Ok(None),
            }
        });
        match read {
            Ok(chunk) => return Err(format!("{document} gives {chunk:?}").into()),
            Err(error) => check(error, kind, &[part, "memory://cube"]),
        }
    }
    Ok(())
}

/// An array without an Arrow type is left out, its group says why, and the others are there. Asked
/// for by name, it is an error.
fn unreadable_arrays_are_named() -> Result<(), Failed> {
    let folder = oracle(SCRIPT)?;
    for store in ["v2.zarr", "v3.zarr"] {
        let place = location(&folder.join(store));
        let groups = open(&place, &[])?;
        let reasons = &groups[0].attributes[graticule_connectors::formats::zarr::UNREADABLE];
        assert!(
            reasons["complex"]
                .as_str()
                .is_some_and(|why| why.contains("complex")),
            "{reasons}"
        );
        assert!(array(&groups, "", "complex").is_none());
        let error = open(&place, &[("variables", "complex")]).unwrap_err();
        check(error, ErrorKind::Unsupported, &["complex"]);
    }
    let groups = open(&location(&folder.join("v2.zarr")), &[])?;
    let lzma = array(&groups, "", "lzma").unwrap();
    assert_eq!(
        lzma.description().codecs,
        "lzma(format=1, check=-1, preset=null, filters=null)"
    );
    check(
        wait(lzma.fetch(&[0])).unwrap_err(),
        ErrorKind::Unsupported,
        &["lzma"],
    );
    Ok(())
}

/// A flipped byte is an error where there is a checksum, and never a panic or a wrong length.
fn flipped_bytes() -> Result<(), Failed> {
    let folder = oracle(SCRIPT)?;
    for (store, dot) in [("v2.zarr", ""), ("v3.zarr", "c/")] {
        let store = Observed::copy_of(&folder.join(store));
        let groups = open(&store.location(true), &[])?;
        for reader in &groups
            .iter()
            .find(|group| group.path.is_empty())
            .unwrap()
            .arrays
        {
            let description = reader.description();
            let (name, codecs) = (&description.name, &description.codecs);
            let separator = if dot.is_empty() { "." } else { "/" };
            let zeros = vec!["0"; description.shape.len()].join(separator);
            let key = format!("{name}/{dot}{zeros}");
            let key = key.trim_end_matches('/').to_string();
            if !(name.starts_with("codec") || name.starts_with("filter"))
                || codecs.contains("lzma")
                || description.shard_shape.is_some()
            {
                continue;
            }
            let has_checksum = ["crc32c", "fletcher32", "adler32", "gzip"]
                .iter()
                .any(|checksum| codecs.contains(checksum));
            let whole = store.bytes(&key);
            let right = wait(first_chunk(reader.as_ref()))?;
            // Without a checksum a sample will do: the fuzz test flips others.
            let step = if has_checksum {
                1
            } else {
                1 + whole.len() / 64
            };
            for position in (0..whole.len()).step_by(step) {
                let mut flipped = whole.clone();
                flipped[position] ^= 0x10;
                store.put_bytes(&key, &flipped);
                match wait(first_chunk(reader.as_ref())) {
                    Ok(values) if has_checksum && values.as_ref() != right.as_ref() => {
                        return Err(
                            format!("{name} {codecs}: byte {position} gives {values:?}").into()
                        );
                    }
                    Ok(_) => {}
                    Err(error) => check(error, ErrorKind::Corrupt, &[name]),
                }
            }
            for length in [0, 1, whole.len() / 2, whole.len() - 1] {
                store.put_bytes(&key, &whole[..length]);
                match wait(first_chunk(reader.as_ref())) {
                    Err(error) => check(error, ErrorKind::Corrupt, &[name]),
                    Ok(_) => {
                        return Err(format!(
                            "{name} {codecs} reads {length} of {} bytes",
                            whole.len()
                        )
                        .into());
                    }
                }
            }
            store.put_bytes(&key, &whole);
        }
    }
    Ok(())
}

async fn first_chunk(reader: &dyn ArrayReader) -> Result<ArrayRef, CubeError> {
    let index = vec![0; reader.description().shape.len()];
    let chunk = reader.fetch(&index).await?.expect("the chunk is stored");
    let chunk = reader.decode(&index, chunk)?;
    assert_eq!(chunk.values.len(), chunk.shape.iter().product::<usize>());
    Ok(chunk.values)
}

/// What a store refuses, and what it cannot list.
fn stores_that_hide_things() -> Result<(), Failed> {
    let folder = oracle(SCRIPT)?;
    let empty = Observed::with(&[]);
    let error = open(&empty.location(true), &[]).unwrap_err();
    check(
        error,
        ErrorKind::NotFound,
        &["memory://cube", "no Zarr cube"],
    );

    // Without metadata of all arrays and without a listing, arrays are opened by name.
    for store in ["v2-separate.zarr", "v3-separate.zarr"] {
        let store = Observed::copy_of(&folder.join(store));
        let error = open(&store.location(false), &[]).unwrap_err();
        check(error, ErrorKind::Unsupported, &["variables = '"]);
        let names = [("variables", "scalar, inner/deep/a")];
        let groups = open(&store.location(false), &names)?;
        let paths: Vec<&str> = groups.iter().map(|group| group.path.as_str()).collect();
        assert_eq!(paths, ["", "inner/deep"]);
        assert_eq!(groups[1].attributes["title"], "inner/deep");
        assert_eq!(wait(read(array(&groups, "", "scalar").unwrap()))?.len(), 1);
        let error = open(&store.location(false), &[("variables", "scalar,nothing")]).unwrap_err();
        check(error, ErrorKind::NotFound, &["nothing"]);
        let error = open(&store.location(false), &[("variables", "scalar,,")]).unwrap_err();
        check(error, ErrorKind::Invalid, &["variables"]);
    }

    // A store that answers 403 for what does not exist, declared so or not.
    let store = Observed::copy_of(&folder.join("v2.zarr"));
    store.denies_missing.store(true, Ordering::SeqCst);
    let mut place = store.location(false);
    let groups = open(&place, &[])?;
    let error = wait(read(array(&groups, "", "missing_chunks").unwrap())).unwrap_err();
    check(error, ErrorKind::Denied, &["missing_chunks, chunk 0.0"]);
    place.missing_is_403 = true;
    let groups = open(&place, &[])?;
    assert_eq!(
        wait(read(array(&groups, "", "missing_chunks").unwrap()))?.len(),
        77
    );

    store.denies_all.store(true, Ordering::SeqCst);
    place.missing_is_403 = false;
    check(
        open(&place, &[]).unwrap_err(),
        ErrorKind::Denied,
        &["memory://cube"],
    );
    Ok(())
}

/// Requests are few: two to open, one per chunk, one more per shard.
fn requests_are_few() -> Result<(), Failed> {
    let folder = oracle(SCRIPT)?;
    let opened = |name: &str| -> Result<(Arc<Observed>, Vec<Group>), Failed> {
        let store = Observed::copy_of(&folder.join(name));
        let groups = open(&store.location(true), &[])?;
        Ok((store, groups))
    };
    let (store, groups) = opened("v2.zarr")?;
    assert_eq!(store.take_reads(), 2);
    wait(read(array(&groups, "", "codec_0").unwrap()))?;
    assert_eq!(store.take_reads(), 9);
    let (store, groups) = opened("v3.zarr")?;
    assert_eq!(store.take_reads(), 2);

    // (9, 8) cells in shards of (4, 4) in chunks of (2, 2); all readers of a shard share its index.
    for name in ["shard_index_start", "shard_index_end"] {
        let reader = array(&groups, "", name).unwrap();
        assert_eq!(reader.description().shard_shape, Some(vec![4, 4]));
        let chunks = wait(join_all((0..4).map(|column| async move {
            let index = [1, column];
            reader
                .fetch(&index)
                .await
                .map(|chunk| chunk.map(|chunk| chunk.bytes_fetched))
        })));
        let bytes: Result<Vec<Option<u64>>, CubeError> = chunks.into_iter().collect();
        let bytes: Vec<u64> = bytes?.into_iter().flatten().collect();
        assert_eq!(store.take_reads(), 2 + 4, "{name}");
        let index = 4 * 16 + 4;
        let with_index = bytes.iter().filter(|bytes| **bytes > index).count();
        assert_eq!(with_index, 2, "{bytes:?}");
    }
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    let trials: [(&str, fn() -> Result<(), Failed>); 7] = [
        ("metadata_that_cannot_be", metadata_that_cannot_be),
        ("truncated_metadata", truncated_metadata),
        ("arrays_that_cannot_be_read", arrays_that_cannot_be_read),
        ("unreadable_arrays_are_named", unreadable_arrays_are_named),
        ("flipped_bytes", flipped_bytes),
        ("stores_that_hide_things", stores_that_hide_things),
        ("requests_are_few", requests_are_few),
    ];
    let trial = |(name, run): (&str, fn() -> Result<(), Failed>)| {
        Trial::test(format!("zarr_faults::{name}"), run)
    };
    trials.into_iter().map(trial).collect()
}
