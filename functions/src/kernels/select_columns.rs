//! The values at ranks of sixteen series at once, whose keys stand side by side.
//!
//! ```text
//!  series   a  b  c  …          a lane of a vector is a series: keys are compared with sixteen guesses,
//!  rows   ┌ a0 b0 c0 … ┐        and nothing has to be moved
//!         │ a1 b1 c1 … │
//!         └ a2 b2 c2 … ┘
//! ```
//! What one series does is in [`select`](super::select); here all close in together, until the last one
//! has few keys left. On a busy machine 1440 floats from thirty blocks took 1.3 ns a cell; to transpose them
//! alone, 3.2.

use super::LANES;
use super::dispatch::vectorised;
use super::select::{Bracket, FEW, Key, places};

/// A key of each of sixteen series.
pub type Row<K> = [K; LANES];

/// Sixteen series of equal length, in parts, with what one look at them tells.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a, K> {
    parts: &'a [&'a [Row<K>]],
    rows: usize,
    lowest: Row<K>,
    highest: Row<K>,
    valid: [usize; LANES],
}

/// What is wanted of a series.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// A rank among its valid keys, the smallest having rank 0; none of a series without any.
    pub rank: Option<usize>,
    /// The key after it, too?
    pub with_next: bool,
}

impl<'a, K: Key> Columns<'a, K> {
    /// The series of `parts`; the highest key stands for missing cells. There are less than 2³¹ rows.
    pub fn new(parts: &'a [&'a [Row<K>]]) -> Self {
        let mut found = Ends {
            lowest: [K::HIGHEST; LANES],
            one_more: [K::LOWEST; LANES],
            missing: [K::default(); LANES],
        };
        for part in parts {
            ends(part, &mut found);
        }
        let rows: usize = parts.iter().map(|part| part.len()).sum();
        Self {
            parts,
            rows,
            lowest: found.lowest,
            highest: found.one_more.map(K::previous),
            valid: found.missing.map(|missing| rows - missing.count()),
        }
    }

    /// How many keys of each series stand for no missing cell.
    pub fn valid(&self) -> [usize; LANES] {
        self.valid
    }

    /// The keys at the ranks that are wanted, and those after them, see
    /// [`Selection::pair`](super::select::Selection::pair); the highest where nothing is.
    pub fn pairs(&self, wanted: &[Wanted; LANES]) -> [(K, K); LANES] {
        let mut brackets = [Bracket::new(K::HIGHEST, K::LOWEST, 0, 0); LANES];
        for lane in 0..LANES {
            if let Some(rank) = wanted[lane].rank.filter(|rank| *rank < self.valid[lane]) {
                let (low, high) = (self.lowest[lane], self.highest[lane]);
                brackets[lane] = Bracket::new(low, high, self.valid[lane], rank);
            }
        }
        self.close_in(&mut brackets);
        let few = self.few(&brackets);
        let mut pairs = [(K::HIGHEST, K::HIGHEST); LANES];
        let mut beyond = false;
        for lane in 0..LANES {
            let bracket = &brackets[lane];
            let place = bracket.rank - bracket.below;
            let of_lane = &few[lane];
            let key = |place: usize| match bracket.inside {
                inside if place >= inside => None,
                // All the same, however many.
                inside if inside > FEW => Some(bracket.low),
                _ => of_lane.get(place).copied(),
            };
            if let Some(first) = key(place) {
                let next = key(place + 1);
                pairs[lane] = (first, next.unwrap_or(first));
                let is_last = bracket.rank + 1 == self.valid[lane];
                beyond |= next.is_none() && wanted[lane].with_next && !is_last;
            }
        }
        if beyond {
            let limits = brackets.map(|bracket| bracket.high);
            let mut above = [K::HIGHEST; LANES];
            for part in self.parts {
                smallest_above(part, &limits, &mut above);
            }
            for lane in 0..LANES {
                let bracket = &brackets[lane];
                let is_end = bracket.rank + 1 == bracket.below + bracket.inside;
                if is_end && bracket.rank + 1 < self.valid[lane] {
                    pairs[lane].1 = above[lane];
                }
            }
        }
        pairs
    }

    /// Counts until all brackets are narrow.
    fn close_in(&self, brackets: &mut [Bracket<K>; LANES]) {
        while brackets.iter().any(|bracket| !bracket.is_narrow()) {
            let mut guesses = [[K::LOWEST; LANES]; 2];
            for lane in 0..LANES {
                if !brackets[lane].is_narrow() {
                    let sample = |bracket: &_| self.sample(lane, bracket);
                    [guesses[0][lane], guesses[1][lane]] = brackets[lane].guesses(sample);
                }
            }
            let mut above = [[K::default(); LANES]; 2];
            for part in self.parts {
                count_above(part, &guesses, &mut above);
            }
            for lane in 0..LANES {
                if !brackets[lane].is_narrow() {
                    let guesses = [guesses[0][lane], guesses[1][lane]];
                    let at_most = [0, 1].map(|guess| self.rows - above[guess][lane].count());
                    brackets[lane].narrow(guesses, at_most);
                }
            }
        }
    }

    /// A key of a bracket of one series.
    fn sample(&self, lane: usize, bracket: &Bracket<K>) -> Option<K> {
        places(bracket.inside + lane).find_map(|place| {
            let part = self.parts[place % self.parts.len()];
            let key = part.get(place % part.len().max(1))?[lane];
            bracket.contains(key).then_some(key)
        })
    }

    /// The keys in narrow brackets, in order; none of brackets with more.
    fn few(&self, brackets: &[Bracket<K>; LANES]) -> [Few<K>; LANES] {
        let (mut low, mut high) = ([K::HIGHEST; LANES], [K::LOWEST; LANES]);
        for lane in 0..LANES {
            if brackets[lane].inside <= FEW {
                (low[lane], high[lane]) = (brackets[lane].low, brackets[lane].high);
            }
        }
        let mut few = [Few::default(); LANES];
        for part in self.parts {
            collect(part, &low, &high, &mut few);
        }
        for few in &mut few {
            few.keys[..few.length].sort_unstable();
        }
        few
    }
}

