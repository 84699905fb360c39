//! What stands in `FROM` beyond plain tables: samples of cubes; and what DataFusion would drop there
//! without a word.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::sql::sqlparser::ast::{
    Expr, TableFactor, TableSample, TableSampleKind, TableSampleMethod, TableSampleUnit, Value,
};

use super::names::display;
use super::traps::ignored;
use crate::error::CubeError;
use crate::scan::{CubeTable, Sample, SampleMethod};

/// Plans `TABLESAMPLE`, and refuses what would be ignored.
#[derive(Debug)]
pub(crate) struct CubeRelations;

impl RelationPlanner for CubeRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        refuse_ignored(&relation)?;
        let TableFactor::Table {
            name,
            alias,
            sample: Some(sample),
            ..
        } = relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let (TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample)) =
            sample;
        let sample = read_sample(&sample)?;
        let reference = context.object_name_to_table_reference(name)?;
        let source = context
            .context_provider()
            .get_table_source(reference.clone())?;
        let provider = source_as_provider(&source)?;
        let Some(cube) = provider.downcast_ref::<CubeTable>() else {
            return Err(CubeError::unsupported(
                display(&reference),
                "TABLESAMPLE takes samples of cubes only",
            )
            .remedy("for other tables say WHERE random() < 0.1")
            .into());
        };
        let sampled: Arc<dyn TableProvider> = Arc::new(cube.with_sample(sample));
        let plan =
            LogicalPlanBuilder::scan(reference, provider_as_source(sampled), None)?.build()?;
        let planned = PlannedRelation::new(plan, alias);
        Ok(RelationPlanning::Planned(Box::new(planned)))
    }
}

/// `TABLESAMPLE [BERNOULLI|SYSTEM] (percent [PERCENT]) [REPEATABLE (seed)]`
fn read_sample(sample: &TableSample) -> Result<Sample> {
    let refuse = |cause: &str| {
        CubeError::invalid("", format!("TABLESAMPLE {cause}"))
            .remedy("write TABLESAMPLE BERNOULLI (10) REPEATABLE (1) for one cell in ten")
    };
    let method = match sample.name {
        None | Some(TableSampleMethod::Bernoulli | TableSampleMethod::Row) => {
            SampleMethod::Bernoulli
        }
        Some(TableSampleMethod::System | TableSampleMethod::Block) => SampleMethod::System,
    };
    if sample.bucket.is_some() || sample.offset.is_some() {
        return Err(refuse("knows no BUCKET and no OFFSET").into());
    }
    let quantity = sample
        .quantity
        .as_ref()
        .ok_or_else(|| refuse("needs a percentage"))?;
    if quantity.unit == Some(TableSampleUnit::Rows) {
        return Err(refuse("takes a percentage, not a number of rows").into());
    }
    let percent = number(&quantity.value)
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| refuse("takes a number from 0 to 100"))?;
    let seed = match &sample.seed {
        None => RandomState::new().build_hasher().finish(),
        Some(seed) => match &seed.value.value {
            Value::Number(digits, _) => digits
                .parse()
                .map_err(|_| refuse("takes a whole number as its seed"))?,
            _ => return Err(refuse("takes a whole number as its seed").into()),
        },
    };
    Ok(Sample {
        method,
        fraction: percent / 100.0,
        seed,
    })
}

fn number(value: &Expr) -> Option<f64> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn refuse_ignored(relation: &TableFactor) -> Result<()> {
    let found = match relation {
        TableFactor::Table {
            version: Some(_), ..
        } => Some((
            "AS OF without FOR",
            "say FOR VERSION AS OF 'name' or FOR TIMESTAMP AS OF 'time'",
        )),
        TableFactor::Table { with_hints, .. } if !with_hints.is_empty() => {
            Some(("WITH (hints)", "leave it out"))
        }
        TableFactor::Table { index_hints, .. } if !index_hints.is_empty() => {
            Some(("an index hint", "leave it out: chunks are pruned without"))
        }
        TableFactor::Table { partitions, .. } if !partitions.is_empty() => {
            Some(("PARTITION", "say WHERE"))
        }
        TableFactor::Table {
            json_path: Some(_), ..
        } => Some(("a path after a table", "say it in the list of columns")),
        TableFactor::Table {
            with_ordinality: true,
            ..
        } => Some(("WITH ORDINALITY", "say row_number() OVER ()")),
        TableFactor::Derived {
            sample: Some(_), ..
        } => Some((
            "TABLESAMPLE of a query",
            "sample the cube inside of the query",
        )),
        _ => None,
    };
    match found {
        Some((clause, remedy)) => Err(ignored(clause).remedy(remedy).into()),
        None => Ok(()),
    }
}
