//! The value at a rank of a series of keys, without sorting them and without moving them.
//!
//! ```text
//!  keys between     lowest ├──────────────────────────────────────┤ highest
//!  two guesses             │              ▲ a  ▲ b                │   where the rank should be, if keys
//!  are counted             │              ├────┤                  │   were spread evenly, and a bit to
//!  and so on               │              ▲▲                      │   both sides of it
//! ```
//! A step counts the keys up to each of two guesses: one loop over integers that becomes compares of whole
//! vectors. Where that leaves most keys inside they are not spread evenly, and one of them is the next guess.
//! Once few keys are left between the ends they are copied and selected among.

use super::LANES;
use super::dispatch::vectorised;

/// An integer that stands for a value in an order, see [`TotalOrder`](super::order::TotalOrder).
pub trait Key: Copy + Ord + Default + Send + Sync + std::fmt::Debug + 'static {
    /// No key is smaller.
    const LOWEST: Self;
    /// No key is larger. It also stands for cells that are missing.
    const HIGHEST: Self;

    /// The key at `fraction` of the way from `low` to `high`, neither of them left behind.
    fn between(low: Self, high: Self, fraction: f64) -> Self;
    /// The key after this one; the highest has none.
    fn next(self) -> Self;
    /// The key before this one; the lowest has none.
    fn previous(self) -> Self;
    /// A count of 1 or 0, as wide as keys are, so that counts and keys share vectors.
    fn one_if(condition: bool) -> Self;
    /// Adds counts; wraps around.
    fn add(self, more: Self) -> Self;
    /// A count.
    fn count(self) -> usize;
}

macro_rules! key {
    ($key:ty) => {
        impl Key for $key {
            const LOWEST: Self = <$key>::MIN;
            const HIGHEST: Self = <$key>::MAX;

            #[inline(always)]
            fn between(low: Self, high: Self, fraction: f64) -> Self {
                let width = high.abs_diff(low);
                let step = (width as f64 * fraction) as _;
                low.saturating_add_unsigned(width.min(step)).min(high)
            }
            #[inline(always)]
            fn next(self) -> Self {
                self.saturating_add(1)
            }
            #[inline(always)]
            fn previous(self) -> Self {
                self.saturating_sub(1)
            }
            #[inline(always)]
            fn one_if(condition: bool) -> Self {
                Self::from(condition)
            }
            #[inline(always)]
            fn add(self, more: Self) -> Self {
                self.wrapping_add(more)
            }
            #[inline(always)]
            fn count(self) -> usize {
                self.cast_unsigned() as usize
            }
        }
    };
}

key!(i32);
key!(i64);

/// So few keys are copied and selected among.
pub(super) const FEW: usize = 32;

/// Keys whose count fits into a key.
const PART: usize = 1 << 20;

/// Longer series are looked through fewer times by copying them.
const LONG: usize = 1 << 14;

/// The keys between which the one at a rank is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bracket<K> {
    pub(super) low: K,
    pub(super) high: K,
    pub(super) rank: usize,
    /// Keys below `low`.
    pub(super) below: usize,
    /// Keys from `low` to `high`.
    pub(super) inside: usize,
    /// Are keys not spread evenly between the ends at all?
    distrusts_ends: bool,
}

impl<K: Key> Bracket<K> {
    /// The one at `rank` of `inside` keys from `low` to `high`.
    pub(super) fn new(low: K, high: K, inside: usize, rank: usize) -> Self {
        Self {
            low,
            high,
            rank,
            below: 0,
            inside,
            distrusts_ends: false,
        }
    }

    /// Is counting not worth it any more?
    pub(super) fn is_narrow(&self) -> bool {
        self.inside <= FEW || self.low >= self.high
    }

    /// Two keys that are worth counting, the smaller one first. `sample` finds one of the keys from one end
    /// to the other, if it can.
    pub(super) fn guesses(&self, sample: impl FnOnce(&Self) -> Option<K>) -> [K; 2] {
        // A value that is there many times is hit by one of its own.
        if let Some(key) = self.distrusts_ends.then(|| sample(self)).flatten() {
            return [key.previous(), key];
        }
        let inside = self.inside as f64;
        let at = (self.rank - self.below) as f64 / inside;
        let margin = (1.0 / inside.sqrt()).max(1.0 / 64.0);
        let first = K::between(self.low, self.high, (at - margin).max(0.0));
        let second = K::between(self.low, self.high, (at + margin).min(1.0));
        [first, second.max(first)]
    }

    /// Is a key between the ends?
    pub(super) fn contains(&self, key: K) -> bool {
        self.low <= key && key <= self.high
    }

    /// Closes in, given how many keys are at most each of two guesses. Something is left behind even where
    /// both ends are neighbours.
    pub(super) fn narrow(&mut self, guesses: [K; 2], counts: [usize; 2]) {
        let was = self.inside;
        let [first, second] = guesses;
        let [of_first, of_second] = counts;
        if self.rank < of_first {
            self.high = first;
            self.inside = of_first - self.below;
        } else if self.rank < of_second {
            self.low = first.next();
            self.high = second;
            self.inside = of_second - of_first;
            self.below = of_first;
        } else {
            self.low = second.next();
            self.inside -= of_second - self.below;
            self.below = of_second;
        }
        self.distrusts_ends = !self.distrusts_ends && self.inside * 2 > was;
    }
}

