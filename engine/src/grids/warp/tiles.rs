//! Where the cells of the target lie in the source, tile by tile: [`Tiles`].
//!
//! A tile is what the chunks of all variables have in common along y and x. What is found out of one is kept: the next
//! variable, and the next step of time, need it again.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use graticule_functions::space::{ProjectionError, Transformation};
use graticule_functions::warp::mesh::{Members, Mesh};
use graticule_functions::warp::{
    CellAxis, Footprints, Interpolation, Lattice, Method, Missing, Overlaps, Positions, Window,
};

use super::super::reproject::{Places, Target, refused};
use super::super::system::Horizontal;
use crate::cache::BlockCache;
use crate::cube::chunks::AxisChunks;
use crate::cube::{Cube, Variable};
use crate::error::{CubeError, CubeResult};

/// Cells along a side of a tile, as far as chunks do not become too large.
const SIDE: u64 = 512;
/// The shortest side.
const SHORTEST_SIDE: u64 = 8;
/// Cells of a chunk, and of the source under it, at most.
const MOST_CELLS: f64 = 8e6;
/// The part of limited memory that these may take, at most: several are in work at a time, each in several forms.
const PART_OF_CELLS: f64 = 1.0 / 128.0;

/// How far positions between the places that are computed may be off, in cells of the source.
const TOLERANCE: f64 = 0.01;

/// Bytes of tiles that are kept, at most.
const KEPT_BYTES: usize = 64 << 20;
/// The part of limited memory that they may take.
const PART_OF_KEPT: usize = 16;
/// So many are kept whatever memory there is: they are in use, and would be computed again for the next variable.
const KEPT_AT_LEAST: usize = 2;

/// Points along a side of the lattice that says how much coarser the target is.
const PROBES: usize = 33;

/// How places of the target are found in the source.
#[derive(Debug)]
pub(crate) enum Way {
    /// Both are in the same system.
    Same,
    /// A cell of the target is so many of the source along x and y, at the end fewer.
    Whole((usize, usize)),
    /// They are moved to the system of the source.
    Moved(Transformation),
    /// The cells of the source have coordinates of their own, which take memory.
    Searched {
        mesh: Box<Mesh>,
        _memory: Option<MemoryReservation>,
    },
}

impl Way {
    /// That from `target` to a source with axes.
    ///
    /// # Errors
    /// There is no way from one system to the other.
    pub(crate) fn between(target: &Target, source: &Horizontal) -> Result<Self> {
        let is_same = source.system.trim() == target.system.trim() && source.unit == target.unit;
        match is_same {
            true => Ok(Self::Same),
            false => {
                let between = Transformation::between(&target.system, &source.system);
                Ok(Self::Moved(between.map_err(refused)?))
            }
        }
    }
}

/// The tiles of a target.
pub(super) struct Tiles {
    source: Horizontal,
    target: Target,
    way: Way,
    /// How the target is cut along y and x.
    chunks: [AxisChunks; 2],
    /// Cells of the source per cell of the target along x and y.
    spread: (f64, f64),
    kept: Mutex<Kept>,
}

impl fmt::Debug for Tiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tiles of {}", self.target.crs.name)
    }
}

/// What tells a tile from another: its number along y and x, and what is looked at.
type Key = (u64, u64, Method, Missing);

/// Tiles that may be needed again, as far as memory goes.
struct Kept {
    /// The one that was used last comes last.
    tiles: Vec<(Key, Arc<Tile>)>,
    bytes: usize,
    /// Bytes, at most.
    most: usize,
    memory: Option<MemoryReservation>,
}

/// Where the cells of a tile lie.
#[derive(Debug)]
pub(super) enum Tile {
    /// Not in the source.
    Outside,
    /// At points between its cells.
    Points(Interpolation),
    /// Over some of its cells.
    Areas(Footprints),
    /// Over parts of its cells.
    Parts(Overlaps),
    /// Over the centres of its cells.
    Centres(Members),
}

