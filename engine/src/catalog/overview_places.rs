//! Where the overviews of a cube are that is being opened.

use std::sync::Arc;

use super::opener::Opener;
use crate::cube::Cube;
use crate::error::CubeResult;
use crate::overviews::{self, Folder, Overviews};
use crate::source::{CubeFormat, Location, Options};

impl Opener {
    /// The folder where overviews of a cube are, or would be: the one that the option `overviews` names, or one that its
    /// format keeps.
    pub(super) fn overview_folder(
        &self,
        format: &Arc<dyn CubeFormat>,
        locations: &[Location],
        options: &Options,
        name: &str,
    ) -> CubeResult<Option<Location>> {
        if let Some(url) = options.get(overviews::OPTION.0) {
            let folder = self.connect_new(url)?.child(name);
            return Ok(Some(folder));
        }
        let own = self.sinks.iter().find(|sink| sink.name() == format.name());
        let keeper = own.and_then(|sink| sink.overviews());
        match (keeper, locations) {
            (Some(keeper), [location]) if location.as_of.is_none() => {
                Ok(Some(keeper.folder(location)))
            }
            _ => Ok(None),
        }
    }

    /// The overviews in `folder` of a cube that is read in this `version`, which are written as the first format that keeps any.
    pub(super) fn overviews(
        &self,
        folder: Location,
        version: String,
        opening: u64,
    ) -> Option<Arc<Overviews>> {
        let mut sinks = self.sinks.iter();
        let sink = sinks.find(|sink| sink.overviews().is_some())?;
        let format = self.format_named(sink.name())?;
        Some(Arc::new(Overviews::in_folder(Folder {
            sink: Arc::clone(sink),
            format,
            location: folder,
            version,
            opening,
        })))
    }
}

/// The version of a cube, and what the options make of it: with others its values are others, too.
pub(super) fn version_as_read(cube: &Cube, options: &Options) -> String {
    let mut version = cube.version.clone();
    for (name, value) in options
        .iter()
        .filter(|(name, _)| *name != overviews::OPTION.0)
    {
        version.push_str(&format!(" {name}={value}"));
    }
    version
}
