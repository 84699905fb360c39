//! The registry of grid functions: adding one is a file and a line here.

use async_trait::async_trait;
use datafusion::common::Result;

use super::call::Call;
use super::coarsen::Coarsen;
use super::nearest::Nearest;
use super::rectify::Rectify;
use super::reproject::Reproject;
use crate::scan::CubeTable;

/// A relation in `FROM` that makes a cube of a cube.
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

    /// The cube that a call gives.
    ///
    /// # Errors
    /// An argument that makes no sense, or an input that cannot be put on the grid.
    async fn cube(&self, call: &Call) -> Result<CubeTable>;
}

/// Every grid function.
static FUNCTIONS: [&dyn GridFunction; 4] = [&Coarsen, &Nearest, &Rectify, &Reproject];

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
