//! The local file system: a plain path, or `file:///absolute/path`.
//!
//! ```text
//!  data/2017*.nc ──▶ absolute ──▶ does "…/data" exist? ──▶ Location { path: "…/data/2017*.nc" }
//! ```
//!
//! The store is the whole file system, so that every path of a process shares one; the location's
//! path says where in it. Symbolic links are followed, and names are kept as the user wrote them.

use std::io;
use std::path::{Component, Path as FilePath, PathBuf};
use std::sync::Arc;

use graticule_engine::error::{CubeError, CubeResult, ErrorKind};
use graticule_engine::source::{Location, Options, StoreConnector};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use url::Url;

use super::options::{StoreOptions, environment};

/// Connects to the local file system.
#[derive(Debug)]
pub(super) struct FileStore;

impl StoreConnector for FileStore {
    fn kinds(&self) -> &'static [&'static str] {
        &["file"]
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["file"]
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn connect(&self, url: &str, options: &Options) -> CubeResult<Location> {
        StoreOptions::check(self, url, options)?;
        let file = resolve(&file_path(url)?).map_err(|error| file_error(url, &error))?;
        std::fs::metadata(without_wildcards(&file)).map_err(|error| file_error(url, &error))?;
        location(url, &file)
    }

    fn connect_new(&self, url: &str, options: &Options) -> CubeResult<Location> {
        StoreOptions::check(self, url, options)?;
        let given = file_path(url)?;
        // The folder above is looked up, because the path itself need not exist.
        let (Some(name), Some(above)) = (given.file_name(), given.parent()) else {
            return Err(CubeError::invalid(url, "the path does not end in a name")
                .remedy("give the path of a new folder, for example cubes/sst.zarr"));
        };
        // The parent of a bare name is an empty path.
        let above = resolve(&FilePath::new(".").join(above));
        let above = above.map_err(|error| file_error(url, &error))?;
        let file = above.join(name);
        match std::fs::metadata(&above) {
            Ok(above) if !above.is_dir() => {
                Err(CubeError::invalid(url, "the path leads through a file")
                    .remedy("choose a path in a folder"))
            }
            Ok(_) => location(url, &file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let above = above.display();
                Err(
                    CubeError::not_found(url, format!("the folder {above} does not exist"))
                        .remedy("create it first; a relative path starts at the current folder"),
                )
            }
            Err(error) => Err(file_error(url, &error)),
        }
    }
}

fn location(url: &str, file: &FilePath) -> CubeResult<Location> {
    let path = Path::from_absolute_path(file)
        .map_err(|error| CubeError::invalid(url, format!("not a usable path: {error}")))?;
    Ok(Location {
        store: Arc::new(LocalFileSystem::new()),
        path,
        url: file.display().to_string(),
        listable: true,
        missing_is_403: false,
        local: true,
        as_of: None,
    })
}

/// The path in a `file:` URL, or the plain path with a leading `~/` replaced by the home folder.
fn file_path(url: &str) -> CubeResult<PathBuf> {
    if url.trim().is_empty() {
        return Err(CubeError::invalid("", "the path is empty").remedy("give a folder or a file"));
    }
    if url.starts_with("file:") {
        return Url::parse(url)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .ok_or_else(|| {
                CubeError::invalid(url, "the file URL is malformed")
                    .remedy("write file:///absolute/path, or the plain path")
            });
    }
    let home = || environment("HOME").map(PathBuf::from);
    let below_home = match url {
        "~" => home(),
        _ => url
            .strip_prefix("~/")
            .and_then(|rest| Some(home()?.join(rest))),
    };
    Ok(below_home.unwrap_or_else(|| PathBuf::from(url)))
}

/// The absolute path. `..` is looked up, not cut off: after a symbolic link it means another folder.
fn resolve(path: &FilePath) -> io::Result<PathBuf> {
    let absolute = if path.components().any(|part| part == Component::ParentDir) {
        let existing = without_wildcards(path);
        let wildcards = path.strip_prefix(&existing).unwrap_or(FilePath::new(""));
        existing.canonicalize()?.join(wildcards)
    } else {
        std::path::absolute(path)?
    };
    // Collecting the components drops a trailing slash.
    Ok(absolute.components().collect())
}

