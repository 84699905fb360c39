//! Images of JPEG 2000 as cubes, read by ranges from any store: [`Jpeg2000`].
//!
//! ```text
//!  jP │ ftyp │ jp2h │ uuid: a GeoTIFF of one pixel │ jp2c: SOC SIZ COD QCD … │ SOT tile │ SOT tile │ … EOC
//!  └── boxes ────────────────┘ Ground                 └── codestream: Header ──┴── Parts: where tiles are
//!
//!  fetch: the parts of a tile ─▶ decode: a codestream of that tile alone ─▶ the band's samples
//! ```
//! A tile is a chunk, and each component a variable. Where the image lies is what the box of GeoJP2 says, as in GeoTIFF;
//! GML in files is not read.
//!
//! Sources: ISO/IEC 15444-1 (ITU-T T.800), annexes A and I; GeoJP2 1.0.3.

mod array;
mod boxes;
mod codestream;

use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{ArrayReader, Attributes, CubeFormat, Group, Location, Options};
use tokio::sync::OnceCell;

use self::array::{BandArray, Image};
use self::boxes::Boxes;
use self::codestream::Header;
use crate::formats::geotiff::reading::file_bytes::FileBytes;
use crate::formats::geotiff::reading::ground::Ground;
use crate::formats::stored_file::StoredFile;

/// Files of JPEG 2000, and codestreams without a file around them.
#[derive(Debug)]
pub struct Jpeg2000;

#[async_trait]
impl CubeFormat for Jpeg2000 {
    fn name(&self) -> &'static str {
        "JPEG2000"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".jp2", ".j2k"]
    }

    fn is_directory(&self) -> bool {
        false
    }

    async fn open(&self, location: &Location, _options: &Options) -> CubeResult<Vec<Group>> {
        let file = Arc::new(StoredFile::find(location).await?);
        let group = read_group(&file).await;
        Ok(vec![group.map_err(|error| error.within(&location.url))?])
    }
}

async fn read_group(file: &Arc<StoredFile>) -> CubeResult<Group> {
    let mut bytes = FileBytes::of(Arc::clone(file)).await?;
    let boxes = Boxes::read(&mut bytes).await?;
    let ground = match boxes.geotiff {
        Some(part) => {
            let mut geotiff = FileBytes::within(Arc::clone(file), part).await?;
            Ground::of_file(&mut geotiff).await?
        }
        None => Ground::default(),
    };
    let header = Header::read(&mut bytes, boxes.codestream).await?;
    let size = [header.rows.length(), header.columns.length()];
    let mut arrays = ground.arrays(file, size, size);
    let image = Arc::new(Image {
        file: Arc::clone(file),
        header,
        parts: OnceCell::new(),
    });
    for band in 0..image.header.components.len() {
        let array = BandArray::new(&image, band, &ground)?;
        arrays.push(Arc::new(array) as Arc<dyn ArrayReader>);
    }
    Ok(Group {
        path: String::new(),
        attributes: Attributes::new(),
        arrays,
        url: file.location.url.clone(),
        format: "jpeg 2000".to_string(),
        version: file.version.clone(),
    })
}

/// The file's bytes contradict themselves.
fn damaged(cause: impl std::fmt::Display) -> CubeError {
    CubeError::corrupt("", format!("the file is damaged: {cause}"))
        .remedy("copy it again from its source, and check it with `gdalinfo`")
}
