//! Variables that are made of overviews of their cube instead of the cube itself: [`Coarser`].

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::common::Result;
use graticule_functions::warp::{Method, Missing};

use super::super::reproject::Target;
use super::super::system::Horizontal;
use super::array::Warped;
use super::source_chunks::SourceChunks;
use super::tiles::{Tiles, Way};
use crate::cube::Variable;
use crate::error::CubeError;
use crate::overviews::{Counts, Level};
use crate::scan::CubeTable;

/// The overviews of a cube that are read for a target.
pub(super) struct Coarser<'a> {
    /// The cube itself.
    pub(super) base: &'a CubeTable,
    /// Its grid.
    pub(super) source: Horizontal,
    pub(super) target: Target,
    /// How many cells of the cube along x and y make up a cell of the target, where these are whole ones.
    pub(super) whole: Option<(usize, usize)>,
    /// The tiles of the target over levels, by their numbers.
    pub(super) known: Vec<(u32, Arc<Tiles>)>,
    /// The levels of variables.
    pub(super) read: BTreeMap<String, u32>,
    /// The bits that the variables of levels which are read are rounded to, where some are.
    pub(super) bits: Option<u8>,
}

impl Coarser<'_> {
    /// `variable` of the cube made of `level`, and what identifies the level's array. `others` are the axes of the cube
    /// that stay.
    ///
    /// # Errors
    /// The level has no such variable or another grid.
    pub(super) fn variable(
        &mut self,
        variable: &Variable,
        level: &Level,
        how: (Method, Missing),
        others: &[usize],
    ) -> Result<(Variable, Option<Arc<str>>)> {
        let tiles = self.tiles(level)?;
        let name = variable.field.name();
        let mut stored = level.cube.variables.iter();
        let stored = stored.find(|stored| stored.field.name() == name);
        let stored = stored.ok_or_else(|| {
            let cause = format!("overview {} has no variable {name}", level.number);
            CubeError::corrupt(&self.base.cube().name, cause).remedy("run CREATE OVERVIEWS again")
        })?;
        let place = |axis: usize| {
            let name = level.cube.axes.get(axis)?.field.name();
            let of_base = |other: &usize| self.base.cube().axes[*other].field.name() == name;
            others.iter().position(of_base)
        };
        // A cell that is made of one of the level needs no weights.
        let is_weighed = self.whole.is_none() && how.0.weighs_counts();
        let counts = match level.counts.get(name).filter(|_| is_weighed) {
            Some(Counts::Of(counts)) => Some(SourceChunks::new(self.base, counts)),
            _ => None,
        };
        let source = (SourceChunks::new(self.base, stored), counts);
        let made = Warped::variable(source, &tiles, how, &place, others.len())?;
        self.read.insert(name.clone(), level.number);
        let bits = level.bits.get(name).copied();
        self.bits = self.bits.into_iter().chain(bits).min();
        let field = variable.field.as_ref().clone();
        let field = field.with_data_type(made.field.data_type().clone());
        let made = Variable {
            field: Arc::new(field.with_nullable(true)),
            ..made
        };
        Ok((made, stored.origin.clone()))
    }

    /// What is read of overviews, for people.
    pub(super) fn remark(&self) -> String {
        let mut numbers: Vec<u32> = self.read.values().copied().collect();
        numbers.dedup();
        let rounded = self
            .bits
            .map_or(String::new(), |bits| format!(" ({bits} bits)"));
        match numbers.as_slice() {
            [] => String::new(),
            [number] => format!(", overview {number}{rounded}"),
            _ => {
                let of = |(name, number): (&String, &u32)| format!("{number} of {name}");
                let each: Vec<String> = self.read.iter().map(of).collect();
                format!(", overviews {}{rounded}", each.join(", "))
            }
        }
    }

    fn tiles(&mut self, level: &Level) -> Result<Arc<Tiles>> {
        let mut known = self.known.iter();
        if let Some((_, tiles)) = known.find(|(number, _)| *number == level.number) {
            return Ok(Arc::clone(tiles));
        }
        // The system is that of the cube, however the level writes it.
        let grid = Horizontal::of(&level.cube, Some(self.source.system.clone()))?;
        let grid = Horizontal {
            unit: self.source.unit,
            ..grid
        };
        let way = match self.whole {
            Some((across, down)) => Way::Whole((across / level.factor(), down / level.factor())),
            None => Way::between(&self.target, &grid)?,
        };
        let tiles = Arc::new(Tiles::new(
            grid,
            self.target.clone(),
            way,
            &level.cube,
            self.base.blocks(),
        )?);
        self.known.push((level.number, Arc::clone(&tiles)));
        Ok(tiles)
    }
}
