//! Files in all layouts, read back; and damaged ones. What GDAL writes is compared with what GDAL reads in the tests
//! of the workspace.

#![allow(clippy::unwrap_used, clippy::panic)]

mod damage;
mod samples;

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use graticule_engine::error::CubeResult;
use graticule_engine::source::{ArrayReader, CubeFormat, Group, Location, Options};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use serde_json::{Value, json};

use self::samples::{Sample, Tag};
use super::GeoTiff;
use super::directory::ByteOrder;

fn plain() -> Sample {
    Sample {
        order: ByteOrder::Little,
        is_big: false,
        size: Sample::SIZE,
        tile: Some((16, 16)),
        rows: 0,
        samples: 1,
        is_planar: false,
        data_type: DataType::UInt8,
        compression: 1,
        predictor: 1,
    }
}

async fn open(bytes: Vec<u8>) -> CubeResult<Vec<Group>> {
    let path = Path::from("sample.tif");
    let store = InMemory::new();
    store.put(&path, PutPayload::from(bytes)).await.unwrap();
    let location = Location {
        store: Arc::new(store),
        path,
        url: "memory://sample.tif".to_string(),
        listable: true,
        missing_is_403: false,
        local: false,
        as_of: None,
    };
    GeoTiff.open(&location, &Options::new()).await
}

/// Reads all chunks of an array and puts them together; cells that are not stored have the fill value.
async fn read(array: &dyn ArrayReader) -> CubeResult<Vec<Option<f64>>> {
    let description = array.description();
    let shape: Vec<u64> = description.shape.clone();
    let (height, width) = match shape[..] {
        [] => (1, 1),
        [length] => (1, length),
        [height, width] => (height, width),
        _ => panic!("{shape:?}"),
    };
    let mut values = vec![description.fill_value.as_f64(); (height * width) as usize];
    let counts: Vec<u64> = description.chunks.iter().map(|axis| axis.count()).collect();
    let chunks: u64 = counts.iter().product();
    for chunk in 0..chunks {
        let index = match counts[..] {
            [] => Vec::new(),
            [_] => vec![chunk],
            [_, across] => vec![chunk / across, chunk % across],
            _ => panic!("{counts:?}"),
        };
        let Some(encoded) = array.fetch(&index).await? else {
            continue;
        };
        let raw = array.decode(&index, encoded)?;
        let found = cast(&raw.values, &DataType::Float64).unwrap();
        let found = found.as_primitive::<Float64Type>();
        let of_axis = |axis: usize| match index.len().checked_sub(axis + 1) {
            Some(at) => description.chunks[at].range(index[at]),
            None => 0..1,
        };
        let stride = raw.shape.last().copied().unwrap_or(1);
        assert_eq!(raw.shape.iter().product::<usize>(), found.len());
        for (from_row, row) in of_axis(1).enumerate() {
            for (from_column, column) in of_axis(0).enumerate() {
                let at = from_row * stride + from_column;
                let value = (!found.is_null(at)).then(|| found.value(at));
                values[(row * width + column) as usize] = value;
            }
        }
    }
    Ok(values)
}

fn array<'a>(group: &'a Group, name: &str) -> &'a dyn ArrayReader {
    let mut arrays = group.arrays.iter();
    let found = arrays.find(|array| array.description().name == name);
    found
        .unwrap_or_else(|| panic!("{name} is missing"))
        .as_ref()
}

fn names(group: &Group) -> Vec<&str> {
    let arrays = group.arrays.iter();
    arrays
        .map(|array| array.description().name.as_str())
        .collect()
}

async fn check(sample: &Sample) {
    let groups = open(sample.file(&[], &[])).await.unwrap();
    let [group] = &groups[..] else {
        panic!("{} groups", groups.len());
    };
    for band in 0..sample.samples {
        let array = array(group, &format!("band_{}", band + 1));
        assert_eq!(array.description().data_type, sample.data_type);
        let found = read(array)
            .await
            .unwrap_or_else(|error| panic!("{sample:?}: {error}"));
        let (height, width) = sample.size;
        for row in 0..height {
            for column in 0..width {
                let expected = sample.cell(band, row, column).1;
                let found = found[row * width + column];
                assert_eq!(found, Some(expected), "{sample:?} {band} {row} {column}");
            }
        }
    }
}

/// Every type in every byte order, in tiles and strips, bands together and apart.
#[tokio::test]
async fn types_and_layouts() {
    let types = [
        DataType::UInt8,
        DataType::Int8,
        DataType::UInt16,
        DataType::Int16,
        DataType::UInt32,
        DataType::Int32,
        DataType::UInt64,
        DataType::Int64,
        DataType::Float16,
        DataType::Float32,
        DataType::Float64,
    ];
    for data_type in types {
        for (order, is_big) in [
            (ByteOrder::Little, false),
            (ByteOrder::Big, false),
            (ByteOrder::Big, true),
        ] {
            for (tile, rows) in [(Some((16, 32)), 0), (None, 4), (None, 100)] {
                for (samples, is_planar) in [(1, false), (2, false), (2, true)] {
                    check(&Sample {
                        order,
                        is_big,
                        tile,
                        rows,
                        samples,
                        is_planar,
                        data_type: data_type.clone(),
                        ..plain()
                    })
                    .await;
                }
            }
        }
    }
}

