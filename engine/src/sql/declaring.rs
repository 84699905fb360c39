//! Views, external tables and functions: who may make and remove them, and what of them may be kept.

use datafusion::common::Result;

use super::addresses::{Signed, without_query};
use super::names::{PUBLIC_SCHEMA, quoted};
use super::secrets::is_secret;
use crate::access::{Action, Reading};
use crate::catalog::definition::{Definition, FUNCTION, Made};
use crate::error::CubeError;
use crate::overviews::OPTION as OVERVIEWS_OPTION;
use crate::session::Session;

/// May the user make a view, an external table or a function?
pub(super) fn may_declare(session: &Session, definition: &Definition) -> Result<()> {
    let action = match definition.replaces() {
        true => Action::Change,
        false => Action::Insert,
    };
    let catalog = &session.catalog;
    catalog.check(action, PUBLIC_SCHEMA, &definition.name)?;
    match &definition.made {
        Made::ExternalTable(table) => {
            catalog.check_reading_files()?;
            // Whoever may add to the table writes and removes files there.
            let mut options = table.options.iter();
            if options.any(|(name, _)| name.eq_ignore_ascii_case(OVERVIEWS_OPTION.0)) {
                catalog.check_writing_files()?;
            }
            Ok(())
        }
        Made::View(_) | Made::Function(_) => Ok(()),
    }
}

/// Removes a view, an external table or a function. What the user does not know is not there.
pub(super) fn remove(session: &Session, name: &str, noun: &str, if_exists: bool) -> Result<()> {
    let catalog = &session.catalog;
    let is_known = noun == FUNCTION || catalog.reading(PUBLIC_SCHEMA, name) != Reading::Nothing;
    if is_known {
        catalog.check(Action::Change, PUBLIC_SCHEMA, name)?;
    }
    catalog.public().remove(name, noun, if_exists, is_known)
}

/// Options that carry secrets would be written into the catalogue; and a view lives for good.
pub(super) fn check_definition(definition: &Definition, signed: &Signed) -> Result<()> {
    let place = format!("{} {}", definition.noun(), quoted(&definition.name));
    let has_query = match &definition.made {
        Made::View(_) => !signed.is_empty(),
        Made::ExternalTable(table) => {
            let mut urls = table.locations.iter();
            urls.any(|url| without_query(url) != url)
        }
        Made::Function(_) => false,
    };
    if has_query {
        let cause = "the query string of the address would be written into the catalogue";
        return Err(CubeError::invalid(place, cause)
            .remedy("declare a store in the configuration file, with its secret in the environment")
            .into());
    }
    match &definition.made {
        Made::View(view) if view.temporary => Err(CubeError::unsupported(
            "",
            "a temporary view is not supported",
        )
        .remedy("CREATE VIEW, and DROP VIEW when it is no longer needed")
        .into()),
        Made::Function(function) if function.temporary => Err(CubeError::unsupported(
            place,
            "a temporary function is not supported",
        )
        .remedy("CREATE FUNCTION, and DROP FUNCTION when it is no longer needed")
        .into()),
        Made::View(_) | Made::Function(_) => Ok(()),
        Made::ExternalTable(table) => {
            let secret = table
                .options
                .iter()
                .map(|(name, _)| name)
                .find(|name| is_secret(name));
            match secret {
                Some(name) => Err(CubeError::invalid(
                    place,
                    format!("option {name} would be written into the catalogue"),
                )
                .remedy("put it into a store: ATTACH, or the configuration file")
                .into()),
                None => Ok(()),
            }
        }
    }
}