/// What one look at keys tells, besides those of missing cells.
#[derive(Debug, Clone, Copy)]
pub struct Ends<K> {
    /// The highest key where there is none.
    lowest: K,
    highest: K,
    valid: usize,
}

impl<K: Key> Ends<K> {
    /// Of these keys; the highest one stands for missing cells.
    pub fn of(keys: &[K]) -> Self {
        let (lowest, highest, valid) = ends(keys);
        Self {
            lowest,
            highest,
            valid,
        }
    }

    /// Of both.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
            valid: self.valid + other.valid,
        }
    }
}

/// The keys of one series, in parts.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a, K> {
    parts: &'a [&'a [K]],
    cells: usize,
    ends: Ends<K>,
}

impl<'a, K: Key> Series<'a, K> {
    /// The series of `parts`, all of which have `ends`.
    pub fn new(parts: &'a [&'a [K]], ends: Ends<K>) -> Self {
        Self {
            parts,
            cells: parts.iter().map(|part| part.len()).sum(),
            ends,
        }
    }

    /// How many keys stand for no missing cell.
    pub fn valid(&self) -> usize {
        self.ends.valid
    }
}

/// Selects among series of keys; keeps the memory for those that it copies.
#[derive(Debug, Default)]
pub struct Selection<K> {
    kept: Vec<K>,
    spare: Vec<K>,
}

impl<K: Key> Selection<K> {
    /// When the keys that are left are this small a part of those that are counted, they are copied first;
    /// of a long series no more are ever copied, but twice.
    pub const COPIED_PART: usize = 8;

    /// The valid key at `rank` of a series, the smallest having rank 0, and the one after it; the last one
    /// has itself after it. `None` when there are not so many.
    pub fn pair(&mut self, series: &Series<'_, K>, rank: usize) -> Option<(K, K)> {
        let (first, next) = self.select(series, rank)?;
        if let Some(next) = next {
            return Some((first, next));
        }
        let (mut at_most, mut above) = (0, K::HIGHEST);
        for part in series.parts {
            let (of_part, next) = following(part, first);
            at_most += of_part;
            above = above.min(next);
        }
        let repeats = at_most > rank + 1 || at_most == series.valid();
        Some((first, if repeats { first } else { above }))
    }

    /// The valid key at `rank` of a series; `None` when there are not so many.
    pub fn nth(&mut self, series: &Series<'_, K>, rank: usize) -> Option<K> {
        self.select(series, rank).map(|(key, _)| key)
    }

    /// The key at a rank, and the next one if it came to light.
    fn select(&mut self, series: &Series<'_, K>, rank: usize) -> Option<(K, Option<K>)> {
        let ends = series.ends;
        if rank >= ends.valid {
            return None;
        }
        let mut bracket = Bracket::new(ends.lowest, ends.highest, ends.valid, rank);
        let mut counted = series.cells;
        // Many short parts are put together.
        let mut is_copied = series.parts.len() > 1 && counted <= LONG;
        if is_copied {
            self.kept.clear();
            for part in series.parts {
                self.kept.extend_from_slice(part);
            }
        }
        while bracket.low < bracket.high {
            let copied = [self.kept.as_slice()];
            let parts = if is_copied { &copied } else { series.parts };
            let is_few = bracket.inside <= FEW;
            if is_few || (bracket.inside < counted / Self::COPIED_PART && counted > LONG) {
                self.spare.clear();
                self.spare.reserve(bracket.inside);
                for part in parts {
                    copy_between(part, bracket.low, bracket.high, &mut self.spare);
                }
                std::mem::swap(&mut self.kept, &mut self.spare);
                (bracket.rank, bracket.below) = (bracket.rank - bracket.below, 0);
                (is_copied, counted) = (true, self.kept.len());
                if is_few {
                    self.kept.sort_unstable();
                    let next = self.kept.get(bracket.rank + 1).copied();
                    return Some((self.kept[bracket.rank], next));
                }
                continue;
            }
            let guesses = bracket.guesses(|bracket| sample(parts, bracket));
            let mut at_most = [0; 2];
            for part in parts {
                let of_part = counts(part, guesses);
                at_most = [at_most[0] + of_part[0], at_most[1] + of_part[1]];
            }
            bracket.narrow(guesses, at_most);
        }
        let is_last = bracket.rank + 1 == bracket.below + bracket.inside;
        Some((bracket.low, (!is_last).then_some(bracket.low)))
    }
}

/// A key of a bracket.
fn sample<K: Key>(parts: &[&[K]], bracket: &Bracket<K>) -> Option<K> {
    places(bracket.inside).find_map(|place| {
        let part = parts[place % parts.len()];
        let key = *part.get(place % part.len().max(1))?;
        bracket.contains(key).then_some(key)
    })
}

