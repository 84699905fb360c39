//! The query of a wanted cube: one `SELECT` per input, joined where there are several.
//!
//! ```text
//!  one       SELECT time, lat, lon, chl FROM … WHERE … GROUP BY 1, 2, 3
//!  several   SELECT time, lat, lon, t1.chl, t2.sst FROM (SELECT …) AS t1 JOIN (SELECT …) AS t2 USING (time, lat, lon)
//! ```

use graticule_engine::cube::AxisRole;

use super::grid::{Grid, X, Y};
use super::inputs::{Input, InputVariable};
use super::remarks::Remarks;
use super::request::CubeConfig;
use super::target::Dimension;
use super::text::{column, identifier};
use super::time::Times;
use crate::nearest::nearest;

/// The query.
#[derive(Debug, Default)]
pub(super) struct Select {
    pub(super) text: String,
    pub(super) dimensions: Vec<Dimension>,
    /// What is done that the request does not say word for word.
    pub(super) notes: Vec<String>,
    /// Must the dimensions be named, because rows of several cubes are put together?
    pub(super) names_dimensions: bool,
}

/// The part of one input.
struct Part<'a> {
    input: &'a Input,
    grid: Grid,
    variables: Vec<&'a InputVariable>,
}

impl Select {
    /// The query that `config` asks of the inputs.
    pub(super) fn of(config: &CubeConfig, inputs: &[Input], remarks: &mut Remarks) -> Self {
        let Some(first) = inputs.first() else {
            return Self::default();
        };
        let times = Times::of(config, remarks);
        let grid = Grid::of(config, first, remarks);
        let mut parts = Vec::new();
        for (input, variables) in inputs.iter().zip(chosen(config, inputs, remarks)) {
            if variables.is_empty() {
                continue;
            }
            let grid = match parts.is_empty() && std::ptr::eq(input, first) {
                true => grid.clone(),
                false => grid.shared_with(first, input),
            };
            parts.push(Part {
                input,
                grid,
                variables,
            });
        }
        let Some(first) = parts.first() else {
            return Self::default();
        };
        let mut select = Self {
            dimensions: first.dimensions(),
            ..Self::default()
        };
        for part in &parts {
            part.check_time(&times, remarks);
            if let Grid::Other { method, .. } = &part.grid {
                select.note(format!("{}: {}", part.input.table, method.note()));
            }
        }
        if times.are_put_together() {
            let is_category =
                |part: &Part<'_>| part.variables.iter().any(|variable| variable.is_category);
            select.note(match parts.iter().any(is_category) {
                true => {
                    "steps of time are put together: values are means, flags the first of a period"
                        .to_string()
                }
                false => "steps of time are put together: values are means of a period".to_string(),
            });
        }
        match parts.as_slice() {
            [only] => select.text = only.text(&times),
            _ => select.join(&parts, &times, remarks),
        }
        select
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn join(&mut self, parts: &[Part<'_>], times: &Times, remarks: &mut Remarks) {
        let names = self.dimensions.iter();
        let names: Vec<String> = names.map(|dimension| identifier(&dimension.name)).collect();
        let mut variables = Vec::new();
        let mut from = String::new();
        for (number, part) in parts.iter().enumerate() {
            let alias = format!("t{}", number + 1);
            let text = part.text(times).replace('\n', "\n  ");
            let own = part.variables.iter();
            variables.extend(own.map(|variable| format!("{alias}.{}", identifier(&variable.name))));
            if number == 0 {
                from = format!("(\n  {text}\n) AS {alias}");
                continue;
            }
            self.check_join(&parts[0], part, remarks);
            let own = part.dimensions();
            let shared = self
                .dimensions
                .iter()
                .filter(|dimension| dimension.is_among(&own));
            let shared: Vec<String> = shared
                .map(|dimension| identifier(&dimension.name))
                .collect();
            let has_same_times = part.input.has_axis_of(parts[0].input, &[AxisRole::Time]);
            let has_time = |part: &Part<'_>| part.input.axis(&[AxisRole::Time]).is_some();
            let lacks_axis = shared.len() < names.len();
            if lacks_axis && !has_same_times && has_time(&parts[0]) && has_time(part) {
                let lacking = self.dimensions.iter();
                let lacking = lacking.filter(|dimension| !dimension.is_among(&own));
                let lacking: Vec<&str> = lacking.map(|dimension| dimension.name.as_str()).collect();
                let (one, other) = (&parts[0].input.table, &part.input.table);
                // Only rows with a place on all axes can be missing in one of the inputs.
                let text = format!(
                    "{other} has other times than {one} and lacks its axis {}, so that the steps of only one of them would be lost; make a cube of {one} at one place on that axis, and read that",
                    lacking.join(", ")
                );
                remarks.refuse("input_configs", text);
            }
            let join = match has_same_times || lacks_axis {
                true => "JOIN",
                false => {
                    self.names_dimensions = true;
                    "FULL JOIN"
                }
            };
            let keys = shared.join(", ");
            from = format!("{from}\n{join} (\n  {text}\n) AS {alias} USING ({keys})");
        }
        if self.names_dimensions && parts.len() > 2 {
            remarks.refuse(
                "input_configs",
                "inputs with different times are put together two at a time; make a cube of two, and put the third to that one",
            );
        }
        let dimensions = names.iter().map(|name| match self.names_dimensions {
            true => format!("coalesce(t1.{name}, t2.{name}) AS {name}"),
            false => name.clone(),
        });
        let columns: Vec<String> = dimensions.chain(variables).collect();
        self.text = format!("SELECT {}\nFROM {from}", columns.join(", "));
        if self.names_dimensions {
            self.note("the inputs have different times: where one of them has none, its values are missing".to_string());
        }
    }

    /// Can `part` be joined to the first one?
    fn check_join(&self, first: &Part<'_>, part: &Part<'_>, remarks: &mut Remarks) {
        let (one, other) = (&first.input.table, &part.input.table);
        let mut own = part.dimensions().into_iter();
        if let Some(foreign) = own.find(|dimension| !dimension.is_among(&self.dimensions)) {
            let text = format!(
                "{other} has the axis {}, which {one} has not; make a cube of one place on it, and read that",
                foreign.name
            );
            remarks.refuse("input_configs", text);
        }
        if part.input.counts_time_unlike(first.input) {
            let text = format!(
                "{one} and {other} count time in calendars of their own, so that no time of one is a time of the other; join them by hand, on parts of dates"
            );
            remarks.refuse("input_configs", text);
        }
    }
}

impl Part<'_> {
    /// The dimensions of its rows, in storage order.
    fn dimensions(&self) -> Vec<Dimension> {
        let is_horizontal = |role| X.contains(&role) || Y.contains(&role);
        let axes = self.input.axes.iter();
        match &self.grid {
            Grid::Same { .. } => axes
                .map(|axis| Dimension {
                    name: axis.name_in_xcube().to_string(),
                    role: axis.role,
                })
                .collect(),
            Grid::Other { axes: [y, x], .. } => {
                let others = axes.filter(|axis| !is_horizontal(axis.role));
                let others = others.map(|axis| Dimension {
                    name: axis.name.clone(),
                    role: axis.role,
                });
                let named = |name: &str, role: AxisRole| {
                    let name = match name {
                        "latitude" => "lat",
                        "longitude" => "lon",
                        name => name,
                    };
                    Dimension {
                        name: name.to_string(),
                        role,
                    }
                };
                others
                    .chain([named(y, AxisRole::Y), named(x, AxisRole::X)])
                    .collect()
            }
        }
    }

    /// The columns that the dimensions are made of.
    fn sources(&self) -> Vec<String> {
        let is_horizontal = |role| X.contains(&role) || Y.contains(&role);
        let axes = self.input.axes.iter();
        match &self.grid {
            Grid::Same { .. } => axes.map(|axis| axis.name.clone()).collect(),
            Grid::Other { axes: ends, .. } => axes
                .filter(|axis| !is_horizontal(axis.role))
                .map(|axis| axis.name.clone())
                .chain(ends.iter().cloned())
                .collect(),
        }
    }

    fn check_time(&self, times: &Times, remarks: &mut Remarks) {
        if !times.are_all() && self.input.axis(&[AxisRole::Time]).is_none() {
            let text = format!(
                "{} has no axis of time; leave time_range and time_period out",
                self.input.table
            );
            remarks.refuse("cube_config", text);
        }
    }

    fn text(&self, times: &Times) -> String {
        let dimensions = self.dimensions();
        let time = self
            .input
            .axis(&[AxisRole::Time])
            .map(|axis| axis.name.as_str());
        let mut columns: Vec<String> = dimensions
            .iter()
            .zip(self.sources())
            .map(|(dimension, source)| {
                let value = match Some(source.as_str()) == time {
                    true => times.bucket(&identifier(&source)),
                    false => identifier(&source),
                };
                column(&value, &dimension.name)
            })
            .collect();
        columns.extend(self.variables.iter().map(|variable| {
            let name = identifier(&variable.name);
            let value = match (times.are_put_together(), variable.is_category, time) {
                (false, _, _) | (_, _, None) => name,
                (true, false, _) => format!("avg({name})"),
                (true, true, Some(time)) => {
                    format!(
                        "first_value({name} ORDER BY {}) IGNORE NULLS",
                        identifier(time)
                    )
                }
            };
            column(&value, &variable.name)
        }));
        let mut text = format!(
            "SELECT {}\nFROM {}",
            columns.join(", "),
            self.grid.relation(self.input)
        );
        let mut conditions = self.grid.conditions(self.input);
        if let Some(time) = time {
            conditions.extend(times.conditions(&identifier(time)));
        }
        if !conditions.is_empty() {
            text.push_str(&format!("\nWHERE {}", conditions.join(" AND ")));
        }
        if times.are_put_together() {
            let numbers: Vec<String> = (1..=dimensions.len())
                .map(|number| number.to_string())
                .collect();
            text.push_str(&format!("\nGROUP BY {}", numbers.join(", ")));
        }
        text
    }
}

/// The variables of each input that are wanted.
fn chosen<'a>(
    config: &CubeConfig,
    inputs: &'a [Input],
    remarks: &mut Remarks,
) -> Vec<Vec<&'a InputVariable>> {
    let names = config
        .variable_names
        .as_ref()
        .filter(|names| !names.is_empty());
    let all = || inputs.iter().flat_map(|input| &input.variables);
    let mut chosen: Vec<Vec<&InputVariable>> = vec![Vec::new(); inputs.len()];
    match names {
        None => {
            for (input, chosen) in inputs.iter().zip(&mut chosen) {
                chosen.extend(input.variables.iter().filter(|variable| variable.is_on_map));
            }
            let others = all().filter(|variable| !variable.is_on_map);
            let others: Vec<&str> = others.map(|variable| variable.name.as_str()).collect();
            if !others.is_empty() {
                let text = format!(
                    "without names, variables with a value per cell of the map are taken, and not {}; name those that you want",
                    others.join(", ")
                );
                remarks.pass_over("cube_config.variable_names", text);
            }
        }
        Some(names) => {
            for name in names {
                let mut is_found = false;
                for (input, chosen) in inputs.iter().zip(&mut chosen) {
                    let variable = input
                        .variables
                        .iter()
                        .find(|variable| variable.name == *name);
                    is_found |= variable.is_some();
                    chosen.extend(variable);
                }
                if !is_found {
                    let hint = match nearest(name, all().map(|variable| variable.name.as_str())) {
                        Some(near) => format!("did you mean {near}?"),
                        None => "see what there is with graticule inspect".to_string(),
                    };
                    let text = format!("there is no variable {name}; {hint}");
                    remarks.refuse("cube_config.variable_names", text);
                }
            }
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for variable in chosen.iter().flatten() {
        if seen.contains(&variable.name.as_str()) {
            let text = format!(
                "{} is a variable of several inputs; leave it out of one, with open_params: {{\"drop_variables\": [\"{}\"]}}",
                variable.name, variable.name
            );
            remarks.refuse("cube_config.variable_names", text);
        }
        seen.push(&variable.name);
    }
    for (number, chosen) in chosen.iter().enumerate() {
        if chosen.is_empty() && inputs.len() > 1 {
            let text = "none of its variables is wanted, so it is not read";
            remarks.pass_over(format!("input_configs[{number}]"), text);
        }
    }
    chosen
}
