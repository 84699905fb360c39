//! `rasterize((SELECT geometry, class FROM …), resolution => …)`: geometries as cells of a grid.
//!
//! ```text
//!  class  geometry                    y ┌─┬─┬─┬─┬─┐
//!      7  POLYGON(…)       ─▶           │ │7│7│ │ │      features: read once, in the order of the query
//!      9  LINESTRING(…)                 │9│9│7│ │ │      burnt: which cells each marks              (functions)
//!                                       └─┴─┴─┴─┴─┘      array: chunks, made when they are asked for
//! ```
//! A cell has the attributes of the last geometry that marks it, unless `overlap` says otherwise; where there is none, NULL.

mod array;
mod features;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;

use self::array::Burnt;
use self::features::{Features, Marks, Reading};
use super::call::Call;
use super::functions::GridFunction;
use super::identity::hash_values;
use super::reproject::{LIKE, Target};
use crate::cache::BlockCache;
use crate::cube::Cube;
use crate::error::{CubeError, CubeResult};
use crate::scan::CubeTable;
use crate::source::Attributes;
use crate::sql::suggestions::with_nearest;

/// Bytes of chunks that are kept.
const KEPT_BYTES: u64 = 64 << 20;

/// What becomes of a cell that several geometries mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlap {
    /// It has the attributes of the last one.
    Last,
    /// It has those of the first.
    First,
    /// The smallest value of each attribute.
    Smallest,
    /// The largest.
    Largest,
    /// Their sum.
    Sum,
}

const OVERLAPS: [(&str, Overlap); 5] = [
    ("last", Overlap::Last),
    ("first", Overlap::First),
    ("min", Overlap::Smallest),
    ("max", Overlap::Largest),
    ("sum", Overlap::Sum),
];

/// The function.
pub(super) struct Rasterize;

#[async_trait]
impl GridFunction for Rasterize {
    fn name(&self) -> &'static str {
        "rasterize"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "attribute",
                "The column whose values cells have, or a list of columns: numbers, times or truths; all of these where it is left out; inside, true, where there are none",
            ),
            (
                "overlap",
                "What a cell has that several geometries mark: the values of the 'last', the default, or the 'first' row, or the 'min', 'max' or 'sum' of each column",
            ),
            (
                "crs",
                "The system of the grid; that of the geometries where it is left out",
            ),
            (
                "resolution",
                "Size of the cells in units of that system: a number, or [x, y]",
            ),
            (
                "size",
                "Instead of a resolution, how many cells there are: [x, y]",
            ),
            (
                "bbox",
                "What the grid covers, in its own system: [west, south, east, north]; all geometries where it is left out",
            ),
            (
                LIKE,
                "Instead of all these, a table or query whose grid is taken",
            ),
            (
                "source_crs",
                "The system of the geometries, where they do not say it",
            ),
        ]
    }

    fn relations(&self) -> &'static [&'static str] {
        &[LIKE]
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let overlap = overlap(call)?;
        let reading = Reading::of(call, overlap).await?;
        let like = call.relation(LIKE).await?;
        let like = like.map(|like| Target::like(call, &like)).transpose()?;
        let system = match &like {
            Some(like) => like.system.clone(),
            None => match call.text_argument("crs")? {
                Some(asked) => asked,
                None => reading.system.clone(),
            },
        };
        let features = Features::read(call, reading, &system).await?;
        let target = match like {
            Some(like) => like,
            None => {
                if !call.has("resolution") && !call.has("size") {
                    let cause = "rasterize needs to know how large cells are";
                    return Err(CubeError::invalid("", cause)
                        .remedy("write resolution => …, size => [x, y], or like => a table")
                        .into());
                }
                Target::asked(call, system, || features.extent(), |_| 1.0)?
            }
        };
        Ok(Arc::new(cube(call, features, target)?))
    }
}

fn overlap(call: &Call) -> CubeResult<Overlap> {
    let Some(asked) = call.text_argument("overlap")? else {
        return Ok(Overlap::Last);
    };
    let mut known = OVERLAPS.iter();
    let found = known.find(|(name, _)| *name == asked);
    found.map(|(_, overlap)| *overlap).ok_or_else(|| {
        let error = CubeError::invalid("", format!("overlap of rasterize cannot be {asked}"));
        with_nearest(error, &asked, OVERLAPS.map(|(name, _)| name), "there are")
    })
}

/// The cube of `features` on the grid `target`.
fn cube(call: &Call, features: Features, target: Target) -> Result<CubeTable> {
    let features = Arc::new(features.on(&target)?);
    let variables = (0..features.attributes.len())
        .map(|at| Burnt::variable(&features, at, &target))
        .collect::<CubeResult<Vec<_>>>()?;
    let version = format!("rasterized {:016x}", identity(call, &features, &target));
    let axes = vec![target.y.clone(), target.x.clone()];
    let fields = axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
    let cube = Cube {
        name: call.text.clone(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        axes,
        variables,
        attributes: Attributes::new(),
        crs: Some(target.crs),
        zipped: Vec::new(),
        overviews: None,
        url: String::new(),
        format: "rasterized".to_string(),
        version,
    };
    let blocks = Arc::new(BlockCache::of_execution(KEPT_BYTES, None));
    Ok(CubeTable::new(Arc::new(cube), blocks))
}

/// A number that differs where the geometries, their attributes or the grid do: the text of the call names only where they
/// come from.
fn identity(call: &Call, marks: &Marks, target: &Target) -> u64 {
    let mut hasher = DefaultHasher::new();
    call.text.hash(&mut hasher);
    target.hash_places(&mut hasher);
    for (_, values) in &marks.attributes {
        hash_values(values, &mut hasher);
    }
    marks.runs.hash(&mut hasher);
    hasher.finish()
}
