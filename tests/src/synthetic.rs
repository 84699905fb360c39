//! Sessions over cubes in memory: with Graticule's functions and rules, without a store.
//!
//! ```text
//!  Group (arrays in memory) ── cube() ──▶ Cube ──▶ CubeTable ─┐
//!                              rows in memory ──▶ MemTable ───┴▶ session() ──▶ rows() as text
//! ```
//! A session of the engine opens cubes through stores only; this one takes any table, so that the
//! same statement can run on a cube and on a plain copy of its rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use graticule_engine::cube::Cube;
use graticule_engine::cube::conventions::interpret;
use graticule_engine::options::CubeOptions;
use graticule_engine::rules::Rules;
use graticule_engine::source::{Group, Options};
use graticule_functions::registry;

/// A session without tables, with everything that sessions of the engine can do on rows.
pub(crate) fn session(options: CubeOptions, partitions: usize, batch: usize) -> SessionContext {
    let config = SessionConfig::new()
        .with_option_extension(options)
        .with_target_partitions(partitions)
        .with_batch_size(batch);
    let rules = Rules::new().unwrap();
    let mut builder = SessionStateBuilder::new()
        .with_config(config)
        .with_analyzer_rules(rules.analyzer)
        .with_physical_optimizer_rules(rules.physical)
        .with_expr_planners(registry::expr_planners())
        .with_default_features();
    builder
        .scalar_functions()
        .get_or_insert_default()
        .extend(registry::scalar_functions());
    builder
        .aggregate_functions()
        .get_or_insert_default()
        .extend(registry::aggregate_functions());
    builder
        .window_functions()
        .get_or_insert_default()
        .extend(registry::window_functions());
    SessionContext::new_with_state(builder.build())
}

/// The main cube of a group.
pub(crate) async fn cube(group: &Group) -> Arc<Cube> {
    let cubes = interpret(group, "cube", &Options::new()).await.unwrap();
    Arc::new(cubes.into_iter().next().expect("the main cube"))
}

/// The rows as text, in order where the query asks for one.
pub(crate) async fn rows(context: &SessionContext, query: &str) -> Result<Vec<String>, String> {
    let batches = context
        .sql(query)
        .await
        .map_err(|e| e.to_string())?
        .collect()
        .await
        .map_err(|e| e.to_string())?;
    let mut rows: Vec<String> = batches.iter().flat_map(text).collect();
    if !query.contains("ORDER BY") {
        rows.sort_unstable();
    }
    Ok(rows)
}

/// The rows of a batch as text.
pub(crate) fn text(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|column| column.value(row).to_string())
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}
