//! The seam to the connectors that write: what a format must offer to be a target.
//!
//! ```text
//!  TargetCube ──CubeSink::check──▶ fine, or why not          before any work
//!      └───────CubeSink::open───▶ CubeWriter ─┬─ encode  values of a shard ─▶ bytes (CPU)
//!                                             ├─ put     bytes ─▶ an object that nobody sees yet (I/O)
//!                                             └─ commit  metadata last: now everybody sees all of it
//! ```
//!
//! The engine decides what is stored: shapes, chunks, types, packing, attributes. A format only knows
//! how: codecs, names of objects, the layout of metadata. A *shard* is what one object holds: one chunk
//! of an array without shards.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use bytes::Bytes;

use crate::cube::crs::Crs;
use crate::error::CubeResult;
use crate::source::{Attributes, Location, Options};

/// A cube as it will be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetCube {
    /// All arrays: coordinates, bounds, grid mapping and variables.
    pub arrays: Vec<TargetArray>,
    /// Attributes of the group.
    pub attributes: Attributes,
    /// What its planes show, for a format with [`CubeSink::tile_unit`]; `None` for others.
    pub images: Option<ImageGrid>,
}

/// A cube as images, one per variable and step of the other dimensions: the first row is the northernmost,
/// the first column the westernmost.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageGrid {
    /// From north to south.
    pub rows: ImageAxis,
    /// From west to east.
    pub columns: ImageAxis,
    /// The dimensions that come before the two, slowest first.
    pub steps: Vec<ImageSteps>,
    /// The coordinate reference system of the two.
    pub crs: Option<Crs>,
    /// Are the two longitude and latitude, as far as their names and units tell?
    pub is_geographic: bool,
}

/// The rows or columns of an image, all of the same size.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageAxis {
    /// Name of the dimension.
    pub name: String,
    /// The outer edge of the first row or column, in units of the coordinate reference system.
    pub edge: f64,
    /// The size of a cell, a positive number in the same units.
    pub size: f64,
}

/// A dimension along which images follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSteps {
    /// Name of the dimension.
    pub name: String,
    /// Its coordinates in words, times as in ISO 8601.
    pub labels: Vec<String>,
}

impl ImageGrid {
    /// The names of the dimensions that a variable has, in order.
    pub fn dimensions(&self) -> Vec<&str> {
        let steps = self.steps.iter().map(|steps| steps.name.as_str());
        steps
            .chain([self.rows.name.as_str(), self.columns.name.as_str()])
            .collect()
    }
}

/// One array as it will be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetArray {
    /// Name within the group.
    pub name: String,
    /// One name per dimension, none for a scalar.
    pub dimensions: Vec<String>,
    /// Length of each dimension, in cells.
    pub shape: Vec<u64>,
    /// Length of a chunk along each dimension, in cells.
    pub chunks: Vec<u64>,
    /// Length of a shard along each dimension, a multiple of `chunks`; `None` where each chunk is an
    /// object of its own.
    pub shards: Option<Vec<u64>>,
    /// Type of the stored numbers: an integer, a float, `Boolean` or `Utf8`.
    pub data_type: DataType,
    /// Value of cells that are not stored, as JSON; floats that JSON lacks are `"NaN"` and the like.
    pub fill_value: serde_json::Value,
    /// The codec as the user wrote it, for example `zstd:3`; `None` for the format's default.
    pub codec: Option<String>,
    /// Attributes, those that tell how to decode included (`scale_factor`, `units`, `_FillValue`, …).
    pub attributes: Attributes,
}

/// A cube that is there, as it would be written again.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCube {
    /// Its arrays and attributes.
    pub cube: TargetCube,
    /// Options of the format that write it so.
    pub options: Options,
    /// See [`CubeSink::version`].
    pub version: String,
}

impl TargetArray {
    /// Length of what one object holds along each dimension, in cells.
    pub fn object_shape(&self) -> &[u64] {
        self.shards.as_deref().unwrap_or(&self.chunks)
    }

    /// Objects along each dimension.
    pub fn object_counts(&self) -> Vec<u64> {
        let along = self.shape.iter().zip(self.object_shape());
        along
            .map(|(length, object)| length.div_ceil((*object).max(1)))
            .collect()
    }
}

