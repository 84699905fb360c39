//! The overviews that there are of a cube: [`Overviews`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::Result;
use graticule_functions::warp::Method;
use serde_json::{Map, Value, json};

use super::of_query::OfQuery;
use crate::cube::{Cube, Variable, conventions};
use crate::error::{CubeError, CubeResult};
use crate::sink::{CubeSink, MADE_OF};
use crate::source::{Attributes, CubeFormat, Location, Options};
use crate::sql::secrets::without_secrets;

/// Levels, at most: counts of cells fit into 32 bits.
pub(crate) const MOST_LEVELS: u32 = 15;

/// What says how many bits variables keep that do not keep all of theirs. Those of former times do.
const BITS: &str = "bits";

/// What says where the counts of variables are. Levels of former times have none.
const COUNTS: &str = "counts";

/// The overviews of a cube, looked up when they are first asked for.
#[derive(Debug)]
pub(crate) struct Overviews {
    source: Source,
    /// What was found when somebody last asked, and what the folder said then.
    found: Mutex<Option<(Option<Attributes>, Arc<Found>)>>,
}

/// Where they come from.
#[derive(Debug)]
enum Source {
    Folder(Folder),
    Query(Box<OfQuery>),
}

/// A folder with the levels of a cube, or for them.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Writes them.
    pub(crate) sink: Arc<dyn CubeSink>,
    /// Reads them.
    pub(crate) format: Arc<dyn CubeFormat>,
    /// Where it is.
    pub(crate) location: Location,
    /// The version of the cube that is read, and how it is read.
    pub(crate) version: String,
    /// Tells this opening of the cube from others.
    pub(crate) opening: u64,
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
    /// Of how many cells of the cube their cells are made, as far as that is known.
    pub(crate) counts: BTreeMap<String, Counts>,
    /// The bits that variables keep which do not keep all, see [`Precision`](super::precision::Precision).
    pub(crate) bits: BTreeMap<String, u8>,
}

/// How many cells of the cube with a value there are under those of a variable.
#[derive(Debug, Clone)]
pub(crate) enum Counts {
    /// The same number under each.
    Same,
    /// A variable says it, on the same axes.
    Of(Box<Variable>),
}

impl Level {
    /// How many cells of the cube along a side became one.
    pub(crate) fn factor(&self) -> usize {
        1 << self.number
    }
}

impl Overviews {
    /// Those in a folder.
    pub(crate) fn in_folder(folder: Folder) -> Self {
        Self {
            source: Source::Folder(folder),
            found: Mutex::default(),
        }
    }

    /// Those of what a query makes of a cube with overviews.
    pub(crate) fn of_query(query: OfQuery) -> Self {
        Self {
            source: Source::Query(Box::new(query)),
            found: Mutex::default(),
        }
    }

    /// The folder that they are in, or would be; none where a query makes them.
    pub(crate) fn folder(&self) -> Option<&Folder> {
        match &self.source {
            Source::Folder(folder) => Some(folder),
            Source::Query(_) => None,
        }
    }

    /// What is there.
    ///
    /// # Errors
    /// The store failed, or what is there cannot be read.
    pub(crate) async fn found(&self) -> Result<Arc<Found>> {
        let folder = match &self.source {
            Source::Folder(folder) => folder,
            Source::Query(query) => return query.look_up().await,
        };
        // Somebody else may have made or removed them since.
        let said = folder.said().await?;
        if let Some((before, found)) = &*self.kept()
            && *before == said
        {
            return Ok(Arc::clone(found));
        }
        let found = match &said {
            Some(attributes) => folder.look_up(attributes).await?,
            None => Arc::default(),
        };
        *self.kept() = Some((said, Arc::clone(&found)));
        Ok(found)
    }

