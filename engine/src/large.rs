//! Queries that read much, kept away from small ones.
//!
//! ```text
//!  start ─▶ is_large? ─ no ──▶ computed where its rows are taken
//!               └─ yes ─▶ made_on: threads of large ones ─▶ channel of 1 ─▶ its rows are taken
//! ```
//! A scan gives its thread away between chunks only. Where small queries have threads that no scan is on, they begin at
//! once, and the system shares the cores among all.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion_datasource::source::DataSourceExec;
use futures::StreamExt;
use tokio::runtime::Handle;

use crate::dense::aggregate::GridAggregateExec;
use crate::dense::window::GridWindowExec;
use crate::scan::CubeScan;

/// Decoded bytes from which a query is large: decoding takes some tenths of a second.
const LARGE: u64 = 256 << 20;

/// Starts a query, a large one on `threads` where there are such.
///
/// # Errors
/// What the operators of the plan say.
pub(crate) fn start(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    threads: Option<&Handle>,
) -> Result<SendableRecordBatchStream> {
    match threads {
        Some(threads) if is_large(&plan)? => {
            // Tasks that the plan begins while this is held begin on these threads.
            let _inside = threads.enter();
            Ok(made_on(threads, execute_stream(plan, context)?))
        }
        _ => execute_stream(plan, context),
    }
}

/// Does a query decode much, as far as its plan tells?
///
/// # Errors
/// The plan cannot be walked.
fn is_large(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut bytes = 0_u64;
    plan.apply(|node| {
        let decoded = scan_of(node.as_ref()).map_or(0, CubeScan::decoded_bytes);
        bytes = bytes.saturating_add(decoded);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(bytes >= LARGE)
}

/// The scan that an operator reads by itself.
fn scan_of(node: &dyn ExecutionPlan) -> Option<&CubeScan> {
    if let Some(source) = node.downcast_ref::<DataSourceExec>() {
        return source.data_source().downcast_ref::<CubeScan>();
    }
    if let Some(aggregate) = node.downcast_ref::<GridAggregateExec>() {
        // Regions, which are found later, narrow it.
        return node.children().is_empty().then(|| aggregate.scan());
    }
    node.downcast_ref::<GridWindowExec>()
        .map(GridWindowExec::scan)
}

/// The same rows, made on `threads` and not where they are taken. Dropping them stops the work.
fn made_on(threads: &Handle, mut rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let mut made = RecordBatchReceiverStream::builder(rows.schema(), 1);
    let taker = made.tx();
    let making = async move {
        while let Some(batch) = rows.next().await {
            // Nobody takes them any more.
            if taker.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    made.spawn_on(making, threads);
    made.build()
}