impl Tile {
    /// The cells of the source that are needed.
    pub(super) fn window(&self) -> Option<&Window> {
        match self {
            Self::Outside => None,
            Self::Points(points) => Some(points.window()),
            Self::Areas(areas) => Some(areas.window()),
            Self::Parts(parts) => Some(parts.window()),
            Self::Centres(centres) => Some(centres.window()),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Outside => 0,
            Self::Points(points) => points.bytes(),
            Self::Areas(areas) => areas.bytes(),
            Self::Parts(parts) => parts.bytes(),
            Self::Centres(centres) => centres.bytes(),
        }
    }
}

impl Tiles {
    /// The tiles of `target` over `source`, the horizontal grid of `cube`, in memory that they share with `blocks`.
    ///
    /// # Errors
    /// PROJ fails.
    pub(super) fn new(
        source: Horizontal,
        target: Target,
        way: Way,
        cube: &Cube,
        blocks: &BlockCache,
    ) -> Result<Self> {
        let deepest = cube
            .variables
            .iter()
            .map(|variable| depth(variable, &source));
        let deepest = deepest.max().unwrap_or(1);
        let chunks = |target: &Target, side: u64| {
            let along = |cells: usize| AxisChunks::regular(cells as u64, side);
            [
                along(target.y_places.centres.len()),
                along(target.x_places.centres.len()),
            ]
        };
        let limit = blocks.memory_limit();
        let mut tiles = Self {
            chunks: chunks(&target, SIDE),
            source,
            target,
            way,
            spread: (1.0, 1.0),
            kept: Mutex::new(Kept {
                tiles: Vec::new(),
                bytes: 0,
                most: limit.map_or(KEPT_BYTES, |limit| KEPT_BYTES.min(limit / PART_OF_KEPT)),
                memory: blocks.reservation("places of cells on another grid"),
            }),
        };
        tiles.spread = tiles.measured_spread()?;
        let most = limit.map_or(MOST_CELLS, |limit| {
            MOST_CELLS.min(limit as f64 * PART_OF_CELLS / size_of::<f64>() as f64)
        });
        let side = side(deepest, tiles.spread.0 * tiles.spread.1, most);
        tiles.chunks = chunks(&tiles.target, side);
        Ok(tiles)
    }

    /// The axes of the source.
    pub(super) fn source(&self) -> &Horizontal {
        &self.source
    }

    /// Cells of the source per cell of the target along x and y.
    pub(super) fn spread(&self) -> (f64, f64) {
        self.spread
    }

    /// Cells of the source under a tile, about, where it has chunks of so many cells along y and x.
    pub(super) fn cells_below(&self, (down, across): (u64, u64)) -> usize {
        let along = |tiles: &AxisChunks, spread: f64, chunk: u64, length: usize| {
            let cells = (tiles.size() as f64 * spread) as usize + chunk as usize;
            cells.min(length)
        };
        let (x, y) = self.axes();
        along(&self.chunks[0], self.spread.1, down, y.cells())
            * along(&self.chunks[1], self.spread.0, across, x.cells())
    }

    /// How the target is cut along y and x.
    pub(super) fn chunks(&self) -> &[AxisChunks; 2] {
        &self.chunks
    }

