//! The seam between the engine and the connectors: what a store and a format must offer.
//!
//! ```text
//!  StoreConnector ──connect──▶ Location ──▶ CubeFormat::open ──▶ Vec<Group>
//!   (file, s3, …)              (object store + path)  (zarr, netcdf, …)   │
//!                                                        Group: attributes + arrays
//!                                                        ArrayReader: fetch (I/O) · decode (CPU)
//! ```
//!
//! Nothing here is interpreted: [`crate::cube`] reads the CF conventions out of a [`Group`].
//!
//! Files that are no cubes but small tables, of places and zones, come whole: [`TableFormat`].

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use async_trait::async_trait;
use datafusion::object_store::ObjectStore;
use datafusion::object_store::path::{Path, PathPart};

use crate::cube::block::Block;
use crate::cube::chunks::AxisChunks;
use crate::error::{CubeError, CubeResult};
use crate::history::{AsOf, CubeHistory};

/// Attributes of a group or an array, as JSON. Floats that JSON lacks are the strings
/// `"NaN"`, `"Infinity"` and `"-Infinity"`, as in Zarr.
pub type Attributes = serde_json::Map<String, serde_json::Value>;

/// Options of a store, a cube or an attachment: names in lower case, as the user wrote the values.
pub type Options = BTreeMap<String, String>;

/// A place in an object store: a store's root, or one cube in it.
#[derive(Debug, Clone)]
pub struct Location {
    /// The store, with retries, timeouts and credentials already inside.
    pub store: Arc<dyn ObjectStore>,
    /// Path in the store.
    pub path: Path,
    /// What people see: a URL or a file path without credentials or query string.
    pub url: String,
    /// Can the store enumerate its objects? Plain HTTP cannot.
    pub listable: bool,
    /// Does the store answer 403 for an object that does not exist?
    pub missing_is_403: bool,
    /// Are the objects files of this machine? Their metadata cost microseconds and say more than a
    /// store's.
    pub local: bool,
    /// Which state of the cube there is meant, where its format keeps several, see
    /// [`CubeFormat::history`]. `None` for the newest.
    pub as_of: Option<AsOf>,
}

impl Location {
    /// The place `relative` (segments joined by `/`) below this one.
    #[must_use]
    pub fn child(&self, relative: &str) -> Location {
        let mut path = self.path.clone();
        let mut url = self.url.trim_end_matches('/').to_string();
        for segment in relative.split('/').filter(|segment| !segment.is_empty()) {
            // As it is stored: `join` would percent-encode `~`, `[`, `#` and others in a text.
            path = match PathPart::parse(segment) {
                Ok(part) => path.join(part),
                Err(_) => path.join(segment),
            };
            url.push('/');
            url.push_str(segment);
        }
        Location {
            path,
            url,
            ..self.clone()
        }
    }
}

/// Opens stores of one or more kinds, for example `s3`.
pub trait StoreConnector: Debug + Send + Sync {
    /// The values of `type` it answers to, lower case; the first is the canonical one.
    fn kinds(&self) -> &'static [&'static str];

    /// The URL schemes it answers to, for example `s3`. A plain path is the scheme `file`.
    fn schemes(&self) -> &'static [&'static str];

    /// The options it understands with one line of documentation each; any other name is an error.
    fn options(&self) -> &'static [(&'static str, &'static str)];

    /// Builds the store without touching the network. `url` is a URL or, for `file`, a path.
    ///
    /// # Errors
    /// An unknown option, a malformed URL, or credentials that are announced but not to be found.
    fn connect(&self, url: &str, options: &Options) -> CubeResult<Location>;

    /// As [`StoreConnector::connect`], for a place that will be written and need not exist yet.
    ///
    /// # Errors
    /// Those of `connect`, or a store that cannot be written.
    fn connect_new(&self, url: &str, options: &Options) -> CubeResult<Location> {
        self.connect(url, options)
    }
}

/// Reads one format of cubes, for example Zarr.
#[async_trait]
pub trait CubeFormat: Debug + Send + Sync {
    /// The name in `STORED AS`, upper case.
    fn name(&self) -> &'static str;

    /// The suffixes by which a listing recognises a cube, with the dot. `is_directory` formats
    /// end a listing's descent.
    fn suffixes(&self) -> &'static [&'static str];

    /// Is a cube of this format a folder (Zarr) rather than one object (NetCDF)?
    fn is_directory(&self) -> bool;

    /// The options that it understands itself, with one line of documentation each. They stand among those of the
    /// store or of the table.
    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Opens a cube: metadata only, no chunk of a data variable.
    ///
    /// Returns one [`Group`] per group that holds arrays; the root's [`Group::path`] is empty.
    ///
    /// # Errors
    /// Not found, denied, metadata that cannot be parsed, codecs or types that cannot be read.
    async fn open(&self, location: &Location, options: &Options) -> CubeResult<Vec<Group>>;

    /// The states that cubes of this format have been in, where it keeps them. Such a format heeds
    /// [`Location::as_of`].
    fn history(&self) -> Option<&dyn CubeHistory> {
        None
    }
}

