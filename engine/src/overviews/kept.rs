//! The overviews that there are of a cube: [`Overviews`].

use std::collections::BTreeMap;
use std::sync::Arc;

use graticule_functions::warp::Method;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::cube::{Cube, conventions};
use crate::error::{CubeError, CubeResult};
use crate::sink::CubeSink;
use crate::source::{Attributes, CubeFormat, Location, Options};

/// The attribute of the folder of levels that says what they were made of.
const MADE_OF: &str = "graticule_overviews";

/// Where overviews of a cube are, or would be.
#[derive(Debug)]
pub(crate) struct Overviews {
    /// Writes them.
    pub(crate) sink: Arc<dyn CubeSink>,
    /// Reads them.
    format: Arc<dyn CubeFormat>,
    /// The folder of the levels.
    pub(crate) folder: Location,
    /// The version of the cube that is read.
    version: String,
    /// Tells this opening of the cube from others.
    opening: u64,
    found: OnceCell<Arc<Found>>,
}

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// From the finest to the coarsest.
    pub(crate) levels: Vec<Level>,
    /// Were they made of the version of the cube that is read?
    pub(crate) is_current: bool,
}

/// A cube with cells twice, four times, … as large along both sides.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// 1 for cells twice as large, 2 for cells four times as large, ….
    pub(crate) number: u32,
    /// The cube.
    pub(crate) cube: Arc<Cube>,
    /// How its variables were made.
    pub(crate) methods: BTreeMap<String, Method>,
}

impl Level {
    /// How many cells of the cube along a side became one.
    pub(crate) fn factor(&self) -> usize {
        1 << self.number
    }
}

impl Overviews {
    /// Those in `folder` of a cube with this stored `version`.
    pub(crate) fn new(
        sink: Arc<dyn CubeSink>,
        format: Arc<dyn CubeFormat>,
        folder: Location,
        version: String,
        opening: u64,
    ) -> Self {
        Self {
            sink,
            format,
            folder,
            version,
            opening,
            found: OnceCell::new(),
        }
    }

    /// What is there, looked up once.
    ///
    /// # Errors
    /// The store failed, or what is there cannot be read.
    pub(crate) async fn found(&self) -> CubeResult<Arc<Found>> {
        let found = self.found.get_or_try_init(|| self.look_up()).await?;
        Ok(Arc::clone(found))
    }

    async fn look_up(&self) -> CubeResult<Arc<Found>> {
        let Some(keeper) = self.sink.overviews() else {
            return Ok(Arc::default());
        };
        let Some(attributes) = keeper.published(&self.folder).await? else {
            return Ok(Arc::default());
        };
        let damaged = || {
            let cause = "the overviews do not say what they were made of";
            CubeError::corrupt(&self.folder.url, cause).remedy("run CREATE OVERVIEWS again")
        };
        let made_of = attributes.get(MADE_OF).ok_or_else(damaged)?;
        let methods = made_of["methods"].as_object().ok_or_else(damaged)?;
        let method = |(name, method): (&String, &Value)| {
            Some((name.clone(), method.as_str()?.parse().ok()?))
        };
        let methods: BTreeMap<String, Method> = methods.iter().filter_map(method).collect();
        let groups = self.format.open(&self.folder, &Options::new()).await?;
        let mut levels = Vec::new();
        for group in &groups {
            let Ok(number) = group.path.parse() else {
                continue;
            };
            let cubes = conventions::interpret(group, &group.path, &Options::new()).await?;
            let Some(mut cube) = cubes.into_iter().next() else {
                continue;
            };
            cube.opened_as(self.opening);
            levels.push(Level {
                number,
                cube: Arc::new(cube),
                methods: methods.clone(),
            });
        }
        levels.sort_by_key(|level| level.number);
        Ok(Arc::new(Found {
            levels,
            is_current: made_of["version"].as_str() == Some(&self.version),
        }))
    }
}

/// The attributes of the folder of levels of a cube with this version.
pub(crate) fn made_of(version: &str, methods: &[(String, Method)], statement: &str) -> Attributes {
    let methods: Map<String, Value> = methods
        .iter()
        .map(|(name, method)| (name.clone(), json!(method.to_string())))
        .collect();
    let mut attributes = Attributes::new();
    attributes.insert(
        MADE_OF.to_string(),
        json!({"version": version, "methods": methods, "statement": statement}),
    );
    attributes
}