    /// Tile number `y`, `x` as `method` looks at it.
    ///
    /// # Errors
    /// PROJ fails.
    pub(super) fn tile(
        &self,
        y: u64,
        x: u64,
        method: Method,
        missing: Missing,
    ) -> CubeResult<Arc<Tile>> {
        // What reduces an area looks at the same cells, whatever it makes of them.
        let is_cut = match self.way {
            Way::Searched { .. } => method == Method::Conservative,
            _ => method.weighs_overlap(),
        };
        let key = match (is_cut, method.reads_footprint()) {
            (true, _) => (y, x, Method::Conservative, Missing::Skip),
            (false, true) => (y, x, Method::Average, Missing::Skip),
            (false, false) => (y, x, method, missing),
        };
        if let Some(found) = self.kept().find(key) {
            return Ok(found);
        }
        let made = self.made(y, x, method, missing);
        let made = made.map_err(|error| CubeError::invalid(&self.target.crs.name, error))?;
        let made = Arc::new(made);
        self.kept().keep(key, &made);
        Ok(made)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn axes(&self) -> (&CellAxis, &CellAxis) {
        (&self.source.x_cells, &self.source.y_cells)
    }

    fn made(
        &self,
        y: u64,
        x: u64,
        method: Method,
        missing: Missing,
    ) -> Result<Tile, ProjectionError> {
        let (rows, columns) = (self.chunks[0].range(y), self.chunks[1].range(x));
        let (x_places, y_places) = (&self.target.x_places, &self.target.y_places);
        let within = |cells: &Range<u64>| cells.start as usize..cells.end as usize;
        let centres = Lattice {
            x: &x_places.centres[within(&columns)],
            y: &y_places.centres[within(&rows)],
        };
        if method.reads_footprint() {
            let with_end = |cells: &Range<u64>| cells.start as usize..=cells.end as usize;
            let lattice = Lattice {
                x: &x_places.edges[with_end(&columns)],
                y: &y_places.edges[with_end(&rows)],
            };
            if let Way::Searched { mesh, .. } = &self.way {
                if method == Method::Conservative {
                    return Ok(mesh.overlaps(lattice).map_or(Tile::Outside, Tile::Parts));
                }
                let members = mesh.members(lattice, centres)?;
                return Ok(members.map_or(Tile::Outside, Tile::Centres));
            }
            let corners = match self.way {
                Way::Whole((across, down)) => Positions::Separable {
                    x: whole_edges(&columns, across, self.source.x_cells.cells()),
                    y: whole_edges(&rows, down, self.source.y_cells.cells()),
                },
                _ => self.positions(lattice)?,
            };
            if method.weighs_overlap() {
                let corners = corners.with_y(|y| self.source.by_area(y));
                let sizes = |row: usize| self.source.size_of_row(row);
                let overlaps = Overlaps::new(&corners, self.axes(), sizes);
                return Ok(overlaps.map_or(Tile::Outside, Tile::Parts));
            }
            let footprints = Footprints::new(&corners, self.axes());
            return Ok(footprints.map_or(Tile::Outside, Tile::Areas));
        }
        let positions = self.positions(centres)?;
        let points = Interpolation::new(method, missing, self.spread, &positions, self.axes());
        Ok(points.map_or(Tile::Outside, Tile::Points))
    }

    fn positions(&self, lattice: Lattice<'_>) -> Result<Positions, ProjectionError> {
        match &self.way {
            Way::Same | Way::Whole(_) => Ok(Positions::of_same_system(lattice, self.axes())),
            Way::Searched { mesh, .. } => mesh.positions(lattice),
            Way::Moved(transformation) => {
                let (from, to) = (self.target.unit, self.source.unit);
                Positions::of(lattice, self.axes(), TOLERANCE, &mut |places| {
                    for (x, y) in places.iter_mut() {
                        (*x, *y) = (*x * from, *y * from);
                    }
                    transformation.move_places(places)?;
                    for (x, y) in places.iter_mut() {
                        (*x, *y) = (*x / to, *y / to);
                    }
                    Ok(())
                })
            }
        }
    }

    /// How far neighbouring cells of the target lie apart in the source, on average.
    fn measured_spread(&self) -> Result<(f64, f64)> {
        if let Way::Whole((across, down)) = self.way {
            return Ok((across as f64, down as f64));
        }
        if let Way::Searched { mesh, .. } = &self.way {
            let step = |places: &Places| places.mean_size();
            return Ok(mesh.spread((step(&self.target.x_places), step(&self.target.y_places))));
        }
        let probed = |edges: &[f64]| -> (Vec<f64>, f64) {
            let last = edges.len() - 1;
            let steps = last.min(PROBES - 1);
            let probed = (0..=steps).map(|at| edges[at * last / steps]);
            (probed.collect(), last as f64 / steps as f64)
        };
        let (x, cells_x) = probed(&self.target.x_places.edges);
        let (y, cells_y) = probed(&self.target.y_places.edges);
        let found = self.positions(Lattice { x: &x, y: &y }).map_err(refused)?;
        let is_inside = |(x, y): (f64, f64)| {
            (-0.5..=self.source.x_cells.cells() as f64 - 0.5).contains(&x)
                && (-0.5..=self.source.y_cells.cells() as f64 - 0.5).contains(&y)
        };
        // Mean squares of the change from one cell to the next, along x and along y of the target.
        let mean_squares = |across: usize, down: usize, cells: f64| {
            let (mut x, mut y, mut count) = (0.0, 0.0, 0.0);
            for row in down..found.height() {
                for column in across..found.width() {
                    let (from, to) = (found.at(column - across, row - down), found.at(column, row));
                    if is_inside(from) && is_inside(to) {
                        let end = self.source.x_cells.unrolled(to.0, from.0);
                        x += ((end - from.0) / cells).powi(2);
                        y += ((to.1 - from.1) / cells).powi(2);
                        count += 1.0;
                    }
                }
            }
            (x / f64::max(count, 1.0), y / f64::max(count, 1.0))
        };
        let (across, down) = (mean_squares(1, 0, cells_x), mean_squares(0, 1, cells_y));
        let spread = |one: f64, other: f64| (one + other).sqrt().max(1.0);
        Ok((spread(across.0, down.0), spread(across.1, down.1)))
    }
}

/// The positions of the edges of `cells`, each made of `factor` of the source's `count` cells.
fn whole_edges(cells: &Range<u64>, factor: usize, count: usize) -> Vec<f64> {
    let edge = |cell: u64| (cell as usize * factor).min(count) as f64 - 0.5;
    (cells.start..=cells.end).map(edge).collect()
}

/// Cells along a side of a tile whose chunks are `depth` cells deep, where a cell covers `spread` of the source, and a
/// chunk may lie over `most` cells.
fn side(depth: u64, spread: f64, most: f64) -> u64 {
    let cells = |side: u64| depth as f64 * (side * side) as f64 * spread.max(1.0);
    let mut side = SIDE;
    while side > SHORTEST_SIDE && cells(side) > most {
        side /= 2;
    }
    side
}

/// Cells of a chunk of a variable along its other axes.
fn depth(variable: &Variable, source: &Horizontal) -> u64 {
    let along = variable.axes.iter().zip(variable.chunks());
    along
        .filter(|(axis, _)| **axis != source.x && **axis != source.y)
        .map(|(_, chunks)| chunks.size())
        .product()
}

impl Kept {
    fn find(&mut self, key: Key) -> Option<Arc<Tile>> {
        let at = self.tiles.iter().position(|(known, _)| *known == key)?;
        let found = self.tiles.remove(at);
        self.tiles.push(found);
        self.tiles.last().map(|(_, tile)| Arc::clone(tile))
    }