/// Reads one format of tables that are no cubes and small enough to be read whole, for example GeoJSON.
///
/// A column of geometries is a GeoArrow extension type and states its coordinate reference system.
#[async_trait]
pub trait TableFormat: Debug + Send + Sync {
    /// The name in `STORED AS`, upper case.
    fn name(&self) -> &'static str;

    /// The suffixes by which a listing recognises a table, with the dot.
    fn suffixes(&self) -> &'static [&'static str];

    /// The files beside the one at `location` that belong to the table, whether they are there or not.
    fn companions(&self, _location: &Location) -> Vec<Location> {
        Vec::new()
    }

    /// Reads all of the tables in a file. The engine asks again when the file or a companion has changed.
    ///
    /// # Errors
    /// Not found, denied, too large, or bytes that are not of this format.
    async fn read(&self, location: &Location) -> CubeResult<Vec<Layer>>;

    /// The format of DataFusion's as which tables are written, by its name in `STORED AS`; `None` where tables
    /// are read alone.
    fn written_as(&self) -> Option<&'static str> {
        None
    }

    /// How a table with this schema is written as that format. `extents` are those of columns of geometries, as far as
    /// they are known.
    ///
    /// # Errors
    /// It has no column of geometries, or one of which the format cannot say what it is.
    fn written(
        &self,
        _schema: &Schema,
        _extents: &BTreeMap<String, Extent>,
    ) -> CubeResult<WrittenTable> {
        Ok(WrittenTable::default())
    }
}

/// A table in a file.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name behind that of the file; empty for the table that the file is, if there is such a one.
    pub name: String,
    /// All of it.
    pub rows: RecordBatch,
}

impl From<RecordBatch> for Layer {
    /// The table that a file is.
    fn from(rows: RecordBatch) -> Self {
        Self {
            name: String::new(),
            rows,
        }
    }
}

/// What geometries lie in: the least x and y, the greatest x and y.
pub type Extent = [f64; 4];

/// A table with geometries as DataFusion writes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WrittenTable {
    /// The columns of geometries, which are written as well-known binary.
    pub geometries: Vec<String>,
    /// Columns that are added: name, and the column of geometries whose boxes they hold.
    pub boxes: Vec<(String, String)>,
    /// Options of DataFusion's format that say what they are.
    pub options: Options,
}

/// A group of arrays that share dimensions, as the format stores it.
#[derive(Debug, Clone)]
pub struct Group {
    /// Path of the group below the cube, empty for the root.
    pub path: String,
    /// The group's own attributes.
    pub attributes: Attributes,
    /// Its arrays, in the order in which the format lists them.
    pub arrays: Vec<Arc<dyn ArrayReader>>,
    /// What people see: the cube's URL and the group's path.
    pub url: String,
    /// The format and its version, for people: `zarr 3`, `netcdf-4`.
    pub format: String,
    /// Changes when the stored cube changes (entity tag, or modification time and size).
    /// Part of every cache key.
    pub version: String,
}

/// What is known of a stored array before any chunk is read.
#[derive(Debug, Clone)]
pub struct ArrayDescription {
    /// Name within its group.
    pub name: String,
    /// One name per dimension. A format without names invents `dim_0`, `dim_1`, …
    pub dimensions: Vec<String>,
    /// Length of each dimension, in cells.
    pub shape: Vec<u64>,
    /// How each dimension is cut into chunks.
    pub chunks: Vec<AxisChunks>,
    /// Stored type: a number, `Boolean`, `Utf8`, `Timestamp` (Zarr's datetime64), a list of numbers, or
    /// `FixedSizeBinary(1)` for the characters of a character array.
    pub data_type: DataType,
    /// The value of cells in chunks that do not exist. `Null` where the format has none.
    pub fill_value: serde_json::Value,
    /// Attributes. `_FillValue` is here whenever the format's fill value means "missing".
    pub attributes: Attributes,
    /// Codecs for people, in the order in which decoding undoes them, for example `blosc(zstd:5, bitshuffle)`.
    pub codecs: String,
    /// Chunks of a sharded array share objects: the shape of a shard in cells.
    pub shard_shape: Option<Vec<u64>>,
    /// Bytes as stored, where the format knows without listing.
    pub stored_bytes: Option<u64>,
}

