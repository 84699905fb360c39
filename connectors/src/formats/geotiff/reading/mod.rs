//! GeoTIFF and Cloud Optimized GeoTIFF as cubes, read by ranges from any store: [`GeoTiff`].
//!
//! ```text
//!  open ──▶ FileBytes: the beginning ──▶ Header ──▶ Directory ─▶ next ─▶ next …
//!                                                      │ Image: types, tiles, codecs
//!                                                      │ Ground: Keys, Placement, System; Metadata
//!                                                      ▼
//!             Group of lat/y, lon/x, spatial_ref and a variable per band;   overviews: groups 1, 2, …
//!
//!  fetch: ranges of bytes of tiles ─▶ decode: decompress, predictor, the band's sample of each pixel
//! ```
//! The first image is the cube. Its overviews, coarsest last, are the groups `1`, `2`, … beside it, as the levels
//! of [`levels`](crate::formats::levels) are. A mask of an image that is cut like it makes cells NULL; another is not
//! heeded. Further images (pages) are the groups `page_2`, …. Overviews and pages that cannot be read are left out.
//!
//! Sources: TIFF 6.0 (Adobe, 1992) and its technical notes on predictor 3; BigTIFF as in LibTIFF; OGC GeoTIFF
//! 1.1 (19-008r4); what GDAL's driver GTiff documents of its tags, and does where the standard is silent.

mod array;
pub(in crate::formats) mod bands;
mod compression;
mod computed;
mod directory;
pub(in crate::formats) mod file_bytes;
pub(in crate::formats) mod ground;
mod image;
mod keys;
mod metadata;
mod placement;
mod predictor;
mod projection;
mod segments;
mod system;
#[cfg(test)]
mod tests;
mod tile;

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Attributes, CubeFormat, Group, Location, Options};
use serde_json::Value;

use self::bands::Bands;
use self::directory::{Directory, Header, tag};
use self::file_bytes::FileBytes;
use self::ground::Ground;
use self::image::Image;
use self::metadata::Metadata;
use crate::formats::stored_file::StoredFile;

/// The most images of a file, overviews and masks included.
const MOST_IMAGES: usize = 1024;

/// What bits of the tag `NewSubfileType` say.
const REDUCED: u64 = 1;
const MASK: u64 = 4;

/// Tags that are attributes, by the names that GDAL has for them.
const DESCRIPTIVE: [(u16, &str); 5] = [
    (tag::DESCRIPTION, "TIFFTAG_IMAGEDESCRIPTION"),
    (tag::SOFTWARE, "TIFFTAG_SOFTWARE"),
    (tag::DATE_TIME, "TIFFTAG_DATETIME"),
    (tag::ARTIST, "TIFFTAG_ARTIST"),
    (tag::COPYRIGHT, "TIFFTAG_COPYRIGHT"),
];

/// GeoTIFF, Cloud Optimized GeoTIFF, and TIFF files without a place.
#[derive(Debug)]
pub struct GeoTiff;

#[async_trait]
impl CubeFormat for GeoTiff {
    fn name(&self) -> &'static str {
        "GEOTIFF"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".tif", ".tiff", ".geotiff"]
    }

    fn is_directory(&self) -> bool {
        false
    }

    async fn open(&self, location: &Location, _options: &Options) -> CubeResult<Vec<Group>> {
        let file = Arc::new(StoredFile::find(location).await?);
        read_groups(file)
            .await
            .map_err(|error| error.within(&location.url))
    }
}

/// An image and what belongs to it.
struct Page {
    directory: Directory,
    image: Arc<Image>,
    overviews: Vec<Arc<Image>>,
    masks: Vec<Arc<Image>>,
}

async fn read_groups(file: Arc<StoredFile>) -> CubeResult<Vec<Group>> {
    let mut bytes = FileBytes::of(Arc::clone(&file)).await?;
    let head = bytes.held(0, file.size.min(16)).unwrap_or_default();
    let header = Header::of(&head)?;
    let directories = read_directories(header, &mut bytes).await?;
    let mut groups = Vec::new();
    for (number, page) in pages(directories)?.into_iter().enumerate() {
        let path = match number {
            0 => String::new(),
            number => format!("page_{}", number + 1),
        };
        match groups_of(&file, header, &page, &path) {
            Ok(found) => groups.extend(found),
            Err(error) if number == 0 => return Err(error),
            Err(_) => {}
        }
    }
    Ok(groups)
}