/// Gives cubes other attributes and leaves their values where they are: for a format that keeps the two apart.
#[async_trait]
pub trait CubeDescriber: Send + Sync {
    /// Makes the attributes of `cube`, those of its arrays too, what readers see, at once and whole. In all else `cube` is
    /// the one that [`CubeSink::stored`] gave in the version `over`. Gives the new version.
    ///
    /// # Errors
    /// The readers' version is not `over` any more: then nothing is changed. Or the store failed or denied access.
    async fn describe(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: &str,
    ) -> CubeResult<String>;
}

/// The attribute of overviews that says what they were made of. A folder without it is none of ours.
pub const MADE_OF: &str = "graticule_overviews";

/// Keeps overviews in a folder: levels called `1`, `2`, …, each a cube of the format, the finest first.
#[async_trait]
pub trait OverviewKeeper: Send + Sync {
    /// The folder for the overviews of the cube at `location`, in the cube's own.
    fn folder(&self, location: &Location) -> Location;

    /// The codec of the arrays of levels, as users write it, that takes the fewest bytes: of those whose cells `repeat` few
    /// values, and of others.
    fn codec(&self, repeat: bool) -> String;

    /// What was said of the levels in `folder` when they were made visible, under [`MADE_OF`] what they were made of; `None`
    /// where there are none.
    ///
    /// # Errors
    /// The store failed or denied access, or what is there cannot be read.
    async fn published(&self, folder: &Location) -> CubeResult<Option<Attributes>>;

    /// Makes the first `count` levels in `folder` visible, with `attributes` about all of them; `method` made their cells,
    /// where one made all.
    ///
    /// # Errors
    /// The store failed or denied access.
    async fn publish(
        &self,
        folder: &Location,
        count: u32,
        method: Option<&str>,
        attributes: Attributes,
    ) -> CubeResult<()>;

    /// Removes all levels in `folder`; at first what makes them visible.
    ///
    /// # Errors
    /// The folder holds something else than overviews that were made here, or the store failed or denied access.
    async fn withdraw(&self, folder: &Location) -> CubeResult<()>;

    /// Removes `folder`, and folders in it, as far as they are empty.
    ///
    /// # Errors
    /// The store failed or denied access.
    async fn tidy(&self, folder: &Location) -> CubeResult<()>;
}

/// Writes one format of cubes, object by object.
#[async_trait]
pub trait CubeSink: Debug + Send + Sync {
    /// The name in `STORED AS` and in the option `format`, upper case.
    fn name(&self) -> &'static str;

    /// The suffix of a new cube, with the dot.
    fn suffix(&self) -> &'static str;

    /// The options of its own, with one line of documentation each.
    fn options(&self) -> &'static [(&'static str, &'static str)];

    /// Can chunks share objects, with these options?
    fn has_shards(&self, options: &Options) -> bool;

    /// `Some` for a format of images: y and x then are the last dimensions, from north to south and from west to
    /// east, and a chunk is a tile of one image, whose sides are multiples of so many cells. `None` for a format
    /// that takes cubes as they are.
    fn tile_unit(&self) -> Option<u64> {
        None
    }

    /// Does what is read of a cube have the dimensions that were written? `false` for a format of images, where steps
    /// are bands; a cube of it is no table that statements make.
    fn keeps_dimensions(&self) -> bool {
        true
    }

    /// May a new cube take the place of one that is there? `false` for a format whose readers could not be switched
    /// over at once.
    fn replaces(&self) -> bool {
        true
    }

    /// `None` for a format whose cubes are written anew for a change of an attribute.
    fn describer(&self) -> Option<&dyn CubeDescriber> {
        None
    }

    /// `None` for a format that keeps no overviews.
    fn overviews(&self) -> Option<&dyn OverviewKeeper> {
        None
    }

    /// Can the cube be written like this? Asked before any work.
    ///
    /// # Errors
    /// A codec, type, shape or option that the format does not have.
    fn check(&self, cube: &TargetCube, options: &Options) -> CubeResult<()>;

    /// The version of the cube that readers see at `location` now, `None` when there is none.
    ///
    /// # Errors
    /// The store failed or denied access.
    async fn version(&self, location: &Location) -> CubeResult<Option<String>>;

