//! `GridAggregateExec`: GROUP BY over a cube without rows.
//!
//! ```text
//!  cells     what is reduced: a scan, or its join with regions
//!  plan      what to reduce: keys as codes, inputs, aggregates, tiles        (while planning)
//!  inputs    what its aggregates read, and which kernel computes which
//!  tiles     which units a worker owns, and which groups they can touch
//!  parts     tiles that are cut, where the groups do not fit into memory at once
//!  layout    a unit's rows by group: which kernel walks them how; joint_layout, of codes over several axes
//!  fused     inputs that are computed: evaluated in pieces and reduced at once
//!  pieces    which cells make a piece
//!  known     units that statistics answer without their values
//!  bits      AND, OR and XOR of integers
//!  quantiles medians and percentiles, from values that are kept until a group is complete
//!  stored    those values, and where those of which group are
//!  edges     first and last values
//!  kept      how a worker feeds those two
//!  state     counts, sums, extremes of all groups, one array each
//!  pairs     the same for correlation and regression
//!  general   any other aggregate, through DataFusion's GroupsAccumulator
//!  groups    the states of all groups that a worker holds
//!  output    aggregates ─▶ columns of the result
//!  worker    one partition: walks units, emits groups
//!  exec      the operator that DataFusion sees
//! ```
//!
//! **Tiles.** An axis is a tile axis when no code occurs in two of its chunks; tiles are the products of
//! chunks over those axes. A worker that owns a tile sees every cell of its groups, so it emits final
//! values and forgets them. Where there are few groups, or fewer tiles than workers, workers reduce into
//! arrays over all groups, and the last one to finish adds them up ([`plan::Mode`]).

mod bits;
pub(crate) mod cells;
mod edges;
pub(crate) mod exec;
mod fused;
mod general;
mod groups;
mod inputs;
mod joint_layout;
mod kept;
mod known;
mod layout;
mod output;
mod pairs;
mod parts;
mod pieces;
pub(crate) mod plan;
mod quantiles;
mod state;
mod stored;
mod tiles;
mod worker;

pub(crate) use exec::GridAggregateExec;