#[tokio::test]
async fn compressions_and_predictors() {
    let floats = [DataType::Float16, DataType::Float32, DataType::Float64];
    let integers = [
        DataType::UInt8,
        DataType::Int16,
        DataType::UInt32,
        DataType::Int64,
    ];
    for compression in [1, 5, 8, 32946, 32773, 50000] {
        for data_type in floats.iter().chain(&integers) {
            for predictor in [1, 2, 3] {
                let is_applied = predictor == 1 || ![1, 32773].contains(&compression);
                if !is_applied || (predictor == 3 && !data_type.is_floating()) {
                    continue;
                }
                for (order, samples, is_planar) in [
                    (ByteOrder::Little, 1, false),
                    (ByteOrder::Big, 2, false),
                    (ByteOrder::Big, 2, true),
                ] {
                    for (tile, rows) in [(Some((16, 16)), 0), (None, 5)] {
                        check(&Sample {
                            order,
                            tile,
                            rows,
                            samples,
                            is_planar,
                            data_type: data_type.clone(),
                            compression,
                            predictor,
                            ..plain()
                        })
                        .await;
                    }
                }
            }
        }
    }
}

/// Strips of a few rows are put together, and one that is large is cut; the cells are the same.
#[tokio::test]
async fn chunks_of_strips() {
    let large = Sample {
        size: (1500, 1000),
        tile: None,
        data_type: DataType::Float32,
        ..plain()
    };
    // Rows of a strip, compression, chunks.
    for (rows, compression, chunks) in [
        (1, 1, 3),
        (1500, 1, 3),
        (1500, 8, 1),
        (400, 8, 4),
        (7, 8, 3),
    ] {
        let sample = Sample {
            rows,
            compression,
            ..large.clone()
        };
        let groups = open(sample.file(&[], &[])).await.unwrap();
        let found = array(&groups[0], "band_1").description().chunks[0].count();
        assert_eq!(found, chunks, "{rows} {compression}");
        check(&sample).await;
    }
}

/// Coordinates of the first cell and the last, and the grid mapping.
#[tokio::test]
async fn places() {
    let geographic = |raster: u16| {
        let keys = vec![
            1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, raster, 2048, 0, 1, 4326,
        ];
        (34735, Tag::Shorts(keys))
    };
    let projected = (
        34735,
        Tag::Shorts(vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 3035]),
    );
    let scale = (33550, Tag::Doubles(vec![2.0, 0.5, 0.0]));
    let tiepoint = (33922, Tag::Doubles(vec![0.0, 0.0, 0.0, 10.0, 60.0, 0.0]));
    let inner = (33922, Tag::Doubles(vec![1.0, 2.0, 0.0, 10.0, 60.0, 0.0]));
    let matrix = |b: f64| {
        let mut matrix = vec![2.0, b, 0.0, 10.0, 0.0, 0.5, 0.0, 60.0];
        matrix.extend([0.0; 8]);
        (34264, Tag::Doubles(matrix))
    };
    let cases = [
        (vec![], ["y", "x"], [0.5, 20.5, 0.5, 34.5], None),
        (
            vec![scale.clone(), tiepoint.clone()],
            ["y", "x"],
            [59.75, 49.75, 11.0, 79.0],
            None,
        ),
        (
            vec![geographic(1), scale.clone(), tiepoint.clone()],
            ["lat", "lon"],
            [59.75, 49.75, 11.0, 79.0],
            Some("EPSG:4326"),
        ),
        (
            vec![geographic(2), scale.clone(), tiepoint.clone()],
            ["lat", "lon"],
            [60.0, 50.0, 10.0, 78.0],
            Some("EPSG:4326"),
        ),
        (
            vec![projected.clone(), scale, inner],
            ["y", "x"],
            [60.75, 50.75, 9.0, 77.0],
            Some("EPSG:3035"),
        ),
        (
            vec![projected.clone(), matrix(0.0)],
            ["y", "x"],
            [60.25, 70.25, 11.0, 79.0],
            Some("EPSG:3035"),
        ),
        // A system without a place.
        (
            vec![projected, tiepoint],
            ["y", "x"],
            [0.5, 20.5, 0.5, 34.5],
            None,
        ),
    ];
    for (tags, dimensions, expected, system) in cases {
        let groups = open(plain().file(&tags, &[])).await.unwrap();
        let band = array(&groups[0], "band_1").description();
        assert_eq!(band.dimensions, dimensions);
        let y = read(array(&groups[0], dimensions[0])).await.unwrap();
        let x = read(array(&groups[0], dimensions[1])).await.unwrap();
        let found = [y[0], y[20], x[0], x[34]].map(Option::unwrap);
        assert_eq!(found, expected, "{tags:?}");
        let mapping = band.attributes.get("grid_mapping").map(|_| {
            let mapping = array(&groups[0], "spatial_ref").description();
            mapping.attributes["spatial_ref"].clone()
        });
        assert_eq!(mapping, system.map(Value::from));
    }
    let error = open(plain().file(&[matrix(0.3)], &[])).await.unwrap_err();
    assert!(error.to_string().contains("rotated"), "{error}");
}