async fn read_directories(header: Header, bytes: &mut FileBytes) -> CubeResult<Vec<Directory>> {
    let mut directories: Vec<Directory> = Vec::new();
    let mut seen = HashSet::new();
    let mut next = header.first;
    while next != 0 {
        if directories.len() == MOST_IMAGES {
            let cause = format!("the file has more than {MOST_IMAGES} images");
            return Err(CubeError::unsupported("", cause)
                .remedy("write its images into files of their own"));
        }
        if !seen.insert(next) {
            return Err(damaged("its list of images has no end"));
        }
        let directory = Directory::read(header, next, bytes).await?;
        next = directory.next;
        directories.push(directory);
    }
    Ok(directories)
}

/// Puts overviews and masks to the image that they follow.
fn pages(directories: Vec<Directory>) -> CubeResult<Vec<Page>> {
    let mut pages: Vec<Page> = Vec::new();
    for directory in directories {
        let kind = directory.number(tag::SUBFILE).unwrap_or(0);
        let is_reduced = kind & REDUCED != 0 || directory.number(tag::OLD_SUBFILE) == Some(2);
        let image = Image::of(&directory).map(Arc::new);
        match (pages.last_mut(), image) {
            (None, image) => pages.push(Page {
                image: image?,
                directory,
                overviews: Vec::new(),
                masks: Vec::new(),
            }),
            (Some(_), Err(_)) => {}
            (Some(page), Ok(image)) if kind & MASK != 0 => page.masks.push(image),
            (Some(page), Ok(image)) if is_reduced => page.overviews.push(image),
            (Some(_), Ok(image)) => pages.push(Page {
                image,
                directory,
                overviews: Vec::new(),
                masks: Vec::new(),
            }),
        }
    }
    if pages.is_empty() {
        return Err(damaged("it has no image"));
    }
    for page in &mut pages {
        let overviews = &mut page.overviews;
        overviews.sort_by_key(|image| Reverse((image.width, image.height)));
    }
    Ok(pages)
}

/// The groups of an image and its overviews.
fn groups_of(
    file: &Arc<StoredFile>,
    header: Header,
    page: &Page,
    path: &str,
) -> CubeResult<Vec<Group>> {
    let directory = &page.directory;
    let ground = Ground::of(directory)?;
    let metadata = directory.text(tag::METADATA);
    let metadata = metadata.map_or_else(Metadata::default, |text| Metadata::of(&text));
    let attributes = attributes(directory, &metadata);
    let bands = Bands {
        metadata,
        nodata: directory.text(tag::NODATA),
        dimensions: ground.dimensions(),
        has_system: ground.has_system(),
    };
    let level = |level: usize| match (path, level) {
        (path, 0) => path.to_string(),
        ("", level) => level.to_string(),
        (path, level) => format!("{path}/{level}"),
    };
    let images = [&page.image].into_iter().chain(&page.overviews);
    let groups = images.enumerate().map(|(number, image)| {
        let mask = page.masks.iter().find(|mask| mask.masks(image));
        let size = |image: &Image| [image.height, image.width];
        let mut arrays = ground.arrays(file, size(image), size(&page.image));
        arrays.extend(bands.of(file, image, mask));
        let path = level(number);
        Group {
            attributes: attributes.clone(),
            arrays,
            url: match path.as_str() {
                "" => file.location.url.clone(),
                path => format!("{}/{path}", file.location.url),
            },
            path,
            format: match header.is_big {
                true => "geotiff (bigtiff)".to_string(),
                false => "geotiff".to_string(),
            },
            version: file.version.clone(),
        }
    });
    Ok(groups.collect())
}

/// Attributes of the file: what GDAL keeps of it, and tags of TIFF.
fn attributes(directory: &Directory, metadata: &Metadata) -> Attributes {
    let mut attributes = metadata.attributes.clone();
    for (tag, name) in DESCRIPTIVE {
        let text = directory.text(tag).map(|text| text.trim().to_string());
        let text = text.filter(|text| !text.is_empty());
        attributes.extend(text.map(|text| (name.to_string(), Value::from(text))));
    }
    attributes
}

/// The file's bytes contradict themselves.
fn damaged(cause: impl std::fmt::Display) -> CubeError {
    CubeError::corrupt("", format!("the file is damaged: {cause}"))
        .remedy("copy it again from its source, and check it with `gdalinfo`")
}