    fn keep(&mut self, key: Key, tile: &Arc<Tile>) {
        if self.tiles.iter().any(|(known, _)| *known == key) {
            return;
        }
        self.bytes += tile.bytes();
        self.tiles.push((key, Arc::clone(tile)));
        while self.tiles.len() > KEPT_AT_LEAST && !self.fit() {
            let (_, oldest) = self.tiles.remove(0);
            self.bytes -= oldest.bytes();
        }
        if let Some(memory) = &self.memory {
            memory.resize(self.bytes);
        }
    }

    /// Do the tiles fit into memory?
    fn fit(&self) -> bool {
        let memory = self.memory.as_ref();
        self.bytes <= self.most && memory.is_none_or(|memory| memory.try_resize(self.bytes).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_CELLS, side};

    #[test]
    fn chunks_stay_small_whatever_lies_under_them() {
        for (depth, spread, most, expected) in [
            (1, 1.0, MOST_CELLS, 512),
            (48, 1.0, MOST_CELLS, 256),
            (48, 100.0, MOST_CELLS, 32),
            (1, 1e4, MOST_CELLS, 16),
            (1, 1e9, MOST_CELLS, 8),
            (1, 100.0, 5e5, 64),
        ] {
            assert_eq!(
                side(depth, spread, most),
                expected,
                "{depth} {spread} {most}"
            );
        }
    }
}
