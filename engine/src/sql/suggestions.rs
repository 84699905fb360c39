//! "Did you mean …": turns an unknown table, schema or column into an error that shows the way.

use datafusion::common::TableReference;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Column, DataFusionError, SchemaError};

use super::names::{PUBLIC_SCHEMA, display, qualified, quoted};
use super::versions::parts;
use crate::catalog::visible::VisibleCatalog;
use crate::error::{CubeError, CubeResult};

/// How many names an error offers.
const MAXIMUM_SUGGESTIONS: usize = 3;

/// The names nearest to `wanted`, best first: equal but for case, then few typing errors, then one
/// that contains the other.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let tolerance = wanted.chars().count() / 3 + 1;
    let mut ranked: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let distance = levenshtein(&wanted, &lower);
            if distance <= tolerance {
                Some((distance, name))
            } else if wanted.len() > 2 && (lower.contains(&wanted) || wanted.contains(&lower)) {
                Some((tolerance + distance, name))
            } else {
                None
            }
        })
        .collect();
    ranked.sort();
    ranked.dedup();
    ranked
        .into_iter()
        .take(MAXIMUM_SUGGESTIONS)
        .map(|(_, name)| name)
        .collect()
}

/// The error with the nearest of the `known` names as its remedy; where none is near, all of them after
/// `otherwise`, such as `there are`.
pub(crate) fn with_nearest<'a>(
    error: CubeError,
    wanted: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: &str,
) -> CubeError {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(wanted, known.iter().copied()).first() {
        Some(near) => error.remedy(format!("did you mean {near}?")),
        None => error.remedy(format!("{otherwise} {}", known.join(", "))),
    }
}

/// The error for a column that does not exist. Leaves every other error as it is.
pub(crate) fn explain_column(error: DataFusionError) -> DataFusionError {
    let DataFusionError::SchemaError(schema_error, _) = error.find_root() else {
        return error;
    };
    let SchemaError::FieldNotFound {
        field,
        valid_fields,
    } = schema_error.as_ref()
    else {
        return error;
    };
    unknown_column(field, valid_fields).into()
}

fn unknown_column(field: &Column, valid: &[Column]) -> CubeError {
    let shown = match &field.relation {
        Some(relation) => format!("{}.{}", display(relation), quoted(&field.name)),
        None => quoted(&field.name),
    };
    let error = CubeError::invalid("", format!("there is no column {shown}"));
    let names: Vec<&str> = valid.iter().map(Column::name).collect();
    // `alias.column` where only the alias is wrong.
    if let Some(relation) = &field.relation
        && names.contains(&field.name.as_str())
        && let Some(other) = valid
            .iter()
            .find(|column| column.name == field.name)
            .and_then(|column| column.relation.as_ref())
        && other != relation
    {
        let column = quoted(&field.name);
        return error.remedy(format!("did you mean {}.{column}?", display(other)));
    }
    let near = nearest(&field.name, names.iter().copied());
    match (near.as_slice(), names.as_slice()) {
        ([], []) => error,
        ([], _) => error.remedy(format!("columns are {}", list(&names))),
        _ => error.remedy(did_you_mean(
            &field.name,
            &near,
            near.iter().map(|name| quoted(name)).collect(),
        )),
    }
}

/// Is there a schema of this name?
///
/// # Errors
/// There is none; the error names the nearest.
pub(crate) fn check_schema(catalog: &VisibleCatalog, name: &str) -> CubeResult<()> {
    let schemas = catalog.schema_names_with_system();
    if schemas.iter().any(|schema| schema == name) {
        return Ok(());
    }
    let error = CubeError::not_found("", format!("there is no schema {}", quoted(name)));
    let near = nearest(name, schemas.iter().map(String::as_str));
    Err(match near.is_empty() {
        false => {
            let shown = near.iter().map(|name| quoted(name)).collect();
            error.remedy(did_you_mean(name, &near, shown))
        }
        true => error.remedy(format!(
            "a schema is a store: ATTACH 'url' AS {}",
            quoted(name)
        )),
    })
}

/// The error for a table that does not exist.
pub(crate) async fn unknown_table(
    catalog: &VisibleCatalog,
    reference: &TableReference,
    default_schema: &str,
) -> CubeError {
    let schema_name = reference.schema().unwrap_or(default_schema);
    if let Err(error) = check_schema(catalog, schema_name) {
        return error;
    }
    let names = catalog.names_in(schema_name).await.unwrap_or(Ok(vec![]));
    let names = match names {
        Ok(names) => names,
        Err(error) => return error,
    };
    let table = parts(reference.table()).map_or(reference.table(), |(table, _)| table);
    let error = CubeError::not_found("", format!("there is no table {}", display(reference)));
    let near = nearest(table, names.iter().map(String::as_str));
    if !near.is_empty() {
        let shown = near
            .iter()
            .map(|name| qualified(schema_name, name))
            .collect();
        return error.remedy(did_you_mean(table, &near, shown));
    }
    if let Some(elsewhere) = catalog.listed_schema_with(table) {
        return error.remedy(format!("did you mean {}?", qualified(&elsewhere, table)));
    }
    error.remedy(match schema_name {
        PUBLIC_SCHEMA => "SHOW TABLES lists what there is".to_string(),
        _ => format!(
            "SHOW TABLES FROM {} lists what there is",
            quoted(schema_name)
        ),
    })
}

fn did_you_mean(wanted: &str, near: &[&str], shown: Vec<String>) -> String {
    let differs_by_case_only = near
        .first()
        .is_some_and(|name| *name != wanted && name.to_lowercase() == wanted.to_lowercase());
    match (differs_by_case_only, shown.first()) {
        (true, Some(first)) if first.contains('"') => {
            format!("names with capitals need double quotes: write {first}")
        }
        _ => format!("did you mean {}?", shown.join(" or ")),
    }
}

fn list(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| quoted(name)).collect();
    if names.len() > SHOWN {
        text.push("…".to_string());
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_come_first() {
        let names = ["conc_chl", "conc_tsm", "kd489", "A1B_north_america", "time"];
        for (wanted, expected) in [
            ("conc_chk", Some("conc_chl")),
            ("chl", Some("conc_chl")),
            ("a1b_north_america", Some("A1B_north_america")),
            ("tiem", Some("time")),
            ("precipitation", None),
        ] {
            assert_eq!(
                nearest(wanted, names).first().copied(),
                expected,
                "{wanted}"
            );
        }
    }

    #[test]
    fn a_column_that_differs_by_case_gets_the_quoting_remedy() {
        let valid = vec![
            Column::new_unqualified("SST"),
            Column::new_unqualified("time"),
        ];
        for (wanted, remedy) in [
            (
                "sst",
                "names with capitals need double quotes: write \"SST\"",
            ),
            ("tme", "did you mean time?"),
            ("wind", "columns are \"SST\", time"),
        ] {
            let text = unknown_column(&Column::new_unqualified(wanted), &valid).to_string();
            assert_eq!(text, format!("there is no column {wanted}; {remedy}"));
        }
    }
}
