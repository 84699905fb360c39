//! What a field is of: [`Parameter`], found in tables that are files beside this one.
//!
//! Where several lines of a table fit, the one that says most counts. Parameters that no line has are named after
//! their numbers.

use std::collections::HashMap;
use std::sync::LazyLock;

const EDITION_1: &str = include_str!("edition1.tsv");
const EDITION_2: &str = include_str!("edition2.tsv");

/// The numbers of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Code {
    /// Edition 1: the level decides between names, too.
    First {
        table: u8,
        number: u8,
        level_type: u8,
        level: u64,
    },
    /// Edition 2.
    Second {
        discipline: u8,
        category: u8,
        number: u8,
        centre: u16,
        /// First and second fixed surface, and the value of the first.
        surfaces: [u8; 2],
        value: Option<f64>,
        /// Code table 4.10, where the field is of a period.
        statistic: Option<u8>,
    },
}

/// A parameter as people know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) units: Option<&'static str>,
    pub(super) standard_name: Option<&'static str>,
    pub(super) long_name: Option<String>,
}

/// A line of a table: what must be as it says, then what is said.
#[derive(Debug)]
struct Line {
    /// `None` for what may be anything.
    conditions: Vec<Option<f64>>,
    /// Digits of the statistics that have a name of their own, made of this one.
    variants: &'static str,
    name: &'static str,
    units: &'static str,
    standard_name: &'static str,
    long_name: &'static str,
}

/// Lines by their first two or three numbers.
type Lines = HashMap<[u8; 3], Vec<Line>>;

static FIRST: LazyLock<Lines> = LazyLock::new(|| lines(EDITION_1, 2, 4));
static SECOND: LazyLock<Lines> = LazyLock::new(|| lines(EDITION_2, 3, 8));

/// How names of statistics begin: code of table 4.10, the name, and the long name.
const VARIANTS: [(u8, &str, &str); 5] = [
    (0, "avg_", "Time-mean"),
    (1, "acc_", "Time-accumulated"),
    (2, "max_", "Time-maximum"),
    (3, "min_", "Time-minimum"),
    (6, "std_", "Time-standard-deviation"),
];

/// Reads a table whose lines begin with `keys` numbers that are always there, and have `conditions` in all.
fn lines(table: &'static str, keys: usize, conditions: usize) -> Lines {
    let mut found = Lines::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&'static str> = line.split('\t').collect();
        let (Some(numbers), Some(said)) = (words.get(..conditions), words.get(conditions..)) else {
            continue;
        };
        let (variants, said) = match said {
            [variants, said @ ..] if said.len() == 4 => (*variants, said),
            said => ("-", said),
        };
        let [name, units, standard_name, long_name] = said else {
            continue;
        };
        let mut key = [0; 3];
        for (number, word) in key.iter_mut().zip(&numbers[..keys]) {
            *number = word.parse().unwrap_or(u8::MAX);
        }
        found.entry(key).or_default().push(Line {
            conditions: numbers[keys..]
                .iter()
                .map(|word| word.parse().ok())
                .collect(),
            variants,
            name,
            units,
            standard_name,
            long_name,
        });
    }
    found
}

/// The line that fits and says most, the first of several.
fn best<'a>(lines: &'a Lines, key: [u8; 3], facts: &[Option<f64>]) -> Option<&'a Line> {
    let fits = |line: &&Line| {
        let mut pairs = line.conditions.iter().zip(facts);
        pairs.all(|(condition, fact)| condition.is_none() || condition == fact)
    };
    let says = |line: &Line| line.conditions.iter().flatten().count();
    let fitting = lines.get(&key)?.iter().filter(fits);
    fitting.reduce(|best, line| if says(line) > says(best) { line } else { best })
}

impl Code {
    /// What the tables say.
    pub(super) fn parameter(&self) -> Parameter {
        let number = |number: u8| Some(f64::from(number));
        let (line, statistic, name) = match *self {
            Self::First {
                table,
                number: parameter,
                level_type,
                level,
            } => {
                // Tables 1 to 3 are versions of one, whose second half is each centre's own.
                let key = if table <= 3 && parameter < 128 {
                    2
                } else {
                    table
                };
                let facts = [number(level_type), Some(level as f64)];
                let line = best(&FIRST, [key, parameter, 0], &facts);
                (line, None, format!("parameter_{table}_{parameter}"))
            }
            Self::Second {
                discipline,
                category,
                number: parameter,
                centre,
                surfaces: [first, second],
                value,
                statistic,
            } => {
                let facts = [
                    Some(f64::from(centre)),
                    number(first),
                    number(second),
                    value,
                    statistic.map(f64::from),
                ];
                let line = best(&SECOND, [discipline, category, parameter], &facts);
                let name = format!("parameter_{discipline}_{category}_{parameter}");
                (line, statistic, name)
            }
        };
        match line {
            Some(line) => line.parameter(statistic),
            None => Parameter {
                name,
                units: None,
                standard_name: None,
                long_name: None,
            },
        }
    }
}

impl Line {
    fn parameter(&self, statistic: Option<u8>) -> Parameter {
        let stated = |text: &'static str| (text != "-").then_some(text);
        let variant = VARIANTS.iter().find(|(code, ..)| {
            let digit = char::from(b'0' + code);
            Some(*code) == statistic && self.variants.contains(digit)
        });
        let (name, long_name) = match variant {
            None => (self.name.to_string(), self.long_name.to_string()),
            Some((_, prefix, words)) => {
                let mut letters = self.long_name.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                let rest = letters.as_str();
                (
                    format!("{prefix}{}", self.name),
                    format!("{words} {}{rest}", first.unwrap_or_default()),
                )
            }
        };
        Parameter {
            name,
            units: stated(self.units),
            standard_name: stated(self.standard_name),
            long_name: Some(long_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(numbers: [u8; 3], surface: u8, value: f64, statistic: Option<u8>) -> String {
        let [discipline, category, number] = numbers;
        let code = Code::Second {
            discipline,
            category,
            number,
            centre: 98,
            surfaces: [surface, 255],
            value: Some(value),
            statistic,
        };
        code.parameter().name
    }

    #[test]
    fn names() {
        let first = |table, number, level_type, level| {
            let code = Code::First {
                table,
                number,
                level_type,
                level,
            };
            code.parameter().name
        };
        assert_eq!(first(128, 167, 1, 0), "t2m");
        assert_eq!(first(2, 11, 105, 2), "t2m");
        assert_eq!(first(3, 11, 100, 850), "t");
        assert_eq!(first(128, 254, 1, 0), "atmw");
        assert_eq!(first(201, 3, 1, 0), "parameter_201_3");
        assert_eq!(first(2, 200, 1, 0), "parameter_2_200");
        assert_eq!(second([0, 0, 0], 100, 50000.0, None), "t");
        assert_eq!(second([0, 0, 0], 100, 50000.0, Some(0)), "avg_t");
        assert_eq!(second([0, 0, 0], 103, 2.0, None), "t2m");
        assert_eq!(second([0, 0, 0], 103, 2.0, Some(2)), "mx2t");
        assert_eq!(second([0, 0, 99], 1, 0.0, None), "parameter_0_0_99");
    }

    #[test]
    fn all_lines_are_read() {
        for (table, lines) in [(EDITION_1, &*FIRST), (EDITION_2, &*SECOND)] {
            let written = table.lines().filter(|line| !line.starts_with('#')).count();
            let read: usize = lines.values().map(Vec::len).sum();
            assert_eq!(read, written);
        }
    }
}
