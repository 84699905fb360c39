//! The large real cubes: every cell has the bits that zarr-python reads; and a `.levels` folder
//! gives level 0 as the cube and the others beside it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use datafusion::object_store::memory::InMemory;
use datafusion::object_store::path::Path as StorePath;
use graticule_engine::error::ErrorKind;
use graticule_engine::source::{ArrayReader, Group, Location};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::netcdf::location;
use crate::oracle::oracle;
use crate::places;
use crate::zarr::{SCRIPT, array, open, wait};
use crate::zarr_store::Observed;

/// The sum of (position + 1) × bits over all cells of an array of 64-bit numbers, modulo 2^64.
async fn checksum(reader: &dyn ArrayReader) -> Result<u64, Failed> {
    let description = reader.description();
    let chunks = &description.chunks;
    let counts: Vec<u64> = chunks.iter().map(|axis| axis.count()).collect();
    let mut sum = 0_u64;
    for number in 0..counts.iter().product() {
        let index = crate::zarr::unravel(number, &counts);
        let decoded = match reader.fetch(&index).await? {
            Some(chunk) => Some(reader.decode(&index, chunk)?),
            None => None,
        };
        let region: Vec<_> = index
            .iter()
            .zip(chunks)
            .map(|(at, axis)| axis.range(*at))
            .collect();
        let extent: Vec<u64> = region.iter().map(|range| range.end - range.start).collect();
        let data = decoded.as_ref().map(|chunk| chunk.values.to_data());
        let bits = data.as_ref().map(|data| data.buffer::<u64>(0));
        let fill = match description.fill_value.as_str() {
            Some("NaN") => f64::NAN.to_bits(),
            _ => description.fill_value.as_f64().unwrap_or(0.0).to_bits(),
        };
        // Row by row: the last axis is contiguous in the chunk and in the array.
        let row = *extent.last().unwrap_or(&1);
        for cell in (0..extent.iter().product()).step_by(row.max(1) as usize) {
            let inside = crate::zarr::unravel(cell, &extent);
            let (mut from, mut to) = (0, 0);
            for (axis, at) in inside.iter().enumerate() {
                let length = decoded.as_ref().map_or(1, |chunk| chunk.shape[axis] as u64);
                from = from * length + at;
                to = to * description.shape[axis] + region[axis].start + at;
            }
            for step in 0..row {
                let bits = bits.map_or(fill, |bits| bits[(from + step) as usize]);
                sum = sum.wrapping_add(bits.wrapping_mul(to + step + 1));
            }
        }
    }
    Ok(sum)
}

fn same_bits(data: &Path) -> Result<(), Failed> {
    let expected = fs::read(oracle("zarr_checksums.py")?.join("checksums.json"))?;
    let expected: Value = serde_json::from_slice(&expected)?;
    let levels = open(&location(&data.join("olci-sns/cube-1-250-250.levels")), &[])?;
    let mut compared = 0;
    for (cube, arrays) in expected.as_object().unwrap() {
        let level = cube
            .split_once(".levels/")
            .map(|(_, level)| level.trim_end_matches(".zarr"));
        let opened;
        let (groups, path): (&[Group], &str) = match level {
            Some("0") => (&levels, ""),
            Some(level) => (&levels, level),
            None => {
                opened = open(&location(&data.join(cube)), &[])?;
                (&opened, "")
            }
        };
        for (name, expected) in arrays.as_object().unwrap() {
            let reader =
                array(groups, path, name).ok_or_else(|| format!("{cube}/{name} is missing"))?;
            assert_eq!(
                Value::from(reader.description().shape.clone()),
                expected["shape"]
            );
            let checksum = wait(checksum(reader))?;
            assert_eq!(
                Some(checksum),
                expected["checksum"].as_u64(),
                "{cube}/{name}"
            );
            compared += 1;
        }
    }
    assert!(compared >= 40, "only {compared} arrays were compared");
    Ok(())
}

/// A `.levels` folder whose level 0 is a link to a cube beside it.
fn linked_levels() -> Result<(), Failed> {
    let cube = Observed::copy_of(&oracle(SCRIPT)?);
    let place = |url: &str| Location {
        path: StorePath::from(url),
        url: format!("memory://{url}"),
        ..cube.location(true)
    };
    cube.put_bytes("a/cube.levels/0.link", b"../../v2.zarr\n");
    cube.put_bytes("a/cube.levels/1.link", b"../../v3-single.zarr");
    let groups = open(&place("a/cube.levels"), &[])?;
    let paths: Vec<&str> = groups.iter().map(|group| group.path.as_str()).collect();
    assert_eq!(paths, ["", "inner", "inner/deep", "1"]);
    assert!(array(&groups, "", "scalar").is_some());

    let cases = [
        (
            ".zlevels",
            r#"{"version": "1.0", "num_levels": 3}"#,
            ErrorKind::NotFound,
            "level 2",
        ),
        (
            ".zlevels",
            r#"{"num_levels": -1}"#,
            ErrorKind::Corrupt,
            "num_levels",
        ),
        (".zlevels", r#"{"num_"#, ErrorKind::Corrupt, ".zlevels"),
        (
            "0.link",
            "s3://elsewhere/cube.zarr",
            ErrorKind::Unsupported,
            "0.link",
        ),
        (
            "0.link",
            "../../../../v2.zarr",
            ErrorKind::Unsupported,
            "0.link",
        ),
        ("0.link", "/etc/cube.zarr", ErrorKind::Unsupported, "0.link"),
        ("0.link", "nothing.zarr", ErrorKind::NotFound, "level 0"),
    ];
    for (file, content, kind, part) in cases {
        cube.put_bytes("a/cube.levels/.zlevels", br#"{"num_levels": 1}"#);
        cube.put_bytes("a/cube.levels/0.link", b"../../v2.zarr\n");
        cube.put_bytes(&format!("a/cube.levels/{file}"), content.as_bytes());
        let error = open(&place("a/cube.levels"), &[]).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let nothing = Location {
        store: Arc::new(InMemory::new()),
        ..place("a/cube.levels")
    };
    assert_eq!(open(&nothing, &[]).unwrap_err().kind(), ErrorKind::NotFound);
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        places::with_data("zarr_real::same_bits", same_bits),
        Trial::test("zarr_real::linked_levels", linked_levels),
    ]
}
