//! What a name in the schema `public` leads to: something that was declared, or a file or URL in `FROM`.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::Result;

use super::{External, Object, PublicSchema, options_of, the_main_table};
use crate::catalog::definition::Made;
use crate::catalog::files;
use crate::catalog::opener::is_pattern;
use crate::catalog::store::lock;
use crate::catalog::visible::{Place, VisibleCatalog};
use crate::error::CubeError;
use crate::history::AsOf;
use crate::source::Options;
use crate::sql::addresses::whole_address;
use crate::sql::names::quoted;
use crate::sql::versions::split;

impl PublicSchema {
    /// What a name leads to: something that was declared, where it `is_known`, or a place.
    ///
    /// # Errors
    /// It cannot be opened, or the user may not read places.
    pub(crate) async fn find(
        &self,
        name: &str,
        is_known: bool,
        seen: &Arc<VisibleCatalog>,
    ) -> Result<Option<Place>> {
        let (name, as_of) = split(name)?;
        if is_known {
            let found = match (self.table(name), &as_of) {
                (Some(object), None) => Some(self.resolve(&object, seen).await?),
                (Some(object), Some(as_of)) => Some(self.version(&object, as_of).await?),
                (None, None) => self.part(name).await?,
                (None, Some(_)) => None,
            };
            if let Some(found) = found {
                return Ok(Some(Place::Named(found)));
            }
        }
        if !self.is_place(name) {
            return Ok(None);
        }
        seen.check_reading_files()?;
        let found = self.place(name, as_of.as_ref()).await;
        Ok(found?.map(Place::Address))
    }

    /// Does a name look like a file or URL?
    fn is_place(&self, name: &str) -> bool {
        let url = whole_address(name);
        url.contains('/')
            || is_pattern(&url)
            || files::recognises(name)
            || self.opener.format_of_url(&url).is_some()
            || self.opener.table_format_of_url(&url).is_some()
    }

    /// A further set of dimensions or a group of an external table: `t_y_x`, `t/group`.
    async fn part(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let candidates: Vec<Arc<Object>> = lock(&self.objects)
            .values()
            .filter(|object| {
                name.strip_prefix(object.definition.name.as_str())
                    .is_some_and(|rest| rest.starts_with(['/', '_']))
            })
            .cloned()
            .collect();
        for object in candidates {
            let Made::ExternalTable(table) = &object.definition.made else {
                continue;
            };
            if let Ok(External::Cubes(opened)) = self.external(&object, table).await
                && let Some(part) = opened.iter().find(|opened| opened.cube.name == name)
            {
                return Ok(Some(Arc::clone(&part.table)));
            }
        }
        Ok(None)
    }

    /// A version of the cube that is an external table. It is opened whenever it is named.
    async fn version(&self, object: &Object, as_of: &AsOf) -> Result<Arc<dyn TableProvider>> {
        let name = &object.definition.name;
        let no_cube = || {
            CubeError::unsupported("", format!("{} is no cube with versions", quoted(name)))
                .remedy("leave FOR … AS OF out")
        };
        let Made::ExternalTable(table) = &object.definition.made else {
            return Err(no_cube().into());
        };
        let format = self.opener.format_named(&table.file_type);
        let format = format.ok_or_else(no_cube)?;
        let options = options_of(table);
        let opened = self
            .opener
            .open_locations(&format, &table.locations, &options, name, Some(as_of))
            .await
            .map_err(|error| error.within(&format!("table {}", quoted(name))))?;
        the_main_table(&opened, name)
    }

    /// A file or URL in `FROM`: a cube, a set of files that make one, or a table of another format.
    async fn place(
        &self,
        name: &str,
        as_of: Option<&AsOf>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let url = whole_address(name);
        let url = url.as_str();
        if self.opener.format_of_url(url).is_some() {
            let opened = self.opener.open_url(url, &Options::new(), as_of).await?;
            return the_main_table(&opened, "").map(Some);
        }
        if as_of.is_some() {
            return Err(CubeError::unsupported(
                name,
                "only cubes of formats that keep versions have them",
            )
            .remedy("leave FOR … AS OF out")
            .into());
        }
        if let Some(format) = self.opener.table_format_of_url(url) {
            let (urls, options) = ([url.to_string()], Options::new());
            let opened = self.opener.open_table(format, &urls, &options);
            return Ok(Some(opened.await?));
        }
        if files::recognises(name) {
            if url != name {
                let cause = "only cubes can be read from an address with a query string";
                return Err(CubeError::unsupported(name, cause)
                    .remedy("copy the file to a place of your own")
                    .into());
            }
            return Ok(Some(
                files::at(&self.opener, &self.nobodys_state()?, url).await?,
            ));
        }
        match url.contains('/') || is_pattern(url) {
            true => Err(self.opener.unknown_suffix(url).into()),
            false => Ok(None),
        }
    }
}