/// The longest part of the path without `*`, `?`, `[` or `{`.
fn without_wildcards(path: &FilePath) -> PathBuf {
    path.components()
        .take_while(|part| {
            !part
                .as_os_str()
                .to_string_lossy()
                .contains(['*', '?', '[', '{'])
        })
        .collect()
}

fn file_error(place: &str, error: &io::Error) -> CubeError {
    match error.kind() {
        io::ErrorKind::NotFound => CubeError::not_found(place, "no such file or folder")
            .remedy("check the spelling; a relative path starts at the current folder"),
        io::ErrorKind::PermissionDenied => {
            CubeError::new(ErrorKind::Denied, place, "permission is denied")
                .remedy("make it readable for the user who runs this program")
        }
        _ => CubeError::new(ErrorKind::Unavailable, place, error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn paths() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/cube~1 [a]")).unwrap();
        std::fs::write(root.join("real/cube~1 [a]/x"), "abc").unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let root = root.to_str().unwrap();

        for (given, shown) in [
            (format!("{root}/real"), format!("{root}/real")),
            (format!("{root}/real/"), format!("{root}/real")),
            (format!("{root}/./real"), format!("{root}/real")),
            (format!("{root}/link"), format!("{root}/link")),
            (format!("{root}/link/.."), root.to_string()),
            (format!("file://{root}/real"), format!("{root}/real")),
            (
                format!("file://{root}/real/cube~1%20[a]"),
                format!("{root}/real/cube~1 [a]"),
            ),
            (
                format!("{root}/real/2017*.nc"),
                format!("{root}/real/2017*.nc"),
            ),
            (format!("{root}/link/../real/*"), format!("{root}/real/*")),
        ] {
            let location = FileStore.connect(&given, &Options::new()).unwrap();
            assert_eq!(location.url, shown, "{given}");
            assert!(location.listable);
        }

        // What is new need not be in a folder that is named.
        let here = std::env::current_dir().unwrap();
        for new in ["sst.nc", "./sst.nc"] {
            let location = FileStore.connect_new(new, &Options::new()).unwrap();
            assert_eq!(location.url, here.join("sst.nc").display().to_string());
        }

        let link = FileStore
            .connect(&format!("{root}/link"), &Options::new())
            .unwrap();
        let found: Vec<_> = link
            .store
            .list(Some(&link.path))
            .try_collect()
            .await
            .unwrap();
        assert_eq!(found.len(), 1);
        let bytes = link
            .store
            .get(&found[0].location)
            .await
            .unwrap()
            .bytes()
            .await;
        assert_eq!(bytes.unwrap(), "abc");
    }

    #[test]
    fn places_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("old.zarr")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        let root = root.to_str().unwrap();
        for (given, expected) in [
            ("new.zarr", Ok("new.zarr")),
            ("new.zarr/", Ok("new.zarr")),
            ("old.zarr", Ok("old.zarr")),
            ("old.zarr/../a b~1.zarr", Ok("a b~1.zarr")),
            ("none/new.zarr", Err("/none does not exist")),
            ("file/new.zarr", Err("through a file")),
            ("file", Ok("file")),
            ("new/..", Err("end in a name")),
        ] {
            let found = FileStore.connect_new(&format!("{root}/{given}"), &Options::new());
            match (found, expected) {
                (Ok(found), Ok(name)) => assert_eq!(found.url, format!("{root}/{name}")),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{given}: {error}");
                }
                (found, _) => panic!("{given}: {found:?}"),
            }
        }
    }

    #[test]
    fn absent_places() {
        for (given, kind, part) in [
            (
                "/nonexistent/cubes",
                ErrorKind::NotFound,
                "no such file or folder",
            ),
            (
                "/nonexistent/../x",
                ErrorKind::NotFound,
                "no such file or folder",
            ),
            (
                "/nonexistent/2017*.nc",
                ErrorKind::NotFound,
                "check the spelling",
            ),
            ("file://host/share", ErrorKind::Invalid, "malformed"),
            ("", ErrorKind::Invalid, "empty"),
        ] {
            let error = FileStore.connect(given, &Options::new()).unwrap_err();
            assert_eq!(error.kind(), kind, "{given}: {error}");
            assert!(error.to_string().contains(part), "{given}: {error}");
        }
        let denied = file_error("/data", &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(denied.kind(), ErrorKind::Denied);
    }
}
