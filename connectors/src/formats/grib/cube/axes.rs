//! The axes that the variables of a group share, apart from those of the grid: [`Axes`].

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::variables::Variable;
use crate::formats::grib::field::{Data, Field};
use crate::formats::grib::level::{Kind, Level};
use crate::formats::grib::time::Seconds;

/// Members, times and levels.
#[derive(Debug, Default)]
pub(super) struct Axes {
    /// Members, where there are several.
    pub(super) numbers: Vec<u64>,
    /// Valid times, or reference times where there are steps.
    pub(super) times: Vec<Seconds>,
    /// Steps of forecasts that overlap; empty where times are valid times.
    pub(super) steps: Vec<Seconds>,
    /// The step of each valid time, where it has one that is not 0 everywhere.
    pub(super) step_of_time: Vec<Seconds>,
    /// In [`Height::order`], or the other way round for kinds that descend.
    pub(super) levels: BTreeMap<Kind, Vec<Height>>,
}

/// The place of a level on its axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Height {
    pub(super) top: f64,
    pub(super) bottom: Option<f64>,
}

impl Height {
    fn of(level: &Level) -> Self {
        Self {
            top: level.value.unwrap_or_default(),
            bottom: level.bottom,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let bottom = |height: &Self| height.bottom.unwrap_or_default();
        self.top
            .total_cmp(&other.top)
            .then(bottom(self).total_cmp(&bottom(other)))
            .then(self.bottom.is_some().cmp(&other.bottom.is_some()))
    }
}

/// Where the fields of a variable lie among members and levels. What they have is asked once for all of them: a variable
/// may have a million.
struct Lookup<'a> {
    numbers: Option<&'a [u64]>,
    levels: Option<&'a [Height]>,
    is_descending: bool,
}

impl Lookup<'_> {
    fn place(&self, field: &Field) -> Vec<u64> {
        let mut place = Vec::new();
        if let Some(numbers) = self.numbers {
            let number = field.product.number.unwrap_or_default();
            place.push(position(numbers, &number));
        }
        if let Some(levels) = self.levels {
            let height = Height::of(&field.product.level);
            let found = levels.binary_search_by(|other| match self.is_descending {
                true => height.order(other),
                false => other.order(&height),
            });
            place.push(found.unwrap_or_default() as u64);
        }
        place
    }
}

