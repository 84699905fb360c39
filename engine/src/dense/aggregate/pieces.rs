//! Cuts what is to be reduced into pieces that an expression is evaluated on at a time.
//!
//! ```text
//!  visit: 48 rows of 180 cells, one group         piece: 5 rows, side by side in a register
//!         a group per position                    piece: 64 positions of 16 rows
//! ```

use datafusion::common::Result;
use graticule_functions::kernels::Rows;

use crate::dense::aggregate::layout::{Groups, Visit};

/// Positions of a piece where each one is a group: enough neighbours to be fetched from memory in one go.
const NARROW: usize = 64;

/// Calls `reduce` for pieces of at most `most` cells that cover `visit`, each with where its rows start
/// in the unit, their length, and the visit of the same cells once they lie side by side.
pub(crate) fn for_each_piece(
    visit: &Visit<'_>,
    most: usize,
    reduce: &mut dyn FnMut(&[usize], usize, &Visit<'_>) -> Result<()>,
) -> Result<()> {
    let Visit { plane, rows, .. } = *visit;
    match visit.groups {
        Groups::One(_) => in_blocks(rows, rows.length, most, |starts, length, _| {
            let rows = Rows {
                offsets: &[0],
                shift: 0,
                length: starts.len() * length,
            };
            reduce(starts, length, &Visit { rows, ..*visit })
        }),
        Groups::Each(first) => {
            let width = (most / rows.offsets.len().max(1) / NARROW * NARROW).max(NARROW);
            in_blocks(rows, width, most, |starts, length, position| {
                let offsets = side_by_side(starts.len(), length);
                let rows = Rows {
                    offsets: &offsets,
                    shift: 0,
                    length,
                };
                let groups = Groups::Each(first + position);
                let visit = Visit {
                    plane,
                    rows,
                    groups,
                };
                reduce(starts, length, &visit)
            })
        }
        Groups::Segments { .. } if rows.length <= most => {
            in_blocks(rows, rows.length, most, |starts, length, _| {
                let offsets = side_by_side(starts.len(), length);
                let rows = Rows {
                    offsets: &offsets,
                    shift: 0,
                    length,
                };
                reduce(starts, length, &Visit { rows, ..*visit })
            })
        }
        // Rows longer than a piece: a visit for each run.
        Groups::Segments { base, segments } => segments.iter().try_for_each(|segment| {
            let visit = Visit {
                plane,
                rows: Rows {
                    shift: rows.shift + segment.start,
                    length: segment.length,
                    ..rows
                },
                groups: Groups::One(base + segment.code),
            };
            for_each_piece(&visit, most, reduce)
        }),
    }
}

/// Cuts rows into blocks of at most `width` positions and `most` cells; `reduce` gets where the rows of
/// a block start, their length, and the first position.
fn in_blocks(
    rows: Rows<'_>,
    width: usize,
    most: usize,
    mut reduce: impl FnMut(&[usize], usize, usize) -> Result<()>,
) -> Result<()> {
    let width = width.min(most).max(1);
    let mut starts = Vec::new();
    let mut position = 0;
    while position < rows.length {
        let length = width.min(rows.length - position);
        for offsets in rows.offsets.chunks(most / length) {
            starts.clear();
            starts.extend(offsets.iter().map(|offset| offset + rows.shift + position));
            reduce(&starts, length, position)?;
        }
        position += length;
    }
    Ok(())
}

fn side_by_side(rows: usize, length: usize) -> Vec<usize> {
    (0..rows).map(|row| row * length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dense::aggregate::layout::Segment;

    /// The cell of the unit and its group, for every cell of a visit.
    fn cells(visit: &Visit<'_>) -> Vec<(usize, usize)> {
        let rows = visit.rows.offsets.iter();
        let group = |position: usize| match visit.groups {
            Groups::One(group) => group,
            Groups::Each(first) => first + position,
            Groups::Segments { base, segments } => {
                let inside = |segment: &&Segment| {
                    (segment.start..segment.start + segment.length).contains(&position)
                };
                base + segments
                    .iter()
                    .find(inside)
                    .map_or(0, |segment| segment.code)
            }
        };
        rows.flat_map(|offset| {
            let start = offset + visit.rows.shift;
            (0..visit.rows.length).map(move |position| (start + position, position))
        })
        .map(|(cell, position)| (cell, group(position)))
        .collect()
    }

    #[test]
    fn pieces_hold_every_cell_once_with_its_group() {
        let offsets: Vec<usize> = (0..7).map(|row| row * 500).collect();
        let segments: Vec<Segment> = (0..20)
            .map(|at| Segment {
                start: at * 5,
                length: 5,
                code: at % 3,
            })
            .collect();
        let segments = &segments;
        let cases = [
            (100, Groups::One(4)),
            (100, Groups::Each(40)),
            (100, Groups::Segments { base: 9, segments }),
            (1, Groups::One(0)),
            (33, Groups::Each(0)),
        ];
        for (length, groups) in cases {
            for most in [32, 64, 100, 101, 1024] {
                let rows = Rows {
                    offsets: &offsets,
                    shift: 3,
                    length,
                };
                let visit = Visit {
                    plane: 0,
                    rows,
                    groups,
                };
                let mut found = Vec::new();
                let result = for_each_piece(&visit, most, &mut |starts, length, piece| {
                    let at: Vec<usize> = starts
                        .iter()
                        .flat_map(|start| *start..start + length)
                        .collect();
                    assert!(at.len() <= most, "{groups:?} {most}");
                    assert_eq!(cells(piece).len(), at.len());
                    found.extend(cells(piece).iter().map(|(cell, group)| (at[*cell], *group)));
                    Ok(())
                });
                assert!(result.is_ok());
                let mut expected = cells(&visit);
                expected.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, expected, "{groups:?} in pieces of {most}");
            }
        }
    }
}
