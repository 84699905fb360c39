//! The order of the rows along a series and the frame of each: decided once, for all series.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt32Array, UInt64Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take};
use datafusion::common::Result;
use datafusion::logical_expr::window_state::WindowFrameContext;
use datafusion::logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits};
use graticule_functions::gaps::{Counted, Limit, coordinates, reach};

/// A key of ORDER BY at every row of a series.
#[derive(Debug, Clone)]
pub(crate) struct OrderKey {
    pub(crate) values: ArrayRef,
    pub(crate) options: SortOptions,
}

/// The rows of a series, partition after partition, each in its order.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    /// The row at each place.
    pub(crate) rows: Vec<u32>,
    /// The places of each partition.
    pub(crate) partitions: Vec<Range<u32>>,
    /// The keys of ORDER BY at each place.
    order: Vec<OrderKey>,
}

impl Sequence {
    /// Orders rows by partition, then by the keys. Rows with equal keys stay as they are stored.
    pub(crate) fn new(partitions: Vec<u64>, order: Vec<OrderKey>) -> Result<Self> {
        let length = partitions.len();
        let ascending = |values| SortColumn {
            values,
            options: None,
        };
        let codes: ArrayRef = Arc::new(UInt64Array::from(partitions));
        let stored = UInt32Array::from_iter_values(0..length as u32);
        let mut columns = vec![ascending(Arc::clone(&codes))];
        columns.extend(order.iter().map(|key| SortColumn {
            values: Arc::clone(&key.values),
            options: Some(key.options),
        }));
        columns.push(ascending(Arc::new(stored)));
        let rows = lexsort_to_indices(&columns, None)?;
        let codes = take(&codes, &rows, None)?;
        let bounds = arrow::compute::partition(&[codes])?.ranges();
        let order = order.iter().map(|key| {
            Ok(OrderKey {
                values: take(&key.values, &rows, None)?,
                options: key.options,
            })
        });
        Ok(Self {
            order: order.collect::<Result<_>>()?,
            rows: rows.values().to_vec(),
            partitions: bounds
                .into_iter()
                .map(|range| range.start as u32..range.end as u32)
                .collect(),
        })
    }

    /// The frame of each place, as DataFusion finds it on the keys.
    ///
    /// # Errors
    /// An offset that cannot be added to a key.
    pub(crate) fn ranges(&self, frame: &Arc<WindowFrame>) -> Result<Vec<Range<u32>>> {
        let options: Vec<SortOptions> = self.order.iter().map(|key| key.options).collect();
        let mut ranges = Vec::with_capacity(self.rows.len());
        for partition in &self.partitions {
            let first = partition.start;
            let length = partition.len();
            let order: Vec<ArrayRef> = self
                .order
                .iter()
                .map(|key| key.values.slice(first as usize, length))
                .collect();
            let mut context = WindowFrameContext::new(Arc::clone(frame), options.clone());
            let mut last = 0..0;
            for place in 0..length {
                last = context.calculate_range(&order, &last, length, place)?;
                ranges.push(first + last.start as u32..first + last.end as u32);
            }
        }
        Ok(ranges)
    }

    /// The whole partition of each place.
    pub(crate) fn whole(&self) -> Vec<Range<u32>> {
        let partitions = self.partitions.iter();
        partitions
            .flat_map(|partition| std::iter::repeat_n(partition.clone(), partition.len()))
            .collect()
    }

    /// The rows of the partition up to each place.
    pub(crate) fn up_to(&self) -> Vec<Range<u32>> {
        let partitions = self.partitions.iter();
        partitions
            .flat_map(|partition| {
                let start = partition.start;
                partition.clone().map(move |place| start..place + 1)
            })
            .collect()
    }

    /// How far each place reaches within its partition: over `limit`, counted in cells that are missing
    /// between two values, or in cells that are filled.
    ///
    /// # Errors
    /// A limit that cannot be measured along the key of ORDER BY.
    pub(crate) fn reach(&self, limit: &Limit, counted: Counted) -> Result<Vec<u32>> {
        let mut all = Vec::with_capacity(self.rows.len());
        for partition in &self.partitions {
            let (first, length) = (partition.start as usize, partition.len());
            let key = self.order.first();
            let axis = key.map(|key| key.values.slice(first, length));
            let options = key.map(|key| key.options).unwrap_or_default();
            let partition = partition.clone();
            all.extend(reach(limit, axis.as_ref(), options, partition, counted)?);
        }
        Ok(all)
    }

    /// What closes the gaps up to `limit` on a line along the first key; `None` without a key.
    ///
    /// # Errors
    /// A key that is no coordinate.
    pub(crate) fn gaps(&self, limit: &Limit) -> Result<Option<Gaps>> {
        let Some(key) = self.order.first() else {
            return Ok(None);
        };
        Ok(Some(Gaps {
            coordinates: coordinates(&key.values)?,
            reach: self.reach(limit, Counted::Missing)?,
        }))
    }
}

/// What interpolation has to know of the places of a sequence.
#[derive(Debug)]
pub(crate) struct Gaps {
    /// The coordinate of each place.
    pub(crate) coordinates: Vec<f64>,
    /// For a gap that begins after each place, the first place that is too far away to end it.
    pub(crate) reach: Vec<u32>,
}

/// Do both ends only move forward, as kernels need it?
pub(crate) fn move_forward(ranges: &[Range<u32>]) -> bool {
    ranges
        .windows(2)
        .all(|pair| pair[0].start <= pair[1].start && pair[0].end <= pair[1].end)
}

/// Does a frame count rows or groups, so that rows that a predicate took away change where it ends?
pub(crate) fn counts_rows(frame: &WindowFrame) -> bool {
    let is_offset = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => false,
        WindowFrameBound::Preceding(offset) | WindowFrameBound::Following(offset) => {
            !offset.is_null()
        }
    };
    frame.units != WindowFrameUnits::Range
        && (is_offset(&frame.start_bound) || is_offset(&frame.end_bound))
}
