//! What the coarser levels of a cube are: [`Pyramid`].
//!
//! ```text
//!  level 0   sst(time=5, lat=1000, lon=2000)   in tiles of 512 × 512
//!  level 1   sst(time=5, lat=500,  lon=1000)   lat, lon: centres of the cells that became one
//!  level 2   sst(time=5, lat=250,  lon=500)    the map fits one tile: the last one
//! ```

use arrow::datatypes::DataType;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::sink::{TargetArray, TargetCube};
use graticule_engine::source::Options;
use serde_json::{Map, Value, json};

use super::super::MOST_LEVELS;
use super::reduce::Method;
use super::{LEVELS, METHODS};

/// Attributes of the group that are true of one resolution alone.
const OF_RESOLUTION: &str = "geospatial_";

/// How an array of one level is made of that of the level below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A variable: tiles are halved.
    Images(Method),
    /// The coordinates of rows or columns: centres of pairs.
    Centres,
    /// Their bounds, two per cell: the outer ones of pairs.
    Bounds,
    /// Anything else stays as it is.
    Same,
}

/// The levels of a cube.
#[derive(Debug)]
pub(super) struct Pyramid {
    /// The cubes, the one in full resolution first.
    pub(super) levels: Vec<TargetCube>,
    /// Per array.
    pub(super) parts: Vec<Part>,
}

impl Pyramid {
    /// The levels of `cube`.
    ///
    /// # Errors
    /// The cube has no images, or an option makes no sense.
    pub(super) fn plan(cube: &TargetCube, options: &Options) -> CubeResult<Self> {
        let grid = cube.images.as_ref().ok_or_else(|| {
            CubeError::invalid("", "nothing tells which dimensions are those of the map")
        })?;
        let horizontal = [grid.rows.name.as_str(), grid.columns.name.as_str()];
        let is_image = |array: &TargetArray| array.dimensions == grid.dimensions();
        let methods = methods(options, cube.arrays.iter().filter(|array| is_image(array)))?;
        let parts = cube.arrays.iter().map(|array| {
            if let Some((_, method)) = methods.iter().find(|(name, _)| *name == array.name) {
                return Part::Images(*method);
            }
            let is_horizontal = |name: &String| horizontal.contains(&name.as_str());
            match (array.dimensions.as_slice(), array.shape.as_slice()) {
                ([only], _) if is_horizontal(only) && *only == array.name => Part::Centres,
                ([first, _], [_, 2]) if is_horizontal(first) => Part::Bounds,
                _ => Part::Same,
            }
        });
        let parts: Vec<Part> = parts.collect();
        let mut pyramid = Self {
            levels: vec![cube.clone()],
            parts,
        };
        let wanted = count(options)?;
        while let Some(last) = pyramid.levels.last() {
            let done = pyramid.levels.len() as u64;
            let is_enough = match wanted {
                Some(wanted) => done == wanted,
                None => pyramid.tiles(last) <= 1 || done == MOST_LEVELS,
            };
            if is_enough {
                break;
            }
            let next = pyramid.coarser(last);
            if next.arrays == last.arrays {
                let cause = format!("the map is one cell at level {}", done - 1);
                return Err(CubeError::invalid("", cause)
                    .remedy(format!("say {LEVELS} = '{done}' or less")));
            }
            pyramid.levels.push(next);
        }
        Ok(pyramid)
    }

    /// Tiles along the longer side of the map.
    fn tiles(&self, cube: &TargetCube) -> u64 {
        let images = cube.arrays.iter().zip(&self.parts);
        let images = images.filter(|(_, part)| matches!(part, Part::Images(_)));
        let sides = images.flat_map(|(array, _)| {
            let sides = array.shape.iter().zip(&array.chunks).rev().take(2);
            sides.map(|(length, tile)| length.div_ceil(*tile))
        });
        sides.max().unwrap_or(1)
    }

    fn coarser(&self, cube: &TargetCube) -> TargetCube {
        let mut coarser = cube.clone();
        coarser
            .attributes
            .retain(|name, _| !name.starts_with(OF_RESOLUTION));
        for (array, part) in coarser.arrays.iter_mut().zip(&self.parts) {
            match part {
                Part::Images(_) => {
                    let sides = array.shape.iter_mut().rev().take(2);
                    sides.for_each(|length| *length = length.div_ceil(2));
                }
                Part::Centres | Part::Bounds => {
                    array.shape[0] = array.shape[0].div_ceil(2);
                    array.chunks.clone_from(&array.shape);
                    if !array.data_type.is_floating() {
                        array.data_type = DataType::Float64;
                        array.fill_value = json!("NaN");
                    }
                }
                Part::Same => {}
            }
        }
        coarser
    }

    /// The document `.zlevels`, as xcube 1 writes it.
    pub(super) fn document(&self) -> Value {
        let arrays = self.levels.iter().take(1).flat_map(|cube| &cube.arrays);
        let mut methods = Map::new();
        let mut tile = Vec::new();
        for (array, part) in arrays.zip(&self.parts) {
            if let Part::Images(method) = part {
                methods.insert(array.name.clone(), json!(method.name()));
                // Width and height.
                tile = array.chunks.iter().rev().take(2).copied().collect();
            }
        }
        json!({
            "version": "1.0",
            "num_levels": self.levels.len(),
            "use_saved_levels": true,
            "tile_size": tile,
            "agg_methods": methods,
        })
    }
}

/// The number of levels that the user asks for.
fn count(options: &Options) -> CubeResult<Option<u64>> {
    let Some(text) = options.get(LEVELS) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(count @ 1..=MOST_LEVELS) => Ok(Some(count)),
        _ => Err(
            CubeError::invalid("", format!("option {LEVELS} = '{text}' makes no sense"))
                .remedy(format!("write a number from 1 to {MOST_LEVELS}")),
        ),
    }
}

/// How the cells of each of the `images` become fewer.
fn methods<'a>(
    options: &Options,
    images: impl Iterator<Item = &'a TargetArray>,
) -> CubeResult<Vec<(String, Method)>> {
    let mut methods: Vec<(&TargetArray, Option<Method>)> =
        images.map(|array| (array, None)).collect();
    let text = options.get(METHODS).map_or("", String::as_str);
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, word) = match part.split_once('=') {
            Some((name, word)) => (Some(name.trim()), word.trim()),
            None => (None, part.trim()),
        };
        let method = Method::of(word).ok_or_else(|| {
            CubeError::invalid("", format!("there is no method {word} in {METHODS}"))
                .remedy("methods are first, mean, min and max")
        })?;
        let mut is_known = false;
        for (array, chosen) in &mut methods {
            if name.is_none_or(|name| name == array.name) {
                is_known = true;
                *chosen = Some(method);
            }
        }
        if !is_known {
            let names: Vec<&str> = methods
                .iter()
                .map(|(array, _)| array.name.as_str())
                .collect();
            let cause = format!(
                "there is no variable {} for {METHODS}",
                name.unwrap_or("at all")
            );
            return Err(
                CubeError::invalid("", cause).remedy(format!("variables are {}", names.join(", ")))
            );
        }
    }
    let methods = methods.into_iter().map(|(array, chosen)| {
        let method = chosen.unwrap_or_else(|| Method::by_default(array));
        if method != Method::First && !array.data_type.is_numeric() {
            let cause = format!(
                "{} is of type {}, of which there is no {}",
                array.name,
                array.data_type,
                method.name()
            );
            return Err(CubeError::invalid("", cause)
                .remedy(format!("say {METHODS} = '{}=first'", array.name)));
        }
        Ok((array.name.clone(), method))
    });
    methods.collect()
}
