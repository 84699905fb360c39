//! The axes that the variables of a group share, apart from those of the grid: [`Axes`].

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
        let mut references: HashMap<Vec<u64>, Seconds> = HashMap::new();
        variable.fields.iter().any(|field| {
            let mut place = self.level_and_number(variable, field);
            place.push(field.product.valid as u64);
            let reference = field.product.reference;
            *references.entry(place).or_insert(reference) != reference
        })
    }

    fn level_and_number(&self, variable: &Variable<'_>, field: &Field) -> Vec<u64> {
        let mut place = Vec::new();
        if self.has_numbers(variable) {
            let number = field.product.number.unwrap_or_default();
            place.push(position(&self.numbers, &number));
        }
        if let Some(levels) = self.levels_of(variable) {
            let height = Height::of(&field.product.level);
            let found = levels.iter().position(|other| *other == height);
            place.push(found.unwrap_or_default() as u64);
        }
        place
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
        for field in &variable.fields {
            let mut index = self.level_and_number(variable, field);
            // Times stand between members and levels.
            let at = usize::from(self.has_numbers(variable));
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
        for field in &variable.fields {
            let height = Height::of(&field.product.level);
            if !levels.contains(&height) {
                levels.push(height);
            }
        }
    }
    for (kind, levels) in &mut found {
        let key = |height: &Height| (height.top, height.bottom.unwrap_or_default());
        levels.sort_by(|one, other| {
            let ((top, bottom), (other_top, other_bottom)) = (key(one), key(other));
            top.total_cmp(&other_top)
                .then(bottom.total_cmp(&other_bottom))
        });
        if kind.is_descending() {
            levels.reverse();
        }
    }
    found
}
