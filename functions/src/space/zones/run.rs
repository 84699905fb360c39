//! Runs of cells, and sets of cells that are made of them.

/// The cells `start..end` of row `row`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// Index along y.
    pub row: u32,
    /// Index along x of the first cell.
    pub start: u32,
    /// Index along x behind the last cell.
    pub end: u32,
}

impl Run {
    /// How many cells.
    #[must_use]
    pub fn cells(&self) -> u32 {
        self.end - self.start
    }
}

/// Sorts runs by row and joins those that meet, so that each cell is in one run at most.
pub(super) fn normalize(runs: &mut Vec<Run>) {
    runs.sort_unstable();
    let mut kept: usize = 0;
    for at in 0..runs.len() {
        let run = runs[at];
        match kept.checked_sub(1).map(|last| &mut runs[last]) {
            Some(last) if last.row == run.row && run.start <= last.end => {
                last.end = last.end.max(run.end);
            }
            _ => {
                runs[kept] = run;
                kept += 1;
            }
        }
    }
    runs.truncate(kept);
}

/// The cells of `all` that are not in `without`; both normalized.
pub(super) fn difference(all: &[Run], without: &[Run]) -> Vec<Run> {
    let mut rest = Vec::with_capacity(all.len());
    let mut taken = without.iter().peekable();
    for run in all {
        let mut start = run.start;
        // What ends before this run starts can take nothing from later ones either.
        while taken
            .next_if(|cut| (cut.row, cut.end) <= (run.row, run.start))
            .is_some()
        {}
        let mut cuts = taken.clone();
        while let Some(cut) = cuts.next_if(|cut| cut.row == run.row && cut.start < run.end) {
            if start < cut.start {
                rest.push(Run {
                    start,
                    end: cut.start,
                    ..*run
                });
            }
            start = start.max(cut.end);
        }
        if start < run.end {
            rest.push(Run { start, ..*run });
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(runs: &[Run]) -> Vec<(u32, u32)> {
        runs.iter()
            .flat_map(|run| (run.start..run.end).map(|cell| (run.row, cell)))
            .collect()
    }

    fn any_runs() -> impl Strategy<Value = Vec<Run>> {
        let run = (0..3_u32, 0..20_u32, 1..6_u32).prop_map(|(row, start, length)| Run {
            row,
            start,
            end: start + length,
        });
        proptest::collection::vec(run, 0..12)
    }

    proptest! {
        #[test]
        fn sets_of_runs_are_sets_of_cells(mut all in any_runs(), mut without in any_runs()) {
            let mut expected = cells(&all);
            expected.sort_unstable();
            expected.dedup();
            normalize(&mut all);
            prop_assert_eq!(&cells(&all), &expected);
            normalize(&mut without);
            let taken = cells(&without);
            expected.retain(|cell| !taken.contains(cell));
            prop_assert_eq!(cells(&difference(&all, &without)), expected);
        }
    }
}
