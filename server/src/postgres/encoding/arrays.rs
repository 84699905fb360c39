//! Lists as PostgreSQL's arrays of one dimension.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::LargeListArray;
use arrow::datatypes::{ArrowNativeType, FieldRef};
use arrow::error::ArrowError;
use bytes::{BufMut, BytesMut};

use super::cells::Cells;

type Write = Box<dyn Fn(usize, &mut BytesMut) + Send + Sync>;

/// How the lists of a column are written, as text and in binary.
///
/// # Errors
/// An item that PostgreSQL's type cannot hold.
pub(super) fn writers(
    lists: &LargeListArray,
    items: &FieldRef,
) -> Result<(Write, Write), ArrowError> {
    let items = Arc::new(Cells::new(lists.values(), items)?);
    let offsets = lists.offsets().clone();
    let range = move |row: usize| -> Range<usize> {
        let offset = |row: usize| offsets.get(row).map_or(0, |offset| offset.as_usize());
        offset(row)..offset(row + 1)
    };
    let (first, of_first) = (Arc::clone(&items), range.clone());
    Ok((
        Box::new(move |row, output| write_text(&first, of_first(row), output)),
        Box::new(move |row, output| write_binary(&items, range(row), output)),
    ))
}

/// `{1,NULL,"two words"}`
fn write_text(items: &Cells, range: Range<usize>, output: &mut BytesMut) {
    output.put_u8(b'{');
    let start = range.start;
    let mut item = BytesMut::new();
    for index in range {
        if index > start {
            output.put_u8(b',');
        }
        if items.is_null(index) {
            output.put_slice(b"NULL");
            continue;
        }
        item.clear();
        items.write_text(index, &mut item);
        let is_special = |byte: &u8| b"{},\"\\".contains(byte) || byte.is_ascii_whitespace();
        if !item.is_empty() && !item.eq_ignore_ascii_case(b"null") && !item.iter().any(is_special) {
            output.put_slice(&item);
            continue;
        }
        output.put_u8(b'"');
        for byte in &item {
            if b"\"\\".contains(byte) {
                output.put_u8(b'\\');
            }
            output.put_u8(*byte);
        }
        output.put_u8(b'"');
    }
    output.put_u8(b'}');
}

fn write_binary(items: &Cells, range: Range<usize>, output: &mut BytesMut) {
    let count = i32::try_from(range.len()).unwrap_or(i32::MAX);
    let has_nulls = range.clone().any(|index| items.is_null(index));
    output.put_i32(i32::from(count > 0));
    output.put_i32(i32::from(has_nulls));
    output.put_u32(items.data_type.oid());
    if count > 0 {
        output.put_i32(count);
        output.put_i32(1);
    }
    for index in range {
        items.write(index, true, output);
    }
}
