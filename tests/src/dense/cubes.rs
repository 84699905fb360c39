//! Cubes with a variable of every stored type, full of what goes wrong in aggregates: missing cells,
//! steps and whole latitudes, chunks that are not stored, infinities, −0.0, sums beyond the type.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use graticule_engine::cube::memory::MemoryArray;
use graticule_engine::source::{ArrayReader, Group};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::pruning::{self, Calendar, Layout, Order};

/// Layouts of the pruning test, some with coordinates that occur twice.
pub(crate) fn layouts(calendar: Calendar) -> impl Strategy<Value = Layout> {
    let repeated = prop::array::uniform3(prop::bool::weighted(0.15));
    (pruning::layouts(calendar), repeated).prop_map(|(mut layout, repeated)| {
        for (order, repeated) in layout.orders.iter_mut().zip(repeated) {
            if repeated {
                *order = Order::Repeated;
            }
        }
        layout
    })
}

/// Does a coordinate of any axis occur twice?
pub(crate) fn repeats(layout: &Layout) -> bool {
    layout
        .orders
        .iter()
        .any(|order| matches!(order, Order::Repeated))
}

/// Well mixed bits for a cell of a variable.
fn noise(seed: u64, cell: u64) -> u64 {
    let mut bits = (seed << 32 | cell).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Adds variables to the cube of the pruning test; `seed` decides their values.
pub(crate) fn group(layout: &Layout, seed: u64) -> Group {
    let mut group = pruning::group(layout);
    group.version = format!("{layout:?} {seed}");
    let [times, lats, lons] = layout.shape;
    let cells = times * lats * lons;
    let third = [layout.chunks[0], layout.other_chunks[1], layout.chunks[2]];
    let cut = |name: &str, chunks: [u64; 3], values: ArrayRef, attributes: Value| {
        MemoryArray::new(name, &["time", "lat", "lon"], &layout.shape, values)
            .with_chunks(&chunks)
            .with_attributes(attributes)
    };
    let mut numbers = 0;
    let mut noises = || {
        numbers += 1;
        (0..cells).map(move |cell| noise(seed ^ (numbers << 16), cell))
    };
    let gaps = noises().zip(0..).map(|(bits, cell)| {
        let (time, lat) = (cell / (lats * lons), cell / lons % lats);
        match bits % 16 {
            _ if lat % 4 == 1 || time % 6 == 2 => f64::NAN,
            0..3 => f64::NAN,
            3 => -0.0,
            _ => ((bits >> 8) % 256) as f64 * 0.1 - 12.8,
        }
    });
    let gaps: ArrayRef = Arc::new(Float64Array::from_iter_values(gaps));
    let wild = [-0.0, 0.0, 1.5, -2.0, f64::INFINITY, f64::NAN];
    let wild = noises().map(|bits| wild[(bits % 6) as usize]);
    let wild: ArrayRef = Arc::new(Float64Array::from_iter_values(wild));
    let large = noises().map(|bits| match bits % 9 {
        0 => f64::NAN,
        _ => 1e8 + ((bits >> 8) % 800) as f64 / 8.0,
    });
    let large: ArrayRef = Arc::new(Float64Array::from_iter_values(large));
    let packed = noises().map(|bits| match bits % 7 {
        0 => i16::MIN,
        _ => (bits >> 8) as i16 % 1000,
    });
    let packed: ArrayRef = Arc::new(Int16Array::from_iter_values(packed));
    let packing = json!({"scale_factor": 0.01, "add_offset": 273.15, "_FillValue": i16::MIN});
    let counts = noises().map(|bits| match bits % 6 {
        0 => -999,
        _ => (bits >> 8) as i32 % 500,
    });
    let counts: ArrayRef = Arc::new(Int32Array::from_iter_values(counts));
    let i8s: ArrayRef = Arc::new(Int8Array::from_iter_values(noises().map(|bits| bits as i8)));
    let i16s = Int16Array::from_iter_values(noises().map(|bits| bits as i16));
    let i64s = Int64Array::from_iter_values(noises().map(|bits| (bits | 1) as i64));
    let u8s: ArrayRef = Arc::new(UInt8Array::from_iter_values(
        noises().map(|bits| bits as u8),
    ));
    let u16s = UInt16Array::from_iter_values(noises().map(|bits| bits as u16));
    let u32s = UInt32Array::from_iter_values(noises().map(|bits| bits as u32));
    let u64s: ArrayRef = Arc::new(UInt64Array::from_iter_values(noises()));
    let flag: BooleanArray = noises().map(|bits| Some(bits % 3 == 0)).collect();
    let serial = Int64Array::from_iter_values(0..cells as i64);
    // The mean of two of them is another one in double precision.
    let single = noises().map(|bits| match bits % 8 {
        0 => f32::NAN,
        1 => -0.0,
        _ => ((bits >> 8) % 256) as f32 * 0.1 - 12.8,
    });
    let single: ArrayRef = Arc::new(Float32Array::from_iter_values(single));
    // Constant within a latitude, but no sum of it is exact.
    let zonal = (0..lats).map(|lat| match lat {
        2 => f64::NAN,
        _ => lat as f64 * 0.1 + 0.05,
    });
    let zonal: ArrayRef = Arc::new(Float64Array::from_iter_values(zonal));
    let first: &[&[u64]] = &[&[0, 0, 0]];
    let added: Vec<Arc<dyn ArrayReader>> = vec![
        cut("gaps", layout.chunks, gaps, json!({})).shared(),
        cut("wild", third, wild, json!({})).shared(),
        cut("large", layout.other_chunks, large, json!({})).shared(),
        cut("packed", layout.chunks, packed, packing)
            .with_fill(json!(i16::MIN), first)
            .shared(),
        cut("counts", third, counts, json!({"_FillValue": -999}))
            .with_fill(json!(-999), first)
            .shared(),
        cut("i8", layout.chunks, i8s, json!({})).shared(),
        cut("i16", layout.other_chunks, Arc::new(i16s), json!({})).shared(),
        cut("i64", third, Arc::new(i64s), json!({})).shared(),
        cut("u8", third, u8s, json!({"_FillValue": 255})).shared(),
        cut("u16", layout.chunks, Arc::new(u16s), json!({}))
            .with_fill(json!(7), first)
            .shared(),
        cut("u32", layout.other_chunks, Arc::new(u32s), json!({})).shared(),
        cut("u64", layout.chunks, u64s, json!({})).shared(),
        cut("flag", third, Arc::new(flag), json!({})).shared(),
        cut("serial", layout.chunks, Arc::new(serial), json!({})).shared(),
        cut("single", layout.chunks, single, json!({})).shared(),
        MemoryArray::new("zonal", &["lat"], &[lats], zonal).shared(),
    ];
    group.arrays.extend(added);
    group
}
