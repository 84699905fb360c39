//! Shapefiles written byte by byte: how rings belong together, and files that are cut off or lie.
#![allow(clippy::unwrap_used)]

use super::*;
use arrow::array::{AsArray, BinaryArray};
use arrow::util::pretty::pretty_format_batches;
use proptest::prelude::*;

type Ring = Vec<(f64, f64)>;

/// A square, clockwise if it is `outer`.
fn square(x: f64, y: f64, size: f64, outer: bool) -> Ring {
    let mut ring = vec![
        (x, y),
        (x, y + size),
        (x + size, y + size),
        (x + size, y),
        (x, y),
    ];
    if !outer {
        ring.reverse();
    }
    ring
}

fn polygon(rings: &[Ring]) -> Vec<u8> {
    let mut bytes = 5_i32.to_le_bytes().to_vec();
    bytes.extend([0; 32]);
    let points: usize = rings.iter().map(Vec::len).sum();
    bytes.extend((rings.len() as i32).to_le_bytes());
    bytes.extend((points as i32).to_le_bytes());
    let mut start = 0_i32;
    for ring in rings {
        bytes.extend(start.to_le_bytes());
        start += ring.len() as i32;
    }
    for (x, y) in rings.iter().flatten() {
        bytes.extend(x.to_le_bytes());
        bytes.extend(y.to_le_bytes());
    }
    bytes
}

fn shapes(contents: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = 9994_i32.to_be_bytes().to_vec();
    bytes.resize(100, 0);
    for (row, content) in contents.iter().enumerate() {
        bytes.extend((row as i32 + 1).to_be_bytes());
        bytes.extend((content.len() as i32 / 2).to_be_bytes());
        bytes.extend(content);
    }
    bytes
}

/// A `.dbf` file with one field and these records.
fn attributes(kind: u8, length: u8, decimals: u8, records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![3, 126, 11, 24];
    bytes.extend((records.len() as u32).to_le_bytes());
    bytes.extend(65_u16.to_le_bytes());
    bytes.extend((u16::from(length) + 1).to_le_bytes());
    bytes.resize(32, 0);
    bytes.extend(b"value\0\0\0\0\0\0");
    bytes.push(kind);
    bytes.extend([0, 0, 0, 0, length, decimals]);
    bytes.resize(64, 0);
    bytes.push(0x0d);
    for record in records {
        bytes.extend(*record);
    }
    bytes
}

/// The numbers of rings of each polygon.
fn rings(rings: &[Ring]) -> Vec<u32> {
    let read = table(&shapes(&[polygon(rings)]), &[], "a.shp").unwrap();
    let geometries: &BinaryArray = read.column(0).as_binary();
    let wkb = geometries.value(0);
    let number = |at: usize| u32::from_le_bytes(*wkb[at..].first_chunk().unwrap());
    match number(1) {
        3 => vec![number(5)],
        6 => {
            let mut at = 9;
            let parts = (0..number(5)).map(|_| {
                let count = number(at + 5);
                at += 9;
                for _ in 0..count {
                    at += 4 + 16 * number(at) as usize;
                }
                count
            });
            parts.collect()
        }
        other => panic!("type {other}"),
    }
}

