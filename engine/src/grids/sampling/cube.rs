//! The cube of the values at points: [`SampledCube`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use serde_json::Value;

use super::Method;
use super::array::Sampled;
use super::scale::Position;
use super::sites::Sites;
use crate::cube::chunks::AxisChunks;
use crate::cube::decoding::Decoding;
use crate::cube::{Axis, Cube, Variable};
use crate::error::CubeResult;
use crate::grids::identity::hash_values;
use crate::grids::warp::has_values_between;
use crate::scan::CubeTable;
use crate::scan::grid::scan_chunks;
use crate::source::{ArrayDescription, Attributes};

/// Values of a chunk of points, at most.
const MOST_VALUES: u64 = 1 << 20;

/// What a cube of points is made of.
pub(in crate::grids) struct SampledCube<'a> {
    /// What the cube is called.
    pub(in crate::grids) name: &'a str,
    /// The cube that is read.
    pub(in crate::grids) table: &'a CubeTable,
    /// Where the points lie.
    pub(in crate::grids) sites: &'a Sites,
    /// The axis along which they stand.
    pub(in crate::grids) axis: Axis,
    /// Variables along it that are known.
    pub(in crate::grids) known: Vec<Variable>,
    /// How values are made.
    pub(in crate::grids) method: Method,
    /// Are decoded chunks kept for others?
    pub(in crate::grids) keeps: bool,
    /// Names of columns that are taken.
    pub(in crate::grids) taken: Vec<String>,
}

/// A name that is not among those `taken`: the one that is wanted for a column of `cube`, or that with `cube_` in front
/// where others have it.
pub(in crate::grids) fn free_name(wanted: &str, taken: &[String], cube: &Cube) -> String {
    let mut free = wanted.to_string();
    let is_own = |name: &str| name != wanted && cube.schema.column_with_name(name).is_some();
    while taken.contains(&free) || is_own(&free) {
        free.insert_str(0, "cube_");
    }
    free
}

/// How a scan of `variables` cuts the axes of a cube, or one of all of them.
pub(in crate::grids) fn chunks_of(cube: &Cube, variables: Option<&[usize]>) -> Vec<AxisChunks> {
    let all: Vec<usize> = (0..cube.variables.len()).collect();
    scan_chunks(cube, variables.unwrap_or(&all))
}

impl SampledCube<'_> {
    /// The cube, cut where the points come into another of `chunks`, which are those of the axes that are read.
    ///
    /// # Errors
    /// There is no NULL of a variable's type.
    pub(in crate::grids) fn cut(mut self, chunks: &[AxisChunks]) -> CubeResult<Cube> {
        let cube = self.table.cube();
        let named: Vec<usize> = self.sites.axes().collect();
        let others: Vec<usize> = (0..cube.axes.len())
            .filter(|axis| !named.contains(axis))
            .collect();
        let of_others = others.iter().map(|axis| chunks[*axis].size());
        let per_point = of_others.fold(1, u64::saturating_mul).max(1);
        let cuts = self.sites.cuts(chunks, MOST_VALUES / per_point);
        let mut axes = vec![self.axis.clone()];
        for axis in &others {
            let mut axis = cube.axes[*axis].clone();
            let field = axis.field.as_ref().clone();
            let name = free_name(field.name(), &self.taken, cube);
            axis.field = Arc::new(field.with_name(name));
            axes.push(axis);
        }
        let place = |axis: usize| {
            others
                .iter()
                .position(|other| *other == axis)
                .map(|at| at + 1)
        };
        let nearest = match self.method {
            Method::Nearest => self.sites.clone(),
            Method::Linear => self.sites.nearest(),
        };
        let mut variables = std::mem::take(&mut self.known);
        for variable in &cube.variables {
            let name = free_name(variable.field.name(), &self.taken, cube);
            let is_named = variable.axes.iter().any(|axis| named.contains(axis));
            let made = match is_named {
                true => self.sampled(variable, &cuts, &nearest, &place)?,
                false => Variable {
                    axes: variable
                        .axes
                        .iter()
                        .filter_map(|axis| place(*axis))
                        .collect(),
                    ..variable.clone()
                },
            };
            let field = made.field.as_ref().clone().with_name(name);
            variables.push(Variable {
                field: Arc::new(field),
                ..made
            });
        }
        let fields = axes.iter().map(|axis| Arc::clone(&axis.field));
        let fields = fields.chain(variables.iter().map(|variable| Arc::clone(&variable.field)));
        Ok(Cube {
            name: self.name.to_string(),
            schema: Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>())),
            axes,
            variables,
            attributes: cube.attributes.clone(),
            crs: cube.crs.clone(),
            zipped: Vec::new(),
            overviews: None,
            url: cube.url.clone(),
            format: cube.format.clone(),
            version: format!("at {:016x} of {}", self.identity(), cube.version),
        })
    }

    /// A number that differs where the points do, which may be those of a table that has changed.
    fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.name, self.method.name()).hash(&mut hasher);
        hash_values(&self.axis.coordinates, &mut hasher);
        for (axis, positions) in &self.sites.along {
            axis.hash(&mut hasher);
            for position in positions.iter() {
                (position.cell, position.next, position.weight.to_bits()).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// A variable at the points; `nearest` are their nearest cells.
    fn sampled(
        &self,
        variable: &Variable,
        cuts: &AxisChunks,
        nearest: &Sites,
        place: &dyn Fn(usize) -> Option<usize>,
    ) -> CubeResult<Variable> {
        let is_linear = self.method == Method::Linear && has_values_between(&variable.field);
        let stored = variable.decoding.data_type();
        let data_type = match (is_linear, stored) {
            (false, _) | (true, DataType::Float32) => stored.clone(),
            (true, _) => DataType::Float64,
        };
        let sites = if is_linear { self.sites } else { nearest };
        let positions = |axis: &usize| -> Option<Arc<[Position]>> {
            let mut along = sites.along.iter();
            let found = along.find(|(named, _)| named == axis);
            found.map(|(_, positions)| Arc::clone(positions))
        };
        let along: Vec<Option<Arc<[Position]>>> = variable.axes.iter().map(positions).collect();
        let mut chunks = vec![cuts.clone()];
        let mut axes = vec![0];
        for ((axis, own), positions) in variable.axes.iter().zip(variable.chunks()).zip(&along) {
            if positions.is_none() {
                chunks.push(own.clone());
                axes.extend(place(*axis));
            }
        }
        let inner = variable.array.description();
        let field = variable.field.as_ref().clone().with_nullable(true);
        Ok(Variable {
            field: Arc::new(field.with_data_type(data_type.clone())),
            decoding: Decoding::of_values(&data_type)?,
            array: Arc::new(Sampled {
                description: ArrayDescription {
                    name: inner.name.clone(),
                    dimensions: axes.iter().map(|axis| format!("dim_{axis}")).collect(),
                    shape: chunks.iter().map(AxisChunks::length).collect(),
                    chunks,
                    data_type,
                    fill_value: Value::Null,
                    attributes: Attributes::new(),
                    codecs: inner.codecs.clone(),
                    shard_shape: None,
                    stored_bytes: None,
                },
                source: variable.clone(),
                along,
                is_linear,
                blocks: Arc::clone(self.table.blocks()),
                keeps: self.keeps,
            }),
            axes,
            origin: None,
        })
    }
}
