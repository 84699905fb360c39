//! AND, OR and XOR of the values of all groups of one input.

use graticule_functions::kernels::bitwise::{self, Bitwise};
use graticule_functions::kernels::{Bits, Needs, Rows};

use crate::dense::aggregate::layout::{Groups, Visit};
use crate::dense::aggregate::state::State;

/// The state of `groups` groups.
#[derive(Debug, Clone)]
pub(crate) struct BitState {
    /// Counts valid cells.
    counts: State<i64>,
    pub(crate) groups: Vec<Bitwise>,
}

impl BitState {
    /// Bytes of one group.
    pub(crate) const BYTES_PER_GROUP: usize = 32;

    pub(crate) fn new(groups: usize) -> Self {
        Self {
            counts: State::new(groups, Needs::default()),
            groups: vec![Bitwise::default(); groups],
        }
    }

    /// Valid cells of each group.
    pub(crate) fn counts(&self) -> &[u64] {
        &self.counts.count
    }

    /// Adds the cells of one visit.
    pub(crate) fn add(&mut self, values: &[i64], valid: Option<Bits<'_>>, visit: &Visit<'_>) {
        self.counts.add(values, valid, visit);
        let rows = visit.rows;
        let mut add = |group: usize, rows: Rows<'_>| {
            let more = bitwise::reduce(values, valid, rows);
            self.groups[group] = self.groups[group].merge(more);
        };
        match visit.groups {
            Groups::One(group) => add(group, rows),
            Groups::Each(first) => {
                let groups = &mut self.groups[first..first + rows.length];
                bitwise::reduce_columns(values, valid, rows, groups);
            }
            Groups::Segments { base, segments } => {
                for segment in segments {
                    let rows = Rows {
                        shift: rows.shift + segment.start,
                        length: segment.length,
                        ..rows
                    };
                    add(base + segment.code, rows);
                }
            }
        }
    }

    /// Adds the groups of another worker.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counts.merge_integers(&other.counts);
        for (mine, theirs) in std::iter::zip(&mut self.groups, &other.groups) {
            *mine = mine.merge(*theirs);
        }
    }
}
