//! Files that are cut off or changed: an error that says where, or values; never a panic, never all of the memory.

use arrow::datatypes::DataType;

use super::samples::{Sample, Tag};
use super::{open, plain, read};
use crate::formats::geotiff::reading::directory::ByteOrder;

/// Arrays with more cells than this are not read: a damaged directory may claim any number.
const MOST_CELLS: u64 = 200_000;

/// Reads everything in a file; an error must name it.
async fn read_all(bytes: Vec<u8>) -> bool {
    let outcome = async {
        for group in open(bytes).await? {
            for array in &group.arrays {
                let shape = &array.description().shape;
                let cells = shape
                    .iter()
                    .fold(1_u64, |cells, n| cells.saturating_mul(*n));
                if cells <= MOST_CELLS {
                    read(array.as_ref()).await?;
                }
            }
        }
        Ok(())
    };
    let outcome: graticule_engine::error::CubeResult<()> = outcome.await;
    if let Err(error) = &outcome {
        assert!(
            error.to_string().contains("sample.tif"),
            "no place in: {error}"
        );
    }
    outcome.is_ok()
}

/// Files with everything that the reader looks at.
fn files() -> Vec<Vec<u8>> {
    let tags = [
        (33550, Tag::Doubles(vec![2.0, 2.0, 0.0])),
        (33922, Tag::Doubles(vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
        (
            34735,
            Tag::Shorts(vec![1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 3035]),
        ),
        (
            42112,
            Tag::Text("<GDALMetadata><Item name=\"a\" sample=\"0\">b</Item></GDALMetadata>"),
        ),
        (42113, Tag::Text("3")),
    ];
    let half = Sample {
        size: (11, 18),
        ..plain()
    };
    let kinds = [
        (1, 1, DataType::UInt8, ByteOrder::Little, false, true),
        (5, 2, DataType::Int16, ByteOrder::Big, false, false),
        (8, 3, DataType::Float32, ByteOrder::Little, true, true),
        (32773, 1, DataType::Float64, ByteOrder::Big, true, false),
        (50000, 2, DataType::UInt32, ByteOrder::Little, false, true),
    ];
    kinds
        .into_iter()
        .map(
            |(compression, predictor, data_type, order, is_big, is_tiled)| {
                let sample = Sample {
                    order,
                    is_big,
                    tile: is_tiled.then_some((16, 16)),
                    rows: 5,
                    samples: 2,
                    is_planar: is_big,
                    data_type,
                    compression,
                    predictor,
                    ..plain()
                };
                let others = [half.clone(), plain()].map(|other| Sample {
                    order,
                    is_big,
                    ..other
                });
                let [half, mask] = others;
                sample.file(&tags, &[(1, half), (4, mask)])
            },
        )
        .collect()
}

#[tokio::test]
async fn files_that_are_cut_off() {
    for bytes in files() {
        assert!(read_all(bytes.clone()).await);
        for length in (0..bytes.len()).step_by(7) {
            // Directories are at the end.
            assert!(!read_all(bytes[..length].to_vec()).await, "{length}");
        }
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
    for _ in 0..4000 {
        let mut bytes = files[numbers.below(files.len())].clone();
        // Directories are at the end; most changes go where they hurt.
        let reach = match numbers.below(4) {
            0 => bytes.len(),
            _ => 1200,
        };
        for _ in 0..=numbers.below(4) {
            let position = bytes.len() - 1 - numbers.below(reach);
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
        read > 100 && refused > 100,
        "{read} read, {refused} refused"
    );
}

/// Claims that no file of this size can keep, and images that cannot be read: each says why.
#[tokio::test]
async fn refusals() {
    let changed = |tag: u16, values: Tag| {
        let (data, mut tags) = plain().image(8);
        tags.retain(|(other, _)| *other != tag);
        tags.push((tag, values));
        super::samples::file(ByteOrder::Little, false, &data, &[tags])
    };
    let huge = Tag::Offsets(vec![u64::from(u32::MAX)]);
    let cases = [
        (changed(259, Tag::Shorts(vec![7])), "compression JPEG"),
        (changed(259, Tag::Shorts(vec![34887])), "compression LERC"),
        (
            changed(258, Tag::Shorts(vec![12])),
            "unsigned integers of 12 bits",
        ),
        (
            changed(339, Tag::Shorts(vec![6])),
            "complex numbers of 8 bits",
        ),
        (changed(262, Tag::Shorts(vec![6])), "YCbCr"),
        (changed(256, Tag::Shorts(vec![0])), "how wide"),
        (changed(322, Tag::Shorts(vec![0])), "how wide tiles are"),
        (changed(322, huge.clone()), "larger than"),
        (changed(324, Tag::Text("x")), "its index has 0 of 6"),
        (
            changed(325, Tag::Offsets(vec![1, 2])),
            "its index has 2 of 6",
        ),
        (changed(257, huge), "its index has 6 of"),
    ];
    for (bytes, expected) in cases {
        let groups = open(bytes).await;
        let outcome = match groups {
            Ok(groups) => {
                let band = super::array(&groups[0], "band_1");
                band.fetch(&[0, 0]).await.map(|_| ())
            }
            Err(error) => Err(error),
        };
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