/// A few keys.
#[derive(Debug, Clone, Copy, Default)]
struct Few<K> {
    keys: [K; FEW],
    length: usize,
}

impl<K> Few<K> {
    fn get(&self, place: usize) -> Option<&K> {
        self.keys[..self.length].get(place)
    }
}

/// What one look at sixteen series tells.
struct Ends<K> {
    lowest: Row<K>,
    /// One more than the highest key that stands for no missing cell.
    one_more: Row<K>,
    missing: Row<K>,
}

/// A row that the compiler takes as a vector. If it saw that one row follows the other it would make vectors
/// of the keys of one series, and gather them one by one.
#[inline(always)]
fn whole<K>(row: &Row<K>) -> &Row<K> {
    std::hint::black_box(row)
}

vectorised! {
fn ends [<K: Key>] [K] (rows: &[Row<K>], found: &mut Ends<K>) {
    let (mut lowest, mut one_more, mut missing) = (found.lowest, found.one_more, found.missing);
    for row in rows {
        let row = whole(row);
        for lane in 0..LANES {
            lowest[lane] = lowest[lane].min(row[lane]);
        }
        for lane in 0..LANES {
            // One more than the highest key is the lowest.
            one_more[lane] = one_more[lane].max(row[lane].add(K::one_if(true)));
        }
        for lane in 0..LANES {
            missing[lane] = missing[lane].add(K::one_if(row[lane] == K::HIGHEST));
        }
    }
    (found.lowest, found.one_more, found.missing) = (lowest, one_more, missing);
}
}

vectorised! {
/// Counts the keys that are above each of two limits.
fn count_above [<K: Key>] [K] (rows: &[Row<K>], limits: &[Row<K>; 2], above: &mut [Row<K>; 2]) {
    let [first, second] = *limits;
    let [mut of_first, mut of_second] = *above;
    for row in rows {
        let row = whole(row);
        for lane in 0..LANES {
            of_first[lane] = of_first[lane].add(K::one_if(row[lane] > first[lane]));
        }
        for lane in 0..LANES {
            of_second[lane] = of_second[lane].add(K::one_if(row[lane] > second[lane]));
        }
    }
    *above = [of_first, of_second];
}
}

vectorised! {
/// The smallest keys above limits.
fn smallest_above [<K: Key>] [K] (rows: &[Row<K>], limits: &Row<K>, above: &mut Row<K>) {
    let (limits, mut smallest) = (*limits, *above);
    for row in rows {
        let row = whole(row);
        for lane in 0..LANES {
            let key = if row[lane] > limits[lane] { row[lane] } else { K::HIGHEST };
            smallest[lane] = smallest[lane].min(key);
        }
    }
    *above = smallest;
}
}

vectorised! {
/// Collects the keys from `low` to `high`; there are few.
fn collect [<K: Key>] [K] (
    rows: &[Row<K>],
    low: &Row<K>,
    high: &Row<K>,
    few: &mut [Few<K>; LANES],
) {
    let (low, high) = (*low, *high);
    for row in rows {
        let row = whole(row);
        let mut inside = 0u32;
        for lane in 0..LANES {
            inside |= u32::from((low[lane] <= row[lane]) & (row[lane] <= high[lane])) << (lane + 1);
        }
        while inside != 0 {
            let lane = (inside.trailing_zeros() as usize - 1) % LANES;
            let few = &mut few[lane];
            few.keys[few.length % FEW] = row[lane];
            few.length += 1;
            inside &= inside - 1;
        }
    }
}
}
