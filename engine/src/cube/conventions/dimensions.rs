//! The dimensions of a group: the names that its arrays share.
//!
//! Formats promise little: the same name may stand for two lengths (arrays without dimension names),
//! and twice in one array (a covariance matrix). Every dimension here has one length and occurs once
//! per array; a second length is named `x_20`, a second occurrence `x_2`.

use crate::cube::decoding::characters::CHARACTER;
use crate::source::ArrayDescription;

/// A dimension of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dimension {
    /// Unique within the group.
    pub(super) name: String,
    /// As the arrays have it.
    pub(super) stored_name: String,
    /// Cells.
    pub(super) length: u64,
    /// How often the name already occurred in the same array.
    occurrence: usize,
}

impl Dimension {
    /// Is this the first dimension of its stored name in its arrays?
    pub(super) fn is_first(&self) -> bool {
        self.occurrence == 0
    }
}

/// The dimensions of a group, in the order in which its arrays mention them.
#[derive(Debug, Default)]
pub(super) struct Dimensions {
    pub(super) list: Vec<Dimension>,
}

impl Dimensions {
    /// Index of each dimension of an array, without the one that counts the characters of a text.
    pub(super) fn of(&mut self, array: &ArrayDescription) -> Vec<usize> {
        let names = &array.dimensions[..rank(array)];
        let of_one = |(position, name): (usize, &String)| {
            let occurrence = names[..position].iter().filter(|n| *n == name).count();
            let length = array.shape.get(position).copied().unwrap_or(0);
            self.index(name, length, occurrence)
        };
        names.iter().enumerate().map(of_one).collect()
    }

    fn index(&mut self, stored_name: &str, length: u64, occurrence: usize) -> usize {
        let known = self.list.iter().position(|known| {
            (known.stored_name.as_str(), known.length, known.occurrence)
                == (stored_name, length, occurrence)
        });
        known.unwrap_or_else(|| {
            let base = match occurrence {
                0 => stored_name.to_string(),
                more => format!("{stored_name}_{}", more + 1),
            };
            let taken = |name: &str| self.list.iter().any(|known| known.name == name);
            let name = if taken(&base) {
                unique(format!("{base}_{length}"), taken)
            } else {
                base
            };
            self.list.push(Dimension {
                name,
                stored_name: stored_name.to_string(),
                length,
                occurrence,
            });
            self.list.len() - 1
        })
    }
}

/// Dimensions of an array once characters are joined to texts.
pub(super) fn rank(array: &ArrayDescription) -> usize {
    let joined = usize::from(array.data_type == CHARACTER);
    array.dimensions.len().saturating_sub(joined)
}

/// `name`, or the first of `name_2`, `name_3`, … that is not `taken`.
pub(super) fn unique(name: String, taken: impl Fn(&str) -> bool) -> String {
    if !taken(&name) {
        return name;
    }
    let mut number = 2;
    loop {
        let candidate = format!("{name}_{number}");
        if !taken(&candidate) {
            return candidate;
        }
        number += 1;
    }
}
