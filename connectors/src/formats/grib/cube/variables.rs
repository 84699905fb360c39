//! Which fields are one variable: [`Variable`], by name, kind of level and, where need be, statistic.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use graticule_engine::source::Attributes;
use serde_json::Value;

use crate::formats::grib::field::{Field, Statistic};
use crate::formats::grib::level::Kind;
use crate::formats::grib::time::{Seconds, span_text};

/// Fields of one thing. There is at least one.
#[derive(Debug, Clone)]
pub(super) struct Variable<'a> {
    pub(super) name: String,
    first: &'a Field,
    pub(super) fields: Vec<&'a Field>,
}

/// What tells the fields of a variable apart.
type Place = (Seconds, Seconds, Option<u64>, Option<u64>, Option<u64>);

/// The variables of each grid, in the order in which their first fields come.
pub(super) fn of_grids(fields: &[Field]) -> Vec<(usize, Vec<Variable<'_>>)> {
    let mut grids: BTreeMap<usize, Vec<(String, &Kind)>> = BTreeMap::new();
    let mut found: BTreeMap<(usize, String, &Kind), Vec<&Field>> = BTreeMap::new();
    for field in fields {
        let (name, kind) = (plain_name(field), &field.product.level.kind);
        let of_one = found.entry((field.grid, name.clone(), kind)).or_default();
        if of_one.is_empty() {
            grids.entry(field.grid).or_default().push((name, kind));
        }
        of_one.push(field);
    }
    let variables = |grid: usize, keys: Vec<(String, &'_ Kind)>| {
        let mut variables = Vec::new();
        for (name, kind) in keys {
            let fields = found.get(&(grid, name.clone(), kind)).cloned();
            variables.extend(by_statistic(name, fields.unwrap_or_default()));
        }
        variables
    };
    grids
        .into_iter()
        .map(|(grid, keys)| (grid, variables(grid, keys)))
        .collect()
}

fn plain_name(field: &Field) -> String {
    let name = &field.product.parameter.name;
    match &field.product.derived {
        Some(derived) => format!("{name}_{derived}"),
        None => name.clone(),
    }
}

/// Fields of one name: apart by statistic where there are several, and by the length of the period where two fields
/// would have the same place.
fn by_statistic(name: String, fields: Vec<&Field>) -> Vec<Variable<'_>> {
    let code = |field: &Field| field.product.statistic.map(|statistic| statistic.code);
    let codes: BTreeSet<Option<u8>> = fields.iter().map(|field| code(field)).collect();
    let mut variables = Vec::new();
    for statistic in &codes {
        let own = fields.iter().copied();
        let own: Vec<&Field> = own.filter(|field| code(field) == *statistic).collect();
        let name = match own.first().and_then(|field| field.product.statistic) {
            Some(statistic) if codes.len() > 1 => format!("{name}_{}", statistic.names().0),
            _ => name.clone(),
        };
        variables.extend(by_period(name, own));
    }
    variables
}

fn by_period(name: String, fields: Vec<&Field>) -> Vec<Variable<'_>> {
    let mut seen = HashSet::new();
    let is_repeated = fields.iter().any(|field| !seen.insert(place(field)));
    let period = |field: &Field| field.product.statistic.map(|statistic| statistic.seconds);
    let periods: BTreeSet<Option<Seconds>> = fields.iter().map(|field| period(field)).collect();
    if !is_repeated || periods.len() < 2 {
        return Variable::of(name, fields).into_iter().collect();
    }
    let of_period = |length: &Option<Seconds>| {
        let own = fields.iter().copied();
        let own = own.filter(|field| period(field) == *length).collect();
        let length = span_text(length.unwrap_or_default());
        Variable::of(format!("{name}_{length}"), own)
    };
    periods.iter().filter_map(of_period).collect()
}

fn place(field: &Field) -> Place {
    let product = &field.product;
    (
        product.reference,
        product.valid,
        product.number,
        product.level.value.map(f64::to_bits),
        product.level.bottom.map(f64::to_bits),
    )
}

impl<'a> Variable<'a> {
    /// `None` without fields.
    fn of(name: String, fields: Vec<&'a Field>) -> Option<Self> {
        let first = *fields.first()?;
        Some(Self {
            name,
            first,
            fields,
        })
    }

    pub(super) fn kind(&self) -> &'a Kind {
        &self.first.product.level.kind
    }

    /// Do its fields lie on several levels, or on one of a kind that is an axis in any case?
    pub(super) fn has_levels(&self) -> bool {
        let level = &self.first.product.level;
        let is_other = |field: &&Field| field.product.level != *level;
        level.value.is_some() && (level.kind.is_axis() || self.fields.iter().any(is_other))
    }

    pub(super) fn attributes(&self) -> Attributes {
        let product = &self.first.product;
        let mut attributes = Attributes::new();
        let mut set = |name: &str, value: Option<Value>| {
            attributes.extend(value.map(|value| (name.to_string(), value)));
        };
        let parameter = &product.parameter;
        set("units", parameter.units.map(Value::from));
        set("standard_name", parameter.standard_name.map(Value::from));
        let long_name = parameter.long_name.as_deref();
        set("long_name", long_name.map(Value::from));
        set(
            "GRIB_typeOfLevel",
            Some(Value::from(product.level.kind.name.as_str())),
        );
        if !self.has_levels() {
            set("GRIB_level", product.level.value.map(Value::from));
            set("GRIB_bottomLevel", product.level.bottom.map(Value::from));
        }
        let step_type = product
            .statistic
            .map_or("instant", |statistic| statistic.names().0);
        set("GRIB_stepType", Some(Value::from(step_type)));
        set("cell_methods", product.statistic.and_then(cell_methods));
        attributes
    }
}

fn cell_methods(statistic: Statistic) -> Option<Value> {
    let (_, method) = statistic.names();
    method.map(|method| Value::from(format!("time: {method}")))
}
