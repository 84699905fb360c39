//! A cube seen on another horizontal grid, by resampling: [`warped`].
//!
//! ```text
//!  chunk of the target ─▶ tile: where its cells lie in the source, which window that is     (tiles)
//!                            │ the same for all variables, and for all steps of time
//!                            ▼
//!  chunks of the source ─▶ plane after plane of the window ─▶ resampled ─▶ values            (array, planes)
//! ```
//! Decoded chunks of the source are kept where there is room, because neighbouring tiles need the same ones.

mod array;
mod coarser;
pub(crate) mod planes;
mod source_chunks;
mod tiles;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::Result;
use graticule_functions::metadata::{FLAG_MASKS, FLAG_MEANINGS, FLAG_VALUES};
use graticule_functions::space::Transformation;
use graticule_functions::warp::{Method, Missing};

use self::array::Warped;
use self::coarser::Coarser;
pub(crate) use self::source_chunks::SourceChunks;
use self::tiles::Tiles;
pub(crate) use self::tiles::Way;
use super::reproject::{Target, refused};
use super::system::Horizontal;
use crate::cube::metadata::CRS;
use crate::cube::{Axis, Cube, Variable};
use crate::error::CubeError;
use crate::overviews::Levels;
use crate::scan::CubeTable;
use crate::sql::suggestions::with_nearest;

/// How variables are resampled.
#[derive(Debug, Clone, Hash)]
pub(crate) struct Resampling {
    /// The method that was asked for.
    pub(crate) method: Option<Method>,
    /// What becomes of it for flags, between which there is nothing.
    pub(crate) of_flags: Method,
    /// Those of some variables.
    pub(crate) methods: Vec<(String, Method)>,
    /// What missing values do.
    pub(crate) missing: Missing,
}

impl Resampling {
    /// The method for a variable: for flags one that takes a value that is there.
    pub(crate) fn of(&self, field: &FieldRef) -> Method {
        let mut own = self.methods.iter();
        if let Some((_, method)) = own.find(|(name, _)| name == field.name()) {
            return *method;
        }
        let method = self.method.unwrap_or(Method::Bilinear);
        match !has_values_between(field) && !method.keeps_values() {
            true => self.of_flags,
            false => method,
        }
    }
}

/// Is there anything between two values of a variable? Not between flags, and not between texts.
pub(super) fn has_values_between(field: &Field) -> bool {
    let has = |key: &&str| field.metadata().contains_key(*key);
    let is_flag = [FLAG_MASKS, FLAG_MEANINGS, FLAG_VALUES].iter().any(has);
    field.data_type().is_numeric() && !is_flag
}

/// The cube of `table` on the grid `target`, called `name`; places are found in the source on a `way`. Where one of its
/// `levels` will do, variables are made of that.
///
/// # Errors
/// A method for a variable that is not there, or PROJ fails.
pub(crate) fn warped(
    name: &str,
    table: &CubeTable,
    source: Horizontal,
    target: Target,
    way: Way,
    resampling: &Resampling,
    levels: &Levels,
) -> Result<CubeTable> {
    let cube = table.cube();
    check_names(cube, resampling)?;
    let horizontal = [source.y, source.x];
    let others: Vec<usize> = (0..cube.axes.len())
        .filter(|axis| !horizontal.contains(axis))
        .collect();
    let mut axes: Vec<Axis> = others.iter().map(|axis| cube.axes[*axis].clone()).collect();
    axes.extend([target.y.clone(), target.x.clone()]);
    let place = |axis: usize| others.iter().position(|other| *other == axis);
    // The name is the text of the call, in which a grid may be named that is another one by now.
    let mut of_call = DefaultHasher::new();
    (name, resampling, &source.system, source.unit.to_bits()).hash(&mut of_call);
    target.hash_places(&mut of_call);
    let mut hasher = of_call.clone();
    (&cube.url, &cube.version).hash(&mut hasher);
    let crs = target.crs.clone();
    let grids = without_grids(&source, &target)?;
    let tiles = Arc::new(Tiles::new(
        source.clone(),
        target.clone(),
        way,
        cube,
        table.blocks(),
    )?);
    let mut coarser = Coarser {
        base: table,
        source,
        target,
        whole: levels.whole_cells(),
        known: Vec::new(),
        read: BTreeMap::new(),
        bits: None,
    };
    let mut variables = Vec::new();
    for variable in &cube.variables {
        let across = variable
            .axes
            .iter()
            .filter(|axis| horizontal.contains(axis));
        let mut origin = variable.origin.clone();
        let mut made = match across.count() {
            0 => Variable {
                axes: variable
                    .axes
                    .iter()
                    .filter_map(|axis| place(*axis))
                    .collect(),
                ..variable.clone()
            },
            2 if is_resampled(variable.decoding.data_type()) => {
                let how = (resampling.of(&variable.field), resampling.missing);
                let level = match how.1 {
                    Missing::Skip => levels.find(variable.field.name(), how.0, tiles.spread()),
                    Missing::Propagate => None,
                };
                let source = SourceChunks::new(table, variable);
                match level {
                    None => Warped::variable((source, None), &tiles, how, &place, others.len())?,
                    Some(level) => {
                        let (made, read) = coarser.variable(variable, level, how, &others)?;
                        origin = read;
                        made
                    }
                }
            }
            // Along one horizontal axis alone, or of a type without values between: it has no place on the new grid.
            _ => continue,
        };
        if made.field.metadata().contains_key(CRS) {
            let mut field = made.field.as_ref().clone();
            field
                .metadata_mut()
                .insert(CRS.to_string(), crs.name.clone());
            made.field = Arc::new(field);
        }
        made.origin = origin.map(|origin| {
            let mut hasher = hasher.clone();
            (&origin, variable.field.name()).hash(&mut hasher);
            format!("{origin}\nwarped as {:016x}", hasher.finish()).into()
        });
        variables.push(made);
    }
    let fields = axes.iter().map(|axis| Arc::clone(&axis.field));
    let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
    let made = Cube {
        name: format!("{name}{}{grids}", coarser.remark()),
        schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
        axes,
        variables,
        attributes: cube.attributes.clone(),
        crs: Some(crs),
        zipped: Vec::new(),
        overviews: None,
        url: cube.url.clone(),
        format: cube.format.clone(),
        // In front, because what stands behind the opening is no part of the stored version.
        version: format!("warped as {:016x} of {}", of_call.finish(), cube.version),
    };
    Ok(CubeTable::new(Arc::new(made), Arc::clone(table.blocks())))
}

/// Which grids of datums PROJ does not find, for people.
fn without_grids(source: &Horizontal, target: &Target) -> Result<String> {
    if source.system == target.system {
        return Ok(String::new());
    }
    let way = Transformation::between(&source.system, &target.system).map_err(refused)?;
    let grids = way.missing_grids();
    Ok(match grids.is_empty() {
        true => String::new(),
        false => format!(", without the datum grid {grids}"),
    })
}

/// Can values of this type be put on another grid?
pub(crate) fn is_resampled(data_type: &DataType) -> bool {
    data_type.is_numeric() || data_type.is_temporal() || *data_type == DataType::Boolean
}

fn check_names(cube: &Cube, resampling: &Resampling) -> Result<()> {
    let names = || {
        cube.variables
            .iter()
            .map(|variable| variable.field.name().as_str())
    };
    for (name, _) in &resampling.methods {
        if !names().any(|known| known == name) {
            let error = CubeError::invalid(
                &cube.name,
                format!("there is no variable {name} to have a method"),
            );
            return Err(with_nearest(error, name, names(), "there are").into());
        }
    }
    Ok(())
}
