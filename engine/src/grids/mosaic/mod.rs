//! `mosaic(a, b, c, method => 'first')`: overlapping scenes as one cube.
//!
//! ```text
//!  a ┌─────┐                       ┌─────┬──┐
//!    │  ┌──┼──┐ b        ─▶        │  a  │  │      first: a lies on b; last: b on a
//!    └──┼──┘  │                    └──┬──┘ b│      mean, min, max: of all that have a value
//!       └─────┘                       └─────┘
//!  union     the axes of all, and where each scene lies on them
//!  overlay   arrays that put the chunks under one of theirs on each other
//! ```
//! Scenes on one grid are taken as they are, else the call names a grid that each is reprojected to. A chunk of the mosaic
//! asks only those scenes that lie under it.

mod overlay;
mod union;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use graticule_functions::warp::{Method, Missing};

use self::overlay::{Choice, overlaid};
use self::union::Union;
use super::call::Call;
use super::functions::GridFunction;
use super::reproject::{LIKE, Target, given_missing, parse_method};
use super::system::Horizontal;
use super::warp::{Resampling, Way, warped};
use crate::cube::chunks::AxisChunks;
use crate::cube::zip::{Place, View};
use crate::cube::{Cube, Variable};
use crate::error::{CubeError, CubeResult};
use crate::overviews::Levels;
use crate::scan::CubeTable;
use crate::scan::grid::scan_chunks;
use crate::sql::suggestions::with_nearest;

/// The arguments that name a grid.
const OF_TARGET: [&str; 5] = ["crs", "resolution", "size", "bbox", LIKE];

/// The function.
pub(super) struct Mosaic;

#[async_trait]
impl GridFunction for Mosaic {
    fn name(&self) -> &'static str {
        "mosaic"
    }

    fn arguments(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "method",
                "What a cell has that lies in several scenes: the value of the 'first' one that has a value, the default, or the 'last', or the 'mean', 'min' or 'max' of all that have one; flags and texts have no mean but the first",
            ),
            (
                "crs",
                "The system of the mosaic, to which each scene is reprojected; where no grid is named all scenes must lie on one",
            ),
            (
                "resolution",
                "Size of the new cells in units of that system: a number, or [x, y]",
            ),
            (
                "size",
                "Instead of a resolution, how many cells there are: [x, y]",
            ),
            (
                "bbox",
                "What the mosaic covers, in its own system: [west, south, east, north]; all scenes where it is left out",
            ),
            (
                "like",
                "Instead of all these, a table or query whose grid is taken",
            ),
            (
                "resampling",
                "How values on the new grid are made, as by the method of reproject: bilinear where it is left out",
            ),
            (
                "missing",
                "What missing values do to a reprojected cell made of several: 'skip', the default, or 'propagate'",
            ),
        ]
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn relations(&self) -> &'static [&'static str] {
        &[LIKE]
    }

    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>> {
        let choice = Choice::of(call)?;
        let scenes = call.inputs().await?;
        let scenes = match OF_TARGET.iter().any(|name| call.has(name)) {
            true => on_one_grid(call, scenes).await?,
            false => scenes,
        };
        let cubes: Vec<&Cube> = scenes.iter().map(|scene| scene.cube().as_ref()).collect();
        let made = mosaic(&call.text, &cubes, choice)?;
        let Some(first) = scenes.first() else {
            return Err(CubeError::invalid("", "mosaic has no scene").into());
        };
        let blocks = Arc::clone(first.blocks());
        Ok(Arc::new(CubeTable::new(Arc::new(made), blocks)))
    }
}

/// Each scene on the grid that the call names.
async fn on_one_grid(call: &Call, scenes: Vec<CubeTable>) -> Result<Vec<CubeTable>> {
    let method = call.text_argument("resampling")?;
    let resampling = Resampling {
        method: method.map(|name| parse_method(&name)).transpose()?,
        of_flags: Method::Nearest,
        methods: Vec::new(),
        missing: given_missing(call)?.unwrap_or(Missing::Skip),
    };
    let sources = scenes
        .iter()
        .map(|scene| Horizontal::of(scene.cube(), None))
        .collect::<Result<Vec<_>>>()?;
    let target = match call.relation(LIKE).await? {
        Some(like) => Target::like(call, &like)?,
        None => Target::of(call, &sources)?,
    };
    let mut on_grid = Vec::with_capacity(scenes.len());
    for (scene, source) in std::iter::zip(scenes, sources) {
        let levels = Levels::of_any_grid(&scene, &call.state).await;
        let way = Way::between(&target, &source)?;
        let (target, name) = (target.clone(), scene.cube().name.clone());
        let scene = warped(&name, &scene, source, target, way, &resampling, &levels)?;
        on_grid.push(scene);
    }
    Ok(on_grid)
}