/// A few places without a pattern.
pub(super) fn places(seed: usize) -> impl Iterator<Item = usize> {
    (0..16).map(move |number| (seed + number * 77).wrapping_mul(0x9e37_79b9) >> 7)
}

vectorised! {
/// The smallest and the largest key that stand for no missing cell, and how many do.
fn ends [<K: Key>] [K] (keys: &[K]) -> (K, K, usize) {
    let (mut lowest, mut one_more, mut missing) = (K::HIGHEST, K::LOWEST, 0);
    for part in keys.chunks(PART) {
        let mut of_part = K::default();
        for key in part {
            lowest = lowest.min(*key);
            // One more than the highest is the lowest.
            one_more = one_more.max(key.add(K::one_if(true)));
            of_part = of_part.add(K::one_if(*key == K::HIGHEST));
        }
        missing += of_part.count();
    }
    (lowest, one_more.previous(), keys.len() - missing)
}
}

vectorised! {
/// How many keys are at most each of two limits.
fn counts [<K: Key>] [K] (keys: &[K], limits: [K; 2]) -> [usize; 2] {
    let mut counts = [0; 2];
    for part in keys.chunks(PART) {
        let (mut first, mut second) = (K::default(), K::default());
        for key in part {
            first = first.add(K::one_if(*key <= limits[0]));
            second = second.add(K::one_if(*key <= limits[1]));
        }
        counts[0] += first.count();
        counts[1] += second.count();
    }
    counts
}
}

vectorised! {
/// How many keys are at most `limit`, and the smallest above it.
fn following [<K: Key>] [K] (keys: &[K], limit: K) -> (usize, K) {
    let (mut count, mut above) = (0, K::HIGHEST);
    for part in keys.chunks(PART) {
        let mut at_most = K::default();
        for key in part {
            let is_at_most = *key <= limit;
            let key = if is_at_most { K::HIGHEST } else { *key };
            above = if key < above { key } else { above };
            at_most = at_most.add(K::one_if(is_at_most));
        }
        count += at_most.count();
    }
    (count, above)
}
}

vectorised! {
/// Appends the keys from `low` to `high`.
fn copy_between [<K: Key>] [K] (keys: &[K], low: K, high: K, kept: &mut Vec<K>) {
    let is_inside = |key: K| (low <= key) & (key <= high);
    let (blocks, rest) = keys.as_chunks::<LANES>();
    for block in blocks {
        let mut inside = 0u32;
        for lane in 0..LANES {
            // Not the lowest bit, which the compiler would set in a way of its own.
            inside |= u32::from(is_inside(block[lane])) << (lane + 1);
        }
        while inside != 0 {
            kept.push(block[(inside.trailing_zeros() as usize - 1) % LANES]);
            inside &= inside - 1;
        }
    }
    kept.extend(rest.iter().copied().filter(|key| is_inside(*key)));
}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<K: Key>(keys: &[K]) {
        let valid = keys.iter().copied().filter(|key| *key != K::HIGHEST);
        let mut sorted: Vec<K> = valid.collect();
        sorted.sort_unstable();
        let mut selection = Selection::default();
        let count = sorted.len();
        let halves = keys.split_at(keys.len() / 3);
        let parts = [halves.0, halves.1];
        let ends = Ends::of(halves.0).merge(Ends::of(halves.1));
        for series in [
            Series::new(&[keys], Ends::of(keys)),
            Series::new(&parts, ends),
        ] {
            assert_eq!(series.valid(), count);
            for rank in [0, 1, count / 3, count / 2, count.saturating_sub(1)] {
                let expected = sorted.get(rank).map(|first| {
                    let next = sorted.get(rank + 1).unwrap_or(first);
                    (*first, *next)
                });
                assert_eq!(
                    selection.pair(&series, rank),
                    expected,
                    "{rank} of {keys:?}"
                );
            }
            assert_eq!(selection.pair(&series, count), None);
        }
    }

    /// Keys spread evenly, in lumps, with a few far away, all the same.
    fn keys() -> impl Strategy<Value = Vec<i64>> {
        let spread = prop_oneof![Just(i64::MAX), Just(1_000_000), Just(50), Just(2), Just(1)];
        let length = prop_oneof![0usize..40, 30usize..3000, Just(20_000usize)];
        (length, spread, any::<u64>(), 0u8..3).prop_map(|(length, spread, seed, far)| {
            let noise = |cell: usize| {
                let bits = (seed ^ cell as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                (bits ^ bits >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
            };
            let key = |cell: usize| match noise(cell) % 50 {
                0 if far > 0 => i64::MAX,
                1 if far > 1 => i64::MIN + (noise(cell) >> 40) as i64,
                _ => (noise(cell + length) >> 1) as i64 % spread,
            };
            (0..length).map(key).collect()
        })
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_a_sort(keys in keys()) {
            check(&keys);
            check(&keys.iter().map(|key| *key as i32).collect::<Vec<_>>());
        }
    }
}