    fn kept(&self) -> MutexGuard<'_, Option<(Option<Attributes>, Arc<Found>)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    /// What the folder says of its levels, where they are ours.
    async fn said(&self) -> CubeResult<Option<Attributes>> {
        let Some(keeper) = self.sink.overviews() else {
            return Ok(None);
        };
        let said = keeper.published(&self.location).await?;
        Ok(said.filter(|said| said.contains_key(MADE_OF)))
    }

    async fn look_up(&self, said: &Attributes) -> CubeResult<Arc<Found>> {
        let damaged = || {
            let cause = "the overviews do not say how they were made";
            CubeError::corrupt(&self.location.url, cause).remedy("run CREATE OVERVIEWS again")
        };
        let made_of = &said[MADE_OF];
        let methods = made_of["methods"].as_object().ok_or_else(damaged)?;
        let method = |(name, method): (&String, &Value)| {
            Some((name.clone(), method.as_str()?.parse().ok()?))
        };
        let methods: BTreeMap<String, Method> = methods.iter().filter_map(method).collect();
        let nothing = Map::new();
        let named = made_of[COUNTS].as_object().unwrap_or(&nothing);
        let bits = made_of[BITS].as_object().unwrap_or(&nothing).iter();
        let of = |(name, bits): (&String, &Value)| {
            Some((name.clone(), u8::try_from(bits.as_u64()?).ok()?))
        };
        let bits: BTreeMap<String, u8> = bits.filter_map(of).collect();
        let groups = self.format.open(&self.location, &Options::new()).await?;
        let mut levels = Vec::new();
        for group in &groups {
            let Some(number) = group.path.parse().ok().filter(|n| *n <= MOST_LEVELS) else {
                continue;
            };
            let cubes = conventions::interpret(group, &group.path, &Options::new()).await?;
            let Some(mut cube) = cubes.into_iter().next() else {
                continue;
            };
            cube.opened_as(self.opening);
            levels.push(Level {
                number,
                counts: counts(&cube, named),
                cube: Arc::new(cube),
                methods: methods.clone(),
                bits: bits.clone(),
            });
        }
        levels.sort_by_key(|level| level.number);
        Ok(Arc::new(Found {
            levels,
            is_current: made_of["version"].as_str() == Some(&self.version),
        }))
    }
}

/// The counts of the variables of a level that have some; `named` are those that are stored, by the names of what they count.
fn counts(level: &Cube, named: &Map<String, Value>) -> BTreeMap<String, Counts> {
    let variable = |name: &str| {
        let mut variables = level.variables.iter();
        variables.find(|variable| variable.field.name() == name)
    };
    let of = |(name, counts): (&String, &Value)| {
        let stored = match counts.as_str() {
            None => return Some((name.clone(), Counts::Same)),
            Some(stored) => variable(stored)?,
        };
        let counted = variable(name)?;
        let is_alike = stored.axes == counted.axes && stored.chunks() == counted.chunks();
        is_alike.then(|| (name.clone(), Counts::Of(Box::new(stored.clone()))))
    };
    named.iter().filter_map(of).collect()
}

/// The attributes of the folder of levels of a cube with this version. Each of the `counts` has the variable that it
/// counts, and the name of the array, where not all are the same; each of the `bits` a variable that keeps so many.
pub(crate) fn made_of(
    version: &str,
    methods: &[(String, Method)],
    counts: Vec<(String, Option<String>)>,
    bits: Map<String, Value>,
    statement: &str,
) -> Attributes {
    let methods: Map<String, Value> = methods
        .iter()
        .map(|(name, method)| (name.clone(), json!(method.to_string())))
        .collect();
    let counts = counts
        .into_iter()
        .map(|(name, stored)| (name, json!(stored)));
    let counts: Map<String, Value> = counts.collect();
    let mut attributes = Attributes::new();
    attributes.insert(
        MADE_OF.to_string(),
        json!({
            "version": version,
            "methods": methods,
            COUNTS: counts,
            BITS: bits,
            "statement": without_secrets(statement),
        }),
    );
    attributes
}