/// What is not stored is the value of missing cells, or zero.
#[tokio::test]
async fn sparse_tiles_and_missing_cells() {
    for (nodata, fill) in [(None, 0.0), (Some("7"), 7.0)] {
        for (tile, rows, missing) in [(Some((16, 16)), 0, 0), (None, 4, 2)] {
            let sample = Sample {
                tile,
                rows,
                ..plain()
            };
            let (data, mut tags) = sample.image(8);
            for (tag, values) in &mut tags {
                if let (325 | 279 | 324 | 273, Tag::Offsets(values)) = (*tag, values) {
                    values[missing] = 0;
                }
            }
            tags.extend(nodata.map(|text| (42113, Tag::Text(text))));
            let bytes = samples::file(sample.order, false, &data, &[tags]);
            let groups = open(bytes).await.unwrap();
            let band = array(&groups[0], "band_1");
            let expected = nodata.map(|_| json!(7));
            assert_eq!(
                band.description().attributes.get("_FillValue"),
                expected.as_ref()
            );
            let found = read(band).await.unwrap();
            let is_missing = |row: usize, column: usize| match tile {
                Some(_) => row < 16 && column < 16,
                None => (8..12).contains(&row),
            };
            for row in 0..21 {
                for column in 0..35 {
                    let expected = match is_missing(row, column) {
                        true => fill,
                        false => sample.cell(0, row, column).1,
                    };
                    assert_eq!(found[row * 35 + column], Some(expected), "{row} {column}");
                }
            }
        }
    }
}

/// Overviews are groups by number, coarsest last; a mask makes cells NULL; pages are groups by name.
#[tokio::test]
async fn overviews_masks_and_pages() {
    let half = Sample {
        size: (11, 18),
        ..plain()
    };
    let quarter = Sample {
        size: (6, 9),
        ..plain()
    };
    let others = [
        (4, plain()),
        (1, quarter),
        (1, half.clone()),
        (5, half.clone()),
        (0, plain()),
    ];
    let tags = [
        (33550, Tag::Doubles(vec![2.0, 2.0, 0.0])),
        (33922, Tag::Doubles(vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
    ];
    let groups = open(plain().file(&tags, &others)).await.unwrap();
    let paths: Vec<&str> = groups.iter().map(|group| group.path.as_str()).collect();
    assert_eq!(paths, ["", "1", "2", "page_2"]);
    assert_eq!(groups[1].url, "memory://sample.tif/1");
    let x = read(array(&groups[1], "x")).await.unwrap();
    assert_eq!(x[17], Some(2.0 * 35.0 / 18.0 * 17.5));
    // The mask has the same values as the image, and 0 means that a cell is not there.
    for (group, is_masked) in [(0, true), (1, true), (2, false), (3, false)] {
        let found = read(array(&groups[group], "band_1")).await.unwrap();
        assert_eq!(found.contains(&None), is_masked, "{group}");
        assert_eq!(found.contains(&Some(0.0)), !is_masked, "{group}");
    }
}

#[tokio::test]
async fn what_is_said_of_bands_and_the_file() {
    let metadata = r#"<GDALMetadata><Item name="title">a title</Item>
        <Item name="DESCRIPTION" sample="0" role="description">sst</Item>
        <Item name="SCALE" sample="0" role="scale">0.5</Item>
        <Item name="OFFSET" sample="1" role="offset">0</Item>
        <Item name="UNITTYPE" sample="0" role="unittype">K</Item>
        <Item name="DESCRIPTION" sample="1" role="description">two words</Item></GDALMetadata>"#;
    let tags = [
        (42112, Tag::Text(metadata)),
        (306, Tag::Text("2020:01:02 03:04:05")),
        (42113, Tag::Text("-1")),
    ];
    let sample = Sample {
        samples: 2,
        data_type: DataType::Int16,
        ..plain()
    };
    let groups = open(sample.file(&tags, &[])).await.unwrap();
    assert_eq!(names(&groups[0]), ["y", "x", "sst", "band_2"]);
    let attributes = |name: &str| {
        let attributes = array(&groups[0], name).description().attributes.clone();
        Value::from(attributes)
    };
    let expected = json!({"units": "K", "scale_factor": 0.5, "_FillValue": -1});
    assert_eq!(attributes("sst"), expected);
    let expected = json!({"long_name": "two words", "_FillValue": -1});
    assert_eq!(attributes("band_2"), expected);
    let expected = json!({"title": "a title", "TIFFTAG_DATETIME": "2020:01:02 03:04:05"});
    assert_eq!(Value::from(groups[0].attributes.clone()), expected);
}
