//! Stores in the memory of this process: `memory://NAME/path`.
//!
//! Whoever connects to the same name sees the same objects, for as long as the process lives.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Location, Options, StoreConnector};
use object_store::memory::InMemory;

use super::address::Address;
use super::options::StoreOptions;

/// Connects to the memory of this process.
#[derive(Debug)]
pub(super) struct MemoryStore;

static STORES: LazyLock<Mutex<HashMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);

impl StoreConnector for MemoryStore {
    fn kinds(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn options(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn connect(&self, url: &str, options: &Options) -> CubeResult<Location> {
        StoreOptions::check(self, url, options)?;
        let Address { container, path } = Address::parse(url)?;
        if container.contains('@') {
            return Err(CubeError::invalid(url, "a name in memory has no user name")
                .remedy("write memory://NAME/path"));
        }
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        let store = Arc::clone(stores.entry(container.clone()).or_default());
        Ok(Location {
            store,
            url: format!("memory://{container}/{path}")
                .trim_end_matches('/')
                .to_string(),
            path,
            listable: true,
            missing_is_403: false,
            local: false,
            as_of: None,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use object_store::ObjectStoreExt;

    use super::*;

    #[tokio::test]
    async fn a_name_is_one_store_for_the_whole_process() {
        let none = Options::new();
        let writer = MemoryStore.connect("memory://shared/cubes", &none).unwrap();
        let object = writer.child("a").path;
        writer.store.put(&object, "abc".into()).await.unwrap();

        let reader = MemoryStore.connect("memory://shared", &none).unwrap();
        let found = reader.store.get(&reader.child("cubes/a").path).await;
        assert_eq!(found.unwrap().bytes().await.unwrap(), "abc");
        assert_eq!(reader.child("cubes").url, writer.url);

        let other = MemoryStore.connect("memory://other/cubes", &none).unwrap();
        assert!(other.store.head(&object).await.is_err());
    }
}