/// The encoded bytes of a chunk, on their way from the I/O runtime to the CPU that decodes them.
#[derive(Debug)]
pub struct EncodedChunk {
    /// Bytes that came over the network or from the disk for this chunk.
    pub bytes_fetched: u64,
    /// The bytes, or values for formats whose library decodes while it reads.
    pub payload: Payload,
}

impl EncodedChunk {
    /// The chunks of another array that make up this one.
    pub fn of_pieces(pieces: Vec<Option<EncodedChunk>>) -> Self {
        let bytes = pieces.iter().flatten().map(|piece| piece.bytes_fetched);
        Self {
            bytes_fetched: bytes.sum(),
            payload: Payload::Pieces(pieces),
        }
    }
}

/// See [`EncodedChunk::payload`].
#[derive(Debug)]
pub enum Payload {
    /// Encoded bytes; [`ArrayReader::decode`] turns them into values.
    Encoded(bytes::Bytes),
    /// Values already decoded.
    Values(RawChunk),
    /// The chunks of another array that make up this one, in an order that the reader knows.
    Pieces(Vec<Option<EncodedChunk>>),
    /// A chunk of another array that had been decoded before.
    Kept(Arc<Block>),
}

impl Payload {
    /// The values of an array that never hands out anything else.
    ///
    /// # Errors
    /// The payload is not from such an array.
    pub fn into_values(self, array: &str) -> CubeResult<RawChunk> {
        match self {
            Self::Values(raw) => Ok(raw),
            _ => Err(CubeError::invalid(
                array,
                "the chunk was not fetched from this array",
            )),
        }
    }
}

/// A decoded chunk as stored, not scaled. NULL is only what the format itself marks as missing;
/// numbers that mean it are numbers here.
#[derive(Debug, Clone)]
pub struct RawChunk {
    /// Values in C order, of the array's [`ArrayDescription::data_type`], `shape` product long.
    pub values: ArrayRef,
    /// At least the chunk's extent in every dimension: formats that pad the chunks at an edge give
    /// the padded shape.
    pub shape: Vec<usize>,
}

/// Which bytes a chunk has, told without reading them: what statistics of a chunk are good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkVersion {
    /// The store cannot tell, or only at the price of reading the chunk.
    Unknown,
    /// The chunk is not stored: all its cells have the fill value.
    Missing,
    /// The object that the chunk is in.
    Stored {
        /// Differs from the token of any other content that the object has had. For people too, but
        /// for comparison only.
        token: String,
        /// Has enough time passed since the last change for the next one to get another token? Clocks
        /// of file systems tick; two changes within a tick may look the same.
        settled: bool,
    },
}

/// Reads the chunks of one array. Fetching is I/O, decoding is compute; the engine runs them apart.
#[async_trait]
pub trait ArrayReader: Debug + Send + Sync {
    /// What is known without reading a chunk.
    fn description(&self) -> &ArrayDescription;

    /// Fetches the chunk at `index` (one number per dimension). `None` when it is not stored, so
    /// that all its cells are the fill value.
    ///
    /// # Errors
    /// The store failed, denied access or sent fewer bytes than it announced.
    async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>>;

    /// Decodes what [`ArrayReader::fetch`] returned for the same `index`.
    ///
    /// # Errors
    /// The bytes do not decode to the chunk's shape, or a checksum does not match.
    fn decode(&self, index: &[u64], chunk: EncodedChunk) -> CubeResult<RawChunk>;

    /// Bytes of memory that a chunk takes while it is made, beside those of its values: few where it is stored, more where
    /// it is computed.
    fn working_bytes(&self) -> usize {
        0
    }

    /// Decodes the cells at the positions `rows` along the first dimension of what [`ArrayReader::fetch`] returned for
    /// the same `index`, `rows` within the chunk. The shape that comes is that of the chunk but for these. `None` where
    /// that would be no less work than to decode all of it.
    ///
    /// # Errors
    /// The bytes do not decode to the chunk's shape.
    fn decode_rows(
        &self,
        _index: &[u64],
        _chunk: &EncodedChunk,
        _rows: Range<u64>,
    ) -> CubeResult<Option<RawChunk>> {
        Ok(None)
    }

    /// The versions of the chunks at `indices`, one each, without reading them. What was fetched
    /// between two calls that give the same token is what the token stands for.
    ///
    /// # Errors
    /// The store failed. Callers may then do as if the versions were unknown.
    async fn versions(&self, indices: &[Vec<u64>]) -> CubeResult<Vec<ChunkVersion>> {
        Ok(vec![ChunkVersion::Unknown; indices.len()])
    }
}
