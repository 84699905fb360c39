//! `ALTER TABLE` of cubes in stores: stores them in another way, or renames columns.
//!
//! ```text
//!  ALTER TABLE store.t SET (chunks = 'time=100,lat=20,lon=20', "chl.dtype" = 'int16', …)
//!  ALTER TABLE store.t SET ("attribute.title" = 'Chlorophyll', "chl.attribute.long_name" = '…')
//!  ALTER TABLE store.t RENAME COLUMN chl TO chlorophyll
//! ```
//! The cube is written anew beside the old state of it, which readers see until the new one is whole. Attributes
//! are changed without that where the format keeps them apart from the values. What the statement does not say
//! stays as it is.

use datafusion::common::Result;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{AlterTable, AlterTableOperation};

use super::changing::{Found, before};
use super::creating::with_options;
use super::parser::fold;
use super::planned::{Planned, Work};
use super::suggestions::with_nearest;
use crate::access::Action;
use crate::error::CubeError;
use crate::session::Session;
use crate::source::Options;
use crate::write::amend::Before;
use crate::write::describe::Description;
use crate::write::new_cube::plan_new;
use crate::write::options::WriteOptions;

/// Plans an `ALTER TABLE`.
///
/// # Errors
/// An operation that cubes do not have, a column that is not there, or what [`plan_new`] refuses.
pub(super) async fn alter(session: &Session, table: &AlterTable, text: &str) -> Result<Planned> {
    let Found {
        before,
        target,
        schema,
    } = before(session, &table.name, Action::Change).await?;
    let mut names: Vec<(String, String)> = before
        .query
        .schema()
        .fields()
        .iter()
        .map(|field| (field.name().clone(), field.name().clone()))
        .collect();
    let mut asked = Options::new();
    for operation in &table.operations {
        match operation {
            AlterTableOperation::SetOptionsParens { options } => {
                asked.extend(with_options(options)?)
            }
            AlterTableOperation::RenameColumn {
                old_column_name,
                new_column_name,
            } => rename(&mut names, &fold(old_column_name), fold(new_column_name))?,
            _ => {
                return Err(CubeError::unsupported(
                    "",
                    "of ALTER TABLE, cubes have SET (…) and RENAME COLUMN",
                )
                .remedy("for anything else make a new cube: CREATE OR REPLACE TABLE … AS SELECT …")
                .into());
            }
        }
    }
    let parsed = WriteOptions::parse(&asked)?;
    let renames = names.iter().any(|(old, new)| old != new);
    if parsed.is_of_attributes() && !renames && target.sink.describer().is_some() {
        let description = Description::plan(&before, target, &parsed, text)?;
        let work = Work::Describe(Box::new(description));
        return Ok(Planned::new(work, Some(schema)));
    }
    let mut options = stored_options(&before, &names, &asked);
    for (name, value) in asked {
        // Lengths that are asked for are among those that stay.
        if !name.ends_with(".chunks") || !options.contains_key(&name) {
            options.insert(name, value);
        }
    }
    let dims = before
        .cube
        .axes
        .iter()
        .map(|axis| renamed(&names, axis.field.name()));
    options.insert("dims".to_string(), dims.collect::<Vec<_>>().join(","));
    let options = WriteOptions::parse(&options)?;
    let query = with_names(&before.query, &names)?;
    let plan = plan_new(session.context.state(), query, target, &options, text).await?;
    Ok(Planned::new(Work::Write(Box::new(plan)), Some(schema)))
}

fn rename(names: &mut [(String, String)], old: &str, new: String) -> Result<()> {
    let known: Vec<String> = names.iter().map(|(_, name)| name.clone()).collect();
    match names.iter_mut().find(|(_, name)| name == old) {
        Some((_, name)) => {
            *name = new;
            Ok(())
        }
        None => {
            let error = CubeError::invalid("", format!("the cube has no column {old}"));
            let known = known.iter().map(String::as_str);
            Err(with_nearest(error, old, known, "it has").into())
        }
    }
}

fn renamed(names: &[(String, String)], name: &str) -> String {
    let found = names.iter().find(|(old, _)| old == name);
    found.map_or_else(|| name.to_string(), |(_, new)| new.clone())
}

fn with_names(query: &LogicalPlan, names: &[(String, String)]) -> Result<LogicalPlan> {
    let schema = query.schema();
    let columns = names.iter().enumerate().map(|(at, (_, name))| {
        let column = datafusion::logical_expr::Expr::from(schema.qualified_field(at));
        column.alias(name)
    });
    LogicalPlanBuilder::from(query.clone())
        .project(columns.collect::<Vec<_>>())?
        .build()
}

/// The lengths along dimensions in `stored`, but those that are `asked` for.
fn merged(stored: &str, asked: Option<&String>) -> String {
    let Some(asked) = asked else {
        return stored.to_string();
    };
    let dim = |part: &str| {
        part.split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .to_string()
    };
    let named: Vec<String> = asked.split(',').map(dim).collect();
    let kept = stored.split(',').filter(|part| !named.contains(&dim(part)));
    kept.chain([asked.as_str()]).collect::<Vec<_>>().join(",")
}

/// The options under which the cube would be stored as it is, where `asked` says nothing else.
fn stored_options(before: &Before, names: &[(String, String)], asked: &Options) -> Options {
    let mut options = Options::new();
    let mut add = |name: String, value: String| {
        options.insert(name, value);
    };
    for array in &before.stored.cube.arrays {
        let mut variables = before.cube.variables.iter();
        // The others are coordinates and their bounds.
        if !variables.any(|variable| *variable.field.name() == array.name) {
            continue;
        }
        let name = renamed(names, &array.name);
        let along = |lengths: &[u64]| {
            let along = array.dimensions.iter().zip(lengths);
            let along = along.map(|(dim, length)| format!("{}={length}", renamed(names, dim)));
            along.collect::<Vec<_>>().join(",")
        };
        let is_cut_anew = ["chunks", "shards", "optimize_for"]
            .iter()
            .any(|name| asked.contains_key(*name));
        if !is_cut_anew {
            let chunks = along(&array.chunks);
            let asked = asked.get(&format!("{name}.chunks"));
            add(format!("{name}.chunks"), merged(&chunks, asked));
            let shards = array
                .shards
                .as_deref()
                .map_or_else(|| "none".to_string(), along);
            add(format!("{name}.shards"), shards);
        }
        if let Some(codec) = array
            .codec
            .as_ref()
            .filter(|_| !asked.contains_key("codec"))
        {
            add(format!("{name}.codec"), codec.clone());
        }
        let number = |attribute: &str| {
            array
                .attributes
                .get(attribute)
                .filter(|value| value.is_number())
        };
        let is_packed = number("scale_factor").is_some() || number("add_offset").is_some();
        if is_packed && !asked.contains_key("dtype") {
            add(
                format!("{name}.dtype"),
                array.data_type.to_string().to_lowercase(),
            );
            for attribute in ["scale_factor", "add_offset"] {
                if let Some(value) = number(attribute) {
                    add(format!("{name}.{attribute}"), value.to_string());
                }
            }
            if array.fill_value.is_number() {
                add(format!("{name}.fill_value"), array.fill_value.to_string());
            }
        }
    }
    options
}
