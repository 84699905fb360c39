//! Which tables a group has: one per set of dimensions that variables share.
//!
//! ```text
//!  sst(time, lat, lon)  ice(time, lat, lon)  mask(lat, lon)  depth(z, lat, lon)
//!  ──▶  table             time, lat, lon, sst, ice, mask        the main set
//!       table_lat_lon     lat, lon, mask
//!       table_z_lat_lon   z, lat, lon, depth
//! ```

use super::classify::{Contents, Purpose};
use super::dimensions::unique;

/// The dimensions and columns of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DimensionSet {
    /// The table's name.
    pub(super) table: String,
    /// Indices of the dimensions in storage order, slowest first.
    pub(super) dimensions: Vec<usize>,
    /// Indices of the columns that are no axes.
    pub(super) columns: Vec<usize>,
}

/// The tables of a group, the main one first: highest rank, then most variables, then most cells,
/// then first. It bears the name `table` and has the variables over a subset of its dimensions, too.
/// The others have the auxiliary coordinates and the scalars that belong to them.
pub(super) fn dimension_sets(contents: &Contents, table: &str) -> Vec<DimensionSet> {
    let mut sets = data_sets(contents);
    if sets.is_empty() {
        sets = coordinate_sets(contents);
    }
    let lengths = |set: &DimensionSet| {
        let lengths = set
            .dimensions
            .iter()
            .map(|d| contents.dimensions.list[*d].length);
        lengths.map(u128::from).fold(1, u128::saturating_mul)
    };
    let rank = |set: &DimensionSet| (set.dimensions.len(), set.columns.len(), lengths(set));
    sets.sort_by_key(|set| std::cmp::Reverse(rank(set)));
    let mut names: Vec<String> = Vec::new();
    for (position, set) in sets.iter_mut().enumerate() {
        add_lower_dimensional(set, contents, position == 0);
        let mut name = table.to_string();
        for dimension in set.dimensions.iter().filter(|_| position > 0) {
            name.push('_');
            name.push_str(&contents.dimensions.list[*dimension].name);
        }
        set.table = unique(name, |name| names.iter().any(|taken| taken == name));
        names.push(set.table.clone());
    }
    sets
}

/// Sets over which data are given, in the order in which the group has them. Auxiliary coordinates
/// make a set only where no data have their dimensions.
fn data_sets(contents: &Contents) -> Vec<DimensionSet> {
    let mut sets: Vec<DimensionSet> = Vec::new();
    for purpose in [Purpose::Data, Purpose::Auxiliary] {
        let columns = contents.columns.iter().enumerate();
        for (index, column) in columns.filter(|(_, column)| column.purpose == purpose) {
            let same = sets
                .iter_mut()
                .find(|set| same_set(&set.dimensions, &column.dimensions));
            if let Some(set) = same {
                set.columns.push(index);
            } else if !column.dimensions.is_empty()
                && (purpose == Purpose::Data
                    || !sets
                        .iter()
                        .any(|set| is_subset(&column.dimensions, &set.dimensions)))
            {
                sets.push(DimensionSet {
                    table: String::new(),
                    dimensions: column.dimensions.clone(),
                    columns: vec![index],
                });
            }
        }
    }
    sets
}

/// A group without data: one table per coordinate; a group of scalars: one row.
fn coordinate_sets(contents: &Contents) -> Vec<DimensionSet> {
    let empty = |dimensions: Vec<usize>| DimensionSet {
        table: String::new(),
        dimensions,
        columns: Vec::new(),
    };
    let coordinates = contents
        .columns
        .iter()
        .filter(|c| c.purpose == Purpose::Coordinate);
    let mut sets: Vec<_> = coordinates.map(|c| empty(c.dimensions.clone())).collect();
    if sets.is_empty() && !contents.columns.is_empty() {
        sets.push(empty(Vec::new()));
    }
    sets
}

fn add_lower_dimensional(set: &mut DimensionSet, contents: &Contents, is_main: bool) {
    for (index, column) in contents.columns.iter().enumerate() {
        let wanted = match column.purpose {
            Purpose::Coordinate => false,
            Purpose::Auxiliary => true,
            Purpose::Data => is_main || column.dimensions.is_empty(),
        };
        if wanted && !set.columns.contains(&index) && is_subset(&column.dimensions, &set.dimensions)
        {
            set.columns.push(index);
        }
    }
    set.columns.sort_unstable();
}

fn is_subset(inner: &[usize], outer: &[usize]) -> bool {
    inner.iter().all(|dimension| outer.contains(dimension))
}

fn same_set(left: &[usize], right: &[usize]) -> bool {
    left.len() == right.len() && is_subset(left, right)
}
