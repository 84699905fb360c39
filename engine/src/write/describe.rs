//! A change of what a cube says of itself, while its values stay where they are: [`Description`].
//!
//! ```text
//!  ALTER TABLE t SET ("attribute.title" = …, "v.attribute.units" = …)
//!      claim ─▶ attributes of the group and of its arrays, in one commit     no object is read or written
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::amend::Before;
use super::build::{Built, check_unchanged};
use super::claim::Claim;
use super::metadata::described_anew;
use super::new_cube::now;
use super::options::{WriteOptions, check_attributes};
use super::plan::Target;
use crate::error::{CubeError, CubeResult};
use crate::runtime::run_on;
use crate::sink::TargetCube;
use crate::source::Options;
use crate::sql::suggestions::with_nearest;

/// Other attributes for a cube.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    target: Target,
    cube: TargetCube,
    options: Options,
    statement: String,
    /// What changes, for people: `title`, `sst.long_name`.
    changes: BTreeSet<String>,
}

impl Description {
    /// Decides what the cube will say.
    ///
    /// # Errors
    /// The cube has no array of a name in `asked`, or the attribute says how its numbers are read.
    pub(crate) fn plan(
        before: &Before,
        target: Target,
        asked: &WriteOptions,
        statement: &str,
    ) -> CubeResult<Self> {
        let mut cube = before.stored.cube.clone();
        cube.attributes = described_anew(&cube.attributes, statement, now());
        cube.attributes.extend(asked.attributes.clone());
        let mut changes: BTreeSet<String> = asked.attributes.keys().cloned().collect();
        for (name, attributes) in &asked.variable_attributes {
            let array = cube.arrays.iter_mut().find(|array| array.name == *name);
            let Some(array) = array else {
                let error = CubeError::invalid("", format!("there is no variable {name}"));
                let columns = before.cube.schema.fields().iter();
                let columns = columns.map(|field| field.name().as_str());
                return Err(with_nearest(error, name, columns, "there are"));
            };
            check_attributes(name, attributes, &array.attributes)?;
            for (attribute, value) in attributes {
                array.attributes.insert(attribute.clone(), value.clone());
                changes.insert(format!("{name}.{attribute}"));
            }
        }
        target
            .sink
            .check(&cube, &before.stored.options)
            .map_err(|error| error.within(&target.name))?;
        Ok(Self {
            target,
            cube,
            options: before.stored.options.clone(),
            statement: statement.to_string(),
            changes,
        })
    }

    /// The cube.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The SQL text.
    pub(crate) fn statement(&self) -> &str {
        &self.statement
    }

    /// Rows of a kind of plan and its text.
    pub(crate) fn explain(&self) -> Vec<(String, String)> {
        let changes = self.changes.iter().map(String::as_str);
        let text = format!(
            "DescribeCube: {}, {}\n  attributes: {}\n  reads and writes no values",
            self.target.name,
            self.target.sink.name().to_lowercase(),
            changes.collect::<Vec<_>>().join(", "),
        );
        vec![("cube".to_string(), text)]
    }

    /// Makes it what readers see.
    ///
    /// # Errors
    /// Someone else writes the cube or has written it since, or the store failed or denied access.
    pub(crate) async fn apply(self, io: &Handle) -> CubeResult<Built> {
        let target = &self.target;
        let Some(over) = target.over.clone() else {
            return Err(CubeError::not_found(
                &target.location.url,
                "the cube is gone",
            ));
        };
        let claim = Claim::take(&target.sink.notes(&target.location), io).await?;
        check_unchanged(target).await?;
        claim.check().await?;
        let (sink, location) = (Arc::clone(&target.sink), target.location.clone());
        let (cube, options) = (self.cube.clone(), self.options.clone());
        run_on(io, async move {
            let describer = sink.describer().ok_or_else(|| {
                let cause = "attributes alone are not changed in this format";
                CubeError::unsupported(&location.url, cause)
            })?;
            describer.describe(&location, &cube, &options, &over).await
        })
        .await?;
        claim.release().await?;
        // The cube is changed: folders without a meaning are no reason to say that it is not.
        let _ = target.sink.clear(&target.location).await;
        Ok(Built::default())
    }
}
