//! The registry of grid functions: adding one is a file and a line here.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;

use super::at_times::AtTimes;
use super::call::Call;
use super::coarsen::Coarsen;
use super::mosaic::Mosaic;
use super::nearest::Nearest;
use super::rasterize::Rasterize;
use super::rectify::Rectify;
use super::reproject::Reproject;
use super::sample::Sample;
use super::transect::Transect;

/// A relation in `FROM` that is made of a cube: most are cubes again.
#[async_trait]
pub(crate) trait GridFunction: Send + Sync {
    /// Its name in SQL, lower case.
    fn name(&self) -> &'static str;

    /// The arguments that it takes by name, with a line about each.
    fn arguments(&self) -> &'static [(&'static str, &'static str)];

    /// Does it take arguments called as axes of the cube, too?
    fn takes_axes(&self) -> bool {
        false
    }

    /// Does it take any number of tables or queries before its arguments?
    fn takes_many(&self) -> bool {
        false
    }

    /// The argument that stands behind the cube without its name, too.
    fn second(&self) -> Option<&'static str> {
        None
    }

    /// The arguments that are relations, too: a text in their place is the file or address of one.
    fn relations(&self) -> &'static [&'static str] {
        &[]
    }

    /// The relation that a call gives.
    ///
    /// # Errors
    /// An argument that makes no sense, or an input that cannot be put on the grid.
    async fn table(&self, call: &Call) -> Result<Arc<dyn TableProvider>>;
}

/// Every grid function.
static FUNCTIONS: [&dyn GridFunction; 9] = [
    &AtTimes, &Coarsen, &Mosaic, &Nearest, &Rasterize, &Rectify, &Reproject, &Sample, &Transect,
];

/// The function of this name.
pub(super) fn function(name: &str) -> Option<&'static dyn GridFunction> {
    let mut known = FUNCTIONS.iter().copied();
    known.find(|function| function.name() == name)
}

/// An argument of a grid function.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) function: &'static str,
    pub(crate) argument: &'static str,
    pub(crate) description: &'static str,
}

/// The arguments of all grid functions.
pub(crate) fn described() -> Vec<Described> {
    let of_function = |function: &&'static dyn GridFunction| {
        let name = function.name();
        let arguments = function.arguments().iter();
        arguments.map(move |(argument, description)| Described {
            function: name,
            argument,
            description,
        })
    };
    FUNCTIONS.iter().flat_map(of_function).collect()
}