#[test]
#[allow(clippy::panic)]
fn holes_belong_to_the_ring_around_them() {
    let (outer, hole) = (true, false);
    let cases = [
        (vec![square(0.0, 0.0, 9.0, outer)], vec![1]),
        (
            vec![square(1.0, 1.0, 2.0, hole), square(0.0, 0.0, 9.0, outer)],
            vec![2],
        ),
        (
            vec![
                square(0.0, 0.0, 9.0, outer),
                square(20.0, 0.0, 9.0, outer),
                square(21.0, 1.0, 2.0, hole),
            ],
            vec![1, 2],
        ),
        // An island in a lake: the hole's hole is an outer ring again, and has a hole itself.
        (
            vec![
                square(0.0, 0.0, 9.0, outer),
                square(1.0, 1.0, 7.0, hole),
                square(2.0, 2.0, 5.0, outer),
                square(3.0, 3.0, 1.0, hole),
            ],
            vec![2, 2],
        ),
        // A hole that touches its ring in two vertices.
        (
            vec![
                square(0.0, 0.0, 9.0, outer),
                square(20.0, 0.0, 9.0, outer),
                vec![(0.0, 4.0), (4.0, 0.0), (5.0, 5.0), (0.0, 4.0)],
            ],
            vec![2, 1],
        ),
        // Written the wrong way round.
        (
            vec![square(0.0, 0.0, 9.0, hole), square(20.0, 0.0, 9.0, hole)],
            vec![1, 1],
        ),
        (
            vec![
                square(0.0, 0.0, 9.0, outer),
                square(20.0, 0.0, 9.0, outer),
                square(50.0, 0.0, 9.0, hole),
            ],
            vec![1, 1, 1],
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(rings(&given), expected, "{given:?}");
    }
}

#[test]
fn attributes_have_types() {
    let null = 0_i32.to_le_bytes().to_vec();
    let cases: [(u8, u8, u8, [&[u8]; 3], &str, &str); 10] = [
        (
            b'C',
            4,
            0,
            [b" ab  ", b"     ", b" \xc3\xa9  "],
            "Utf8",
            "ab,,é",
        ),
        (
            b'C',
            4,
            0,
            [b" ab\xe9 ", b" \x80   ", b" a   "],
            "Utf8",
            "abé,€,a",
        ),
        (b'N', 4, 0, [b"  -12", b" ****", b"     "], "Int64", "-12,,"),
        (
            b'N',
            4,
            1,
            [b"  1.5", b"    2", b" ****"],
            "Float64",
            "1.5,2.0,",
        ),
        (
            b'F',
            4,
            0,
            [b"  1e3", b"  inf", b"    x"],
            "Float64",
            "1000.0,,",
        ),
        (b'L', 1, 0, [b" T", b" n", b" ?"], "Boolean", "true,false,"),
        (
            b'D',
            8,
            0,
            [b" 20200229", b" 20200230", b"         "],
            "Date32",
            "2020-02-29,,",
        ),
        (
            b'I',
            4,
            0,
            [
                b" \xff\xff\xff\xff",
                b" \x01\x00\x00\x00",
                b" \x00\x00\x00\x00",
            ],
            "Int64",
            "-1,1,0",
        ),
        (
            b'N',
            20,
            0,
            [
                b" 12345678901234567890",
                b"                    1",
                b"                     ",
            ],
            "Float64",
            "1.2345678901234567e19,1.0,",
        ),
        // A deleted record takes its shape with it.
        (b'N', 1, 0, [b" 1", b"*2", b" 3"], "Int64", "1,3"),
    ];
    for (kind, length, decimals, records, data_type, expected) in cases {
        let others = [Some(attributes(kind, length, decimals, &records).into())];
        let read = table(
            &shapes(&[null.clone(), null.clone(), null.clone()]),
            &others,
            "a.shp",
        )
        .unwrap();
        assert_eq!(read.schema().field(0).data_type().to_string(), data_type);
        let printed = pretty_format_batches(&[read.project(&[0]).unwrap()])
            .unwrap()
            .to_string();
        let rows = printed.lines().skip(3).take(read.num_rows());
        let found: Vec<&str> = rows.map(|line| line.trim_matches(['|', ' '])).collect();
        assert_eq!(found.join(","), expected);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = shapes(&[polygon(&[square(0.0, 0.0, 9.0, true)])]);
    let one: &[&[u8]] = &[b" 1"];
    let page = |name: &'static str| Some(Bytes::from(name));
    let cases = [
        (b"nothing".to_vec(), vec![], "the file is not a shapefile"),
        (good[..150].to_vec(), vec![], "the file ends within shape 0"),
        (
            shapes(&[31_i32.to_le_bytes().to_vec()]),
            vec![],
            "shape 0 is of type 31, which cannot be read",
        ),
        (
            good.clone(),
            vec![Some(attributes(b'N', 1, 0, &[]).into())],
            "1 shapes and 0 records",
        ),
        (
            good.clone(),
            vec![Some(attributes(b'N', 1, 0, one)[..66].to_vec().into())],
            "announces 1 records and ends after 0",
        ),
        (
            good.clone(),
            vec![Some(Bytes::from_static(b"x"))],
            "ends within its header",
        ),
        (
            good,
            vec![Some(attributes(b'N', 1, 0, one).into()), page("GB18030")],
            "names the encoding GB18030",
        ),
    ];
    for (shapes, others, message) in cases {
        let error = table(&shapes, &others, "a.shp").unwrap_err().to_string();
        assert!(error.contains(message), "{error} lacks {message}");
    }
}

proptest! {
    #[test]
    fn broken_files_are_errors(at in 0..400_usize, byte in any::<u8>(), length in 0..400_usize) {
        let rings = [square(0.0, 0.0, 9.0, true), square(1.0, 1.0, 2.0, false)];
        let mut bytes = shapes(&[polygon(&rings), polygon(&rings[..1])]);
        let mut records = attributes(b'C', 4, 0, &[b" abcd", b" efgh"]);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        if let Some(place) = records.get_mut(at) {
            *place = byte;
        }
        let _ = table(&bytes[..length.min(bytes.len())], &[], "a.shp");
        let _ = table(&bytes, &[Some(records[..length.min(records.len())].to_vec().into())], "a.shp");
    }
}