    /// The cube that readers see at `location` now, as it would be written again. `None` when there is
    /// none.
    ///
    /// # Errors
    /// It is stored in a way in which it is never written, or the store failed or denied access.
    async fn stored(&self, location: &Location) -> CubeResult<Option<StoredCube>>;

    /// Starts a new state of the cube at `location`, in the place of the one with the version
    /// `over`, which readers keep seeing until [`CubeWriter::commit`]. Objects that were put by an
    /// earlier writer of the same state that did not commit are kept: the caller knows which they are.
    /// Otherwise it calls [`CubeWriter::discard`] before it puts anything, because objects of states before
    /// `over` may have the same names. Two writers of one state at once must be kept apart by the
    /// caller: one of them will commit, but their objects have the same names.
    ///
    /// # Errors
    /// The readers' version is not `over` any more, or the store failed or denied access.
    async fn open(
        &self,
        location: &Location,
        cube: &TargetCube,
        options: &Options,
        over: Option<&str>,
    ) -> CubeResult<Arc<dyn CubeWriter>>;

    /// The folder of a cube for notes about writing it, which no reader looks into.
    fn notes(&self, location: &Location) -> Location;

    /// Removes folders of [`CubeSink::notes`] that are empty, where folders are more than names. Nothing that
    /// anyone needs is lost when it is not done.
    ///
    /// # Errors
    /// The store failed.
    async fn clear(&self, location: &Location) -> CubeResult<()>;

    /// The name of the cube that is, or is being made, in the folder of this name.
    fn cube_of_folder<'a>(&self, folder: &'a str) -> Option<&'a str>;

    /// Removes the cube: at first what makes it visible, then all else.
    ///
    /// # Errors
    /// The store failed or denied access.
    async fn remove(&self, location: &Location) -> CubeResult<()>;

    /// Removes all objects that the state which readers see does not refer to, apart from notes, and
    /// tells how many objects and bytes that were.
    ///
    /// # Errors
    /// The store failed or denied access.
    async fn sweep(&self, location: &Location) -> CubeResult<(u64, u64)>;
}

/// Writes one state of one cube. Several threads call it at once, never two for the same object.
#[async_trait]
pub trait CubeWriter: Debug + Send + Sync {
    /// Encodes the shard `index` of array number `array`. `values` are stored numbers without NULLs, in
    /// C order, of `extent` cells along each dimension: those of the shard, at an edge fewer.
    /// `None` when all of them are the fill value, so that nothing need be stored.
    ///
    /// # Errors
    /// The values are not of the array's type or not as many as `extent` says, or a codec failed.
    fn encode(
        &self,
        array: usize,
        index: &[u64],
        values: &ArrayRef,
        extent: &[usize],
    ) -> CubeResult<Option<Bytes>>;

    /// Stores an encoded shard, where no reader sees it before the commit. Repeating it changes nothing.
    /// When it returns the store has it; a disk has it for good after [`CubeWriter::settle`].
    ///
    /// # Errors
    /// The store failed, is full, or denied access.
    async fn put(&self, array: usize, index: &[u64], bytes: Bytes) -> CubeResult<()>;

    /// Takes the object `from` of the array of the same name in the state before this one over as the shard
    /// `to` of `array`, without its bytes passing through here. Does nothing when it is not stored. The two arrays must
    /// store their shards alike.
    ///
    /// # Errors
    /// The store failed, is full, or denied access.
    async fn carry(&self, array: usize, from: &[u64], to: &[u64]) -> CubeResult<()>;

    /// Waits until all that was put and carried by now outlives a failure of power.
    ///
    /// # Errors
    /// The disk failed.
    async fn settle(&self) -> CubeResult<()>;

    /// Makes the state visible, at once and whole. Gives the new version.
    ///
    /// # Errors
    /// Someone else has written a state since this writer was opened: then nothing is changed. Or the
    /// store failed or denied access.
    async fn commit(&self) -> CubeResult<String>;

    /// Removes what was put, by this writer or an earlier one of the same state, and what readers do not
    /// see any more. For a writer that will not commit, or that begins anew.
    ///
    /// # Errors
    /// The store failed or denied access.
    async fn discard(&self) -> CubeResult<()>;
}