impl Axes {
    pub(super) fn of(variables: &[Variable<'_>]) -> Self {
        let fields = || variables.iter().flat_map(|variable| &variable.fields);
        let numbers: BTreeSet<u64> = fields().filter_map(|field| field.product.number).collect();
        let mut axes = Self {
            numbers: match numbers.len() {
                0 | 1 => Vec::new(),
                _ => numbers.into_iter().collect(),
            },
            levels: levels(variables),
            ..Self::default()
        };
        let overlap = variables.iter().any(|variable| axes.overlaps(variable));
        let times: BTreeSet<Seconds> = fields()
            .map(|field| match overlap {
                true => field.product.reference,
                false => field.product.valid,
            })
            .collect();
        axes.times = times.into_iter().collect();
        if overlap {
            let steps: BTreeSet<Seconds> = fields().map(|field| step(field)).collect();
            axes.steps = steps.into_iter().collect();
        } else {
            axes.step_of_time = step_of_time(fields().copied());
        }
        axes
    }

    /// Has the variable several forecasts of one time?
    fn overlaps(&self, variable: &Variable<'_>) -> bool {
        let lookup = self.lookup(variable);
        let mut references: HashMap<Vec<u64>, Seconds> = HashMap::new();
        variable.fields.iter().any(|field| {
            let mut place = lookup.place(field);
            place.push(field.product.valid as u64);
            let reference = field.product.reference;
            *references.entry(place).or_insert(reference) != reference
        })
    }

    fn lookup(&self, variable: &Variable<'_>) -> Lookup<'_> {
        let has_numbers = self.has_numbers(variable);
        Lookup {
            numbers: has_numbers.then_some(self.numbers.as_slice()),
            levels: self.levels_of(variable).map(Vec::as_slice),
            is_descending: variable.kind().is_descending(),
        }
    }

    fn has_numbers(&self, variable: &Variable<'_>) -> bool {
        let mut fields = variable.fields.iter();
        !self.numbers.is_empty() && fields.any(|field| field.product.number.is_some())
    }

    fn levels_of(&self, variable: &Variable<'_>) -> Option<&Vec<Height>> {
        self.levels
            .get(variable.kind())
            .filter(|_| variable.has_levels())
    }

    /// Names and lengths of the dimensions of a variable, in front of those of the grid.
    pub(super) fn dimensions(&self, variable: &Variable<'_>) -> (Vec<String>, Vec<u64>) {
        let mut dimensions = Vec::new();
        if self.has_numbers(variable) {
            dimensions.push(("number".to_string(), self.numbers.len()));
        }
        dimensions.push(("time".to_string(), self.times.len()));
        if !self.steps.is_empty() {
            dimensions.push(("step".to_string(), self.steps.len()));
        }
        if let Some(levels) = self.levels_of(variable) {
            dimensions.push((variable.kind().name.clone(), levels.len()));
        }
        let lengths = dimensions.iter().map(|(_, length)| *length as u64);
        let lengths = lengths.collect();
        (
            dimensions.into_iter().map(|(name, _)| name).collect(),
            lengths,
        )
    }

    /// The fields of a variable by the indices of their chunks along these dimensions.
    pub(super) fn chunks(&self, variable: &Variable<'_>) -> HashMap<Vec<u64>, Data> {
        let mut chunks = HashMap::new();
        let lookup = self.lookup(variable);
        // Times stand between members and levels.
        let at = usize::from(lookup.numbers.is_some());
        for field in &variable.fields {
            let mut index = lookup.place(field);
            let product = &field.product;
            match self.steps.is_empty() {
                true => index.insert(at, position(&self.times, &product.valid)),
                false => {
                    index.insert(at, position(&self.steps, &step(field)));
                    index.insert(at, position(&self.times, &product.reference));
                }
            }
            chunks.insert(index, field.data.clone());
        }
        chunks
    }
}

fn position<T: Ord>(sorted: &[T], wanted: &T) -> u64 {
    sorted.binary_search(wanted).unwrap_or_default() as u64
}

fn step(field: &Field) -> Seconds {
    field.product.valid - field.product.reference
}

/// The step of each valid time in order; empty where one has several, or all are 0.
fn step_of_time<'a>(fields: impl Iterator<Item = &'a Field>) -> Vec<Seconds> {
    let mut steps: BTreeMap<Seconds, Seconds> = BTreeMap::new();
    for field in fields {
        let step = step(field);
        if *steps.entry(field.product.valid).or_insert(step) != step {
            return Vec::new();
        }
    }
    match steps.values().all(|step| *step == 0) {
        true => Vec::new(),
        false => steps.into_values().collect(),
    }
}

/// All levels of each kind.
fn levels(variables: &[Variable<'_>]) -> BTreeMap<Kind, Vec<Height>> {
    let mut found: BTreeMap<Kind, Vec<Height>> = BTreeMap::new();
    for variable in variables.iter().filter(|variable| variable.has_levels()) {
        let levels = found.entry(variable.kind().clone()).or_default();
        let fields = variable.fields.iter();
        levels.extend(fields.map(|field| Height::of(&field.product.level)));
    }
    for (kind, levels) in &mut found {
        levels.sort_by(Height::order);
        levels.dedup_by(|one, other| one.order(other) == Ordering::Equal);
        if kind.is_descending() {
            levels.reverse();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::variables;
    use super::*;
    use crate::formats::grib::field::Product;
    use crate::formats::grib::packing::Encoding;
    use crate::formats::grib::parameters::Parameter;

    fn field(kind: &str, value: f64, bottom: Option<f64>, start: u64) -> Field {
        Field {
            product: Product {
                parameter: Parameter {
                    name: "t".to_string(),
                    units: None,
                    standard_name: None,
                    long_name: None,
                },
                derived: None,
                level: Level {
                    kind: Kind {
                        name: kind.to_string(),
                        units: "1",
                    },
                    value: Some(value),
                    bottom,
                },
                reference: 0,
                valid: 0,
                statistic: None,
                number: None,
                centre: 98,
            },
            grid: 0,
            data: Data {
                encoding: Encoding::Second,
                ranges: vec![start..start + 1],
            },
        }
    }

    #[test]
    fn fields_find_their_levels() {
        // Levels as they come, and their places.
        let cases: [(&str, &[(f64, Option<f64>, u64)]); 3] = [
            (
                "isobaricInhPa",
                &[
                    (500.0, None, 2),
                    (1000.0, None, 0),
                    (850.0, None, 1),
                    (0.5, None, 3),
                ],
            ),
            (
                "heightAboveGround",
                &[(10.0, None, 1), (2.0, None, 0), (100.0, None, 2)],
            ),
            // Layers with the same first surface, one without a second one.
            (
                "depthBelowLandLayer",
                &[
                    (0.0, Some(1.0), 2),
                    (0.0, None, 0),
                    (0.0, Some(0.0), 1),
                    (1.0, Some(0.5), 3),
                ],
            ),
        ];
        for (kind, levels) in cases {
            let numbered = levels.iter().zip(0..);
            let fields: Vec<Field> = numbered
                .map(|((value, bottom, _), start)| field(kind, *value, *bottom, start))
                .collect();
            let mut of_grids = variables::of_grids(&fields);
            let (_, variables) = of_grids.remove(0);
            let axes = Axes::of(&variables);
            let chunks = axes.chunks(&variables[0]);
            assert_eq!(chunks.len(), levels.len(), "{kind}");
            for ((.., place), start) in levels.iter().zip(0..) {
                let data = chunks.get([0, *place].as_slice());
                let found = data.and_then(|data| data.ranges.first().map(|range| range.start));
                assert_eq!(found, Some(start), "{kind} {place}");
            }
        }
    }
}
