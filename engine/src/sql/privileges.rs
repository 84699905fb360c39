//! What of a plan needs a privilege of its own, wherever in it: under `EXPLAIN ANALYZE`, in what `PREPARE` keeps.
//!
//! Tables need no check here: those that a user may not read are not in the plan, see [`crate::catalog::visible`].

use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{DdlStatement, LogicalPlan, Statement as PlanStatement};

use super::names::quoted;
use crate::bytes::parse_bytes;
use crate::catalog::visible::VisibleCatalog;
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::options::CubeOptions;

/// Settings that everybody may change, or their beginnings: they change how results look, and no limit.
const HARMLESS: [&str; 5] = [
    "cube.",
    "datafusion.catalog.default_schema",
    "datafusion.execution.time_zone",
    "datafusion.explain.",
    "datafusion.format.",
];

/// Blocks that a partition may fetch ahead.
const MOST_PREFETCHED: u64 = 64;

/// May the user run the plan?
///
/// # Errors
/// Something in it needs a privilege that is not granted.
pub(super) fn check_privileges(plan: &LogicalPlan, catalog: &VisibleCatalog) -> Result<()> {
    if catalog.user().privileges.is_admin() {
        return Ok(());
    }
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Copy(copy) => catalog.check_writing_to(&copy.output_url)?,
            // Views are made elsewhere: here their queries are planned for who reads them.
            LogicalPlan::Ddl(DdlStatement::CreateView(_)) => {}
            LogicalPlan::Dml(_) | LogicalPlan::Ddl(_) => {
                catalog.administered("to write tables that are no cubes")?;
            }
            LogicalPlan::Statement(PlanStatement::SetVariable(set)) => {
                check_setting(&set.variable, Some(&set.value))?;
            }
            LogicalPlan::Statement(PlanStatement::ResetVariable(reset)) => {
                check_setting(&reset.variable, None)?;
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// May anybody change the setting? Limits may be lowered, and set to what they were.
fn check_setting(name: &str, value: Option<&str>) -> CubeResult<()> {
    let name = name.to_lowercase();
    let most = match name.as_str() {
        "cube.max_scan_bytes" => Some(CubeOptions::default().max_scan_bytes),
        "cube.prefetch" => Some(MOST_PREFETCHED),
        _ => None,
    };
    let is_low = |most: u64| {
        let asked = value.map(|value| parse_bytes(value).unwrap_or(u64::MAX));
        asked.is_none_or(|asked| 0 < asked && asked <= most)
    };
    let is_harmless = HARMLESS.iter().any(|harmless| name.starts_with(harmless));
    match is_harmless && most.is_none_or(is_low) {
        true => Ok(()),
        false => {
            let cause = match most {
                Some(_) => format!("you are not allowed to raise the limit {name}"),
                None => format!(
                    "you are not allowed to change the setting {}",
                    quoted(&name)
                ),
            };
            Err(CubeError::new(ErrorKind::Denied, "", cause).remedy("it takes the privilege ADMIN"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lowered_and_not_raised() {
        for (name, value, is_allowed) in [
            ("datafusion.execution.time_zone", Some("UTC"), true),
            ("cube.pruning", Some("false"), true),
            ("cube.max_scan_bytes", Some("1MB"), true),
            ("cube.max_scan_bytes", Some("0"), false),
            ("CUBE.MAX_SCAN_BYTES", Some("1000000GB"), false),
            ("cube.max_scan_bytes", None, true),
            ("cube.prefetch", Some("1000000"), false),
            ("datafusion.runtime.memory_limit", Some("100G"), false),
            ("datafusion.runtime.memory_limit", None, false),
            ("datafusion.execution.batch_size", Some("1000000000"), false),
            (
                "datafusion.sql_parser.recursion_limit",
                Some("1000000"),
                false,
            ),
        ] {
            assert_eq!(
                check_setting(name, value).is_ok(),
                is_allowed,
                "{name} {value:?}"
            );
        }
    }
}
