//! Small messages: [`first`] of edition 1, [`second`] of edition 2, on a grid of 4 × 3 points.

/// Appends numbers with as many octets as stated.
fn octets(numbers: &[(u64, usize)]) -> Vec<u8> {
    let bytes = numbers
        .iter()
        .flat_map(|(number, count)| number.to_be_bytes()[8 - count..].to_vec());
    bytes.collect()
}

/// Degrees as whole parts of `unit`, the sign apart.
fn degrees(value: f64, unit: f64, count: usize) -> (u64, usize) {
    let size = (value.abs() * unit).round() as u64;
    let sign = u64::from(value < 0.0) << (8 * count - 1);
    (size | sign, count)
}

/// A message of temperatures at 2 m, with a bitmap and simple packing, or in second-order packing.
pub(super) fn first(is_second_order: bool) -> Vec<u8> {
    let flags = if is_second_order { 0x80 } else { 0xc0 };
    let product = octets(&[
        (28, 3),
        (128, 1),
        (98, 1),
        (1, 1),
        (255, 1),
        (flags, 1),
        (167, 1),
        (1, 1),
        (0, 2),
        (24, 1),
        (2, 1),
        (29, 1),
        (6, 1),
        (0, 1),
        (1, 1),
        (0, 1),
        (0, 1),
        (0, 1),
        (0, 2),
        (0, 1),
        (21, 1),
        (0, 1),
        (0, 2),
    ]);
    let milli = |value| degrees(value, 1000.0, 3);
    let grid = octets(&[
        (32, 3),
        (0, 1),
        (255, 1),
        (0, 1),
        (4, 2),
        (3, 2),
        milli(60.0),
        milli(-5.0),
        (0x80, 1),
        milli(59.0),
        milli(-3.5),
        (500, 2),
        (500, 2),
        (0, 1),
        (0, 4),
    ]);
    let mut sections = Vec::new();
    if is_second_order {
        // Three groups of four numbers of two bits, of plain numbers; their first-order values have eight bits.
        sections.extend(octets(&[
            (37, 3),
            (0x50, 1),
            (0, 2),
            (0x4211_1111, 4),
            (8, 1),
            (29, 2),
            (0x18, 1),
            (33, 2),
            (3, 2),
            (12, 2),
            (0, 1),
            (4, 1),
            (4, 1),
            (0, 2),
            (0x2220, 2),
            (0x4440, 2),
            (0x01_0203, 3),
            (0x1b_1b1b, 3),
            (0, 1),
        ]));
    } else {
        // Nine of the points are there.
        sections.extend(octets(&[(8, 3), (4, 1), (0, 2), (0xdb60, 2)]));
        sections.extend(octets(&[
            (20, 3),
            (0, 1),
            (0, 2),
            (0x4211_1111, 4),
            (8, 1),
            (0x0102_0304_0506_0708, 8),
            (9, 1),
        ]));
    }
    let length = 8 + product.len() + grid.len() + sections.len() + 4;
    let mut message = b"GRIB".to_vec();
    message.extend(octets(&[(length as u64, 3), (1, 1)]));
    message.extend([product, grid, sections].concat());
    message.extend(b"7777");
    message
}

/// A message of temperatures at 2 m, packed as data representation template 5.`template` says. The bytes of images are
/// none that decode.
pub(super) fn second(template: u64) -> Vec<u8> {
    let one = octets(&[
        (21, 4),
        (1, 1),
        (98, 2),
        (0, 2),
        (32, 1),
        (0, 1),
        (1, 1),
        (2024, 2),
        (2, 1),
        (29, 1),
        (6, 1),
        (0, 1),
        (0, 1),
        (0, 1),
        (1, 1),
    ]);
    let micro = |value| degrees(value, 1e6, 4);
    let three = octets(&[
        (72, 4),
        (3, 1),
        (0, 1),
        (12, 4),
        (0, 1),
        (0, 1),
        (0, 2),
        (6, 1),
        (0, 1),
        (0, 4),
        (0, 1),
        (0, 4),
        (0, 1),
        (0, 4),
        (4, 4),
        (3, 4),
        (0, 4),
        (u64::from(u32::MAX), 4),
        micro(60.0),
        micro(5.0),
        (0x30, 1),
        micro(59.0),
        micro(6.5),
        micro(0.5),
        micro(0.5),
        (0, 1),
    ]);
    let four = octets(&[
        (34, 4),
        (4, 1),
        (0, 2),
        (0, 2),
        (0, 1),
        (0, 1),
        (2, 1),
        (0, 1),
        (0, 1),
        (0, 2),
        (0, 1),
        (1, 1),
        (6, 4),
        (103, 1),
        (0, 1),
        (2, 4),
        (255, 1),
        (255, 1),
        (u64::from(u32::MAX), 4),
    ]);
    let simple = [(0x4388_0000, 4), (0, 2), (0, 2), (8, 1), (0, 1)];
    let groups = [
        (1, 1),
        (0, 1),
        (0, 4),
        (0, 4),
        (3, 4),
        (2, 1),
        (0, 1),
        (4, 4),
        (1, 1),
        (4, 4),
        (0, 1),
    ];
    let (packing, values): (Vec<_>, Vec<u8>) = match template {
        2 => (groups.to_vec(), vec![1, 2, 3, 0x1b, 0x1b, 0x1b]),
        3 => {
            let differences = [(2, 1), (2, 1)];
            let values = vec![0, 5, 0, 6, 0x80, 1, 1, 2, 3, 0x1b, 0x1b, 0x1b];
            ([&groups[..], &differences[..]].concat(), values)
        }
        40 => (
            vec![(0, 1), (255, 1)],
            b"\xff\x4f\xff\x51\0\x29\0\0\0\0\0\x04\0\0\0\x03".to_vec(),
        ),
        41 => (
            Vec::new(),
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x04\0\0\0\x03\x08\0\0\0\0".to_vec(),
        ),
        42 => (vec![(14, 1), (8, 1), (128, 2)], (0..24).collect()),
        4 => (Vec::new(), [0x43, 0x88, 0, 0].repeat(12)),
        _ => (Vec::new(), (0..12).collect()),
    };
    let simple = match template {
        4 => vec![(1, 1)],
        _ => simple.to_vec(),
    };
    let packing = octets(&[simple, packing].concat());
    let mut five = octets(&[
        (11 + packing.len() as u64, 4),
        (5, 1),
        (12, 4),
        (template, 2),
    ]);
    five.extend(packing);
    let six = octets(&[(6, 4), (6, 1), (255, 1)]);
    let mut seven = octets(&[(5 + values.len() as u64, 4), (7, 1)]);
    seven.extend(values);
    let sections = [one, three, four, five, six, seven].concat();
    let mut message = b"GRIB".to_vec();
    let length = 16 + sections.len() as u64 + 4;
    message.extend(octets(&[(0, 2), (0, 1), (2, 1), (length, 8)]));
    message.extend(sections);
    message.extend(b"7777");
    message
}
