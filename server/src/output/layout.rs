//! How the columns of a table share the width of the terminal.
//!
//! ```text
//!  all fit?                       ─▶ show all
//!  else narrow text columns, which wrap, down to MIN_TEXT   ─▶ fit? show all
//!  else leave out columns in the middle                     ─▶ first … last
//! ```

/// Narrower than this, wrapped text cannot be read.
const MIN_TEXT: usize = 16;
/// ` cell ` and one `|` between cells.
const PADDING: usize = 2;
const SEPARATOR: usize = 1;
/// Width of the column that stands for those left out.
pub(crate) const GAP: usize = 1;

/// What is known of a column when the table is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Width of the widest cell or of the header.
    pub(crate) width: usize,
    /// Width of the header: no column is narrower.
    pub(crate) header: usize,
    /// May cells be wrapped? Numbers and times may not.
    pub(crate) wraps: bool,
}

/// A column as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Column `index` in `width` characters.
    Column { index: usize, width: usize },
    /// Columns that were left out.
    Gap,
}

/// Fits `columns` into `available` characters (`None`: as wide as it takes).
pub(crate) fn fit(columns: &[Column], available: Option<usize>) -> Vec<Shown> {
    let mut widths: Vec<usize> = columns.iter().map(|column| column.width).collect();
    let Some(available) = available else {
        return all(&widths);
    };
    narrow_text(columns, &mut widths, available);
    if total(&widths) <= available {
        return all(&widths);
    }
    without_middle(&widths, available)
}

/// Takes width from the widest wrapping column until the table fits or no text can be narrower.
fn narrow_text(columns: &[Column], widths: &mut [usize], available: usize) {
    let floor = |column: &Column| column.header.max(MIN_TEXT);
    while total(widths) > available {
        let widest = columns
            .iter()
            .zip(widths.iter_mut())
            .filter(|(column, width)| column.wraps && **width > floor(column))
            .max_by_key(|(_, width)| **width);
        match widest {
            Some((_, width)) => *width -= 1,
            None => return,
        }
    }
}

/// Keeps columns from the left and the right end in turn, as many as fit; the first always.
fn without_middle(widths: &[usize], available: usize) -> Vec<Shown> {
    let cost = |width: usize| width + PADDING + SEPARATOR;
    let mut left = 0;
    let mut right = widths.len();
    let mut used = GAP + PADDING;
    while left < right {
        let from_left = left <= widths.len() - right;
        let index = if from_left { left } else { right - 1 };
        used += widths.get(index).copied().map_or(0, cost);
        if used > available && index > 0 {
            break;
        }
        if from_left {
            left += 1;
        } else {
            right -= 1;
        }
    }
    let column = |index: usize| Shown::Column {
        index,
        width: widths.get(index).copied().unwrap_or_default(),
    };
    let gap = (left < right).then_some(Shown::Gap);
    (0..left)
        .map(column)
        .chain(gap)
        .chain((right..widths.len()).map(column))
        .collect()
}

fn all(widths: &[usize]) -> Vec<Shown> {
    widths
        .iter()
        .enumerate()
        .map(|(index, width)| Shown::Column {
            index,
            width: *width,
        })
        .collect()
}

fn total(widths: &[usize]) -> usize {
    let cells: usize = widths.iter().map(|width| width + PADDING).sum();
    cells + SEPARATOR * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_share_the_width() {
        let number = |width| Column {
            width,
            header: 3,
            wraps: false,
        };
        let text = |width| Column {
            width,
            header: 3,
            wraps: true,
        };
        let show = |index, width| Shown::Column { index, width };
        let cases = [
            ("nothing", vec![], Some(10), vec![]),
            (
                "no terminal",
                vec![number(100), text(100)],
                None,
                vec![show(0, 100), show(1, 100)],
            ),
            (
                "exactly fits: (10+2)+1+(7+2) = 22",
                vec![number(10), text(7)],
                Some(22),
                vec![show(0, 10), show(1, 7)],
            ),
            (
                "text gives way",
                vec![number(10), text(100)],
                Some(60),
                vec![show(0, 10), show(1, 45)],
            ),
            (
                "the widest text first",
                vec![text(20), text(90)],
                Some(60),
                vec![show(0, 20), show(1, 35)],
            ),
            (
                "numbers do not: the middle is left out",
                vec![number(20); 5],
                Some(60),
                vec![show(0, 20), Shown::Gap, show(4, 20)],
            ),
            (
                "left before right",
                vec![number(10); 9],
                Some(45),
                vec![show(0, 10), show(1, 10), Shown::Gap, show(8, 10)],
            ),
            (
                "one column at least",
                vec![number(100), number(5)],
                Some(60),
                vec![show(0, 100), Shown::Gap],
            ),
        ];
        for (name, columns, available, expected) in cases {
            assert_eq!(fit(&columns, available), expected, "{name}");
        }
    }
}
