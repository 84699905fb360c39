//! A store in memory that counts its requests and can deny them: [`Observed`].

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use datafusion::object_store::memory::InMemory;
use datafusion::object_store::path::Path as StorePath;
use datafusion::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::StreamExt;
use futures::stream::BoxStream;
use graticule_engine::source::Location;

use crate::zarr::wait;

/// A store in memory.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    objects: InMemory,
    /// Requests that read an object.
    pub(crate) reads: AtomicUsize,
    /// Answer "denied", not "not found", for objects that do not exist.
    pub(crate) denies_missing: AtomicBool,
    /// Answer "denied" to every read.
    pub(crate) denies_all: AtomicBool,
}

impl Observed {
    /// A store with these objects.
    pub(crate) fn with(objects: &[(&str, &[u8])]) -> Arc<Self> {
        let store = Arc::new(Self::default());
        for (path, bytes) in objects {
            store.put_bytes(path, bytes);
        }
        store
    }

    /// A store with a copy of a local folder.
    pub(crate) fn copy_of(folder: &Path) -> Arc<Self> {
        let store = Arc::new(Self::default());
        store.copy_folder(folder, "");
        store
    }

    fn copy_folder(&self, folder: &Path, prefix: &str) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            match entry.file_type().unwrap().is_dir() {
                true => self.copy_folder(&entry.path(), &format!("{path}/")),
                false => self.put_bytes(&path, &std::fs::read(entry.path()).unwrap()),
            }
        }
    }

    /// Writes an object.
    pub(crate) fn put_bytes(&self, path: &str, bytes: &[u8]) {
        let payload = PutPayload::from(bytes.to_vec());
        wait(self.objects.put(&StorePath::from(path), payload)).unwrap();
    }

    /// The bytes of an object.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let result = wait(self.objects.get(&StorePath::from(path))).unwrap();
        wait(result.bytes()).unwrap().to_vec()
    }

    /// The paths of all objects.
    pub(crate) fn paths(&self) -> Vec<String> {
        let objects: Vec<_> = wait(self.objects.list(None).collect());
        let path = |object: Result<ObjectMeta>| object.unwrap().location.to_string();
        objects.into_iter().map(path).collect()
    }

    /// The root of the store as the place of a cube.
    pub(crate) fn location(self: &Arc<Self>, listable: bool) -> Location {
        Location {
            store: Arc::clone(self) as Arc<dyn ObjectStore>,
            path: StorePath::default(),
            url: "memory://cube".to_string(),
            listable,
            missing_is_403: false,
            local: false,
            as_of: None,
        }
    }

    /// The number of reads since the last call.
    pub(crate) fn take_reads(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an observed store")
    }
}

fn denied(path: &StorePath) -> Error {
    Error::PermissionDenied {
        path: path.to_string(),
        source: "the server answered 403".into(),
    }
}

#[async_trait::async_trait]
impl ObjectStore for Observed {
    async fn put_opts(
        &self,
        path: &StorePath,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.objects.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &StorePath,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &StorePath, options: GetOptions) -> Result<GetResult> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        // Lets other readers run in between, as a network does.
        tokio::task::yield_now().await;
        if self.denies_all.load(Ordering::SeqCst) {
            return Err(denied(path));
        }
        match self.objects.get_opts(path, options).await {
            Err(Error::NotFound { .. }) if self.denies_missing.load(Ordering::SeqCst) => {
                Err(denied(path))
            }
            result => result,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<StorePath>>,
    ) -> BoxStream<'static, Result<StorePath>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &StorePath,
        to: &StorePath,
        options: CopyOptions,
    ) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