/// The scenes as one cube.
fn mosaic(name: &str, scenes: &[&Cube], choice: Choice) -> Result<Cube> {
    let union = Union::of(scenes)?;
    let host_chunks = chunks(scenes, &union);
    let views: Vec<View> = union
        .maps
        .iter()
        .map(|maps| View {
            places: maps
                .iter()
                .map(|(axis, map)| Place::Along {
                    axis: *axis,
                    map: map.clone(),
                })
                .collect(),
            partial: Vec::new(),
            host_chunks: host_chunks.clone(),
        })
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for variable in scenes.iter().flat_map(|scene| &scene.variables) {
        let name = variable.field.name().as_str();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut variables = Vec::with_capacity(names.len());
    for name in names {
        let mut layers: Vec<Variable> = Vec::new();
        let mut working: usize = 0;
        for (scene, view) in std::iter::zip(scenes, &views) {
            let mut own = scene.variables.iter();
            let Some(variable) = own.find(|variable| variable.field.name() == name) else {
                continue;
            };
            // Without an origin all layers are cut alike.
            let layer = view.of(&Variable {
                origin: None,
                ..variable.clone()
            })?;
            check_layer(scene, layers.first(), &layer)?;
            working = working.saturating_add(variable.array.working_bytes());
            layers.push(layer);
        }
        variables.push(overlaid(layers, choice, working)?);
    }
    let fields = union.axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
    let mut hasher = DefaultHasher::new();
    (name, scenes.len()).hash(&mut hasher);
    for scene in scenes {
        (&scene.url, &scene.version).hash(&mut hasher);
    }
    let first = scenes.first();
    Ok(Cube {
        name: name.to_string(),
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        axes: union.axes,
        variables,
        attributes: first
            .map(|first| first.attributes.clone())
            .unwrap_or_default(),
        crs: first.and_then(|first| first.crs.clone()),
        zipped: Vec::new(),
        overviews: None,
        url: first.map(|first| first.url.clone()).unwrap_or_default(),
        format: first.map(|first| first.format.clone()).unwrap_or_default(),
        version: format!("mosaic of {:016x}", hasher.finish()),
    })
}

/// How the mosaic is cut: into chunks as large as the largest of the scenes.
fn chunks(scenes: &[&Cube], union: &Union) -> Vec<AxisChunks> {
    let mut sizes = vec![1; union.axes.len()];
    for (scene, maps) in std::iter::zip(scenes, &union.maps) {
        let all: Vec<usize> = (0..scene.variables.len()).collect();
        for ((axis, _), chunks) in std::iter::zip(maps, scan_chunks(scene, &all)) {
            sizes[*axis] = chunks.size().max(sizes[*axis]);
        }
    }
    let lengths = union.axes.iter().map(|axis| axis.coordinates.len() as u64);
    std::iter::zip(lengths, sizes)
        .map(|(length, size)| AxisChunks::regular(length, size))
        .collect()
}

/// Can a layer lie on the first one?
fn check_layer(scene: &Cube, first: Option<&Variable>, layer: &Variable) -> CubeResult<()> {
    let Some(first) = first else {
        return Ok(());
    };
    let (name, wanted) = (layer.field.name(), first.decoding.data_type());
    let found = layer.decoding.data_type();
    if found != wanted {
        let cause = format!("{name} is of type {found}, and of type {wanted} in the first scene");
        return Err(CubeError::unsupported(&scene.name, cause)
            .remedy("cast it in a query in parentheses: (SELECT …)"));
    }
    if layer.axes != first.axes {
        let cause =
            format!("the axes of {name} are others, or in another order, than in the first scene");
        return Err(CubeError::unsupported(&scene.name, cause));
    }
    Ok(())
}

impl Choice {
    fn of(call: &Call) -> CubeResult<Self> {
        let Some(asked) = call.text_argument("method")? else {
            return Ok(Self::First);
        };
        Self::named(&asked).ok_or_else(|| {
            let error = CubeError::invalid("", format!("mosaic has no method {asked}"));
            with_nearest(error, &asked, Self::names(), "choose one of")
        })
    }
}
