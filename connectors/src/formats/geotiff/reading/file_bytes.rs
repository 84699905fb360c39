//! The bytes of a file's metadata: [`FileBytes`] reads the beginning once, and of the rest what is asked for.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use graticule_engine::error::CubeResult;

use super::damaged;
use crate::formats::stored_file::StoredFile;

/// Bytes at the beginning that are read at once: all metadata of most cloud optimized files.
const HEAD_BYTES: u64 = 64 << 10;
/// What is missing is read in blocks of at least this many bytes, because directories and their values
/// stand together.
const BLOCK_BYTES: u64 = 16 << 10;
/// The most bytes that the values of a tag may have.
const MOST_BYTES: u64 = 64 << 20;

/// What has been read of a file so far, or of a part of a file that is one by itself.
#[derive(Debug)]
pub(in crate::formats) struct FileBytes {
    file: Arc<StoredFile>,
    /// The part; places are counted from its first byte.
    part: Range<u64>,
    /// First byte and bytes of each block.
    blocks: Vec<(u64, Bytes)>,
}

impl FileBytes {
    /// Reads the beginning of the file.
    pub(in crate::formats) async fn of(file: Arc<StoredFile>) -> CubeResult<Self> {
        let all = 0..file.size;
        Self::within(file, all).await
    }

    /// Reads the beginning of a part of the file.
    pub(in crate::formats) async fn within(
        file: Arc<StoredFile>,
        part: Range<u64>,
    ) -> CubeResult<Self> {
        let end = part.end.min(part.start.saturating_add(HEAD_BYTES));
        let head = match end > part.start {
            false => Bytes::new(),
            true => file.read(&[part.start..end]).await?,
        };
        Ok(Self {
            file,
            part,
            blocks: vec![(0, head)],
        })
    }

    /// Bytes in all.
    pub(in crate::formats) fn size(&self) -> u64 {
        self.part.end.saturating_sub(self.part.start)
    }

    /// `length` bytes from `start` on, where they have been read already.
    pub(super) fn held(&self, start: u64, length: u64) -> Option<Bytes> {
        self.blocks.iter().find_map(|(first, bytes)| {
            let from = usize::try_from(start.checked_sub(*first)?).ok()?;
            let to = from.checked_add(usize::try_from(length).ok()?)?;
            (to <= bytes.len()).then(|| bytes.slice(from..to))
        })
    }

    /// `length` bytes from `start` on.
    ///
    /// # Errors
    /// They are not in the file, or more than metadata have; or the store failed.
    pub(in crate::formats) async fn get(&mut self, start: u64, length: u64) -> CubeResult<Bytes> {
        if let Some(bytes) = self.held(start, length) {
            return Ok(bytes);
        }
        let size = self.size();
        let end = start.saturating_add(length);
        if end > size || length > MOST_BYTES {
            return Err(damaged(format!(
                "its metadata point to the bytes {start} to {end}, and it has {size}"
            )));
        }
        let end = end.max(start.saturating_add(BLOCK_BYTES)).min(size);
        let first = self.part.start;
        let block = self.file.read(&[first + start..first + end]).await?;
        let wanted = block.slice(..usize::try_from(length).unwrap_or(block.len()));
        self.blocks.push((start, block));
        Ok(wanted)
    }

    /// Lets go of what ends before `start`: who walks through a file does not go back.
    pub(in crate::formats) fn forget_before(&mut self, start: u64) {
        let ends_later =
            |(first, bytes): &(u64, Bytes)| first.saturating_add(bytes.len() as u64) > start;
        self.blocks.retain(ends_later);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use graticule_engine::source::Location;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt, PutPayload};

    use super::*;

    #[tokio::test]
    async fn blocks_that_lie_behind_are_let_go() {
        let path = Path::from("sample.tif");
        let store = InMemory::new();
        let content: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        let payload = PutPayload::from(content.clone());
        store.put(&path, payload).await.unwrap();
        let location = Location {
            store: Arc::new(store),
            path,
            url: "memory://sample.tif".to_string(),
            listable: true,
            missing_is_403: false,
            local: false,
            as_of: None,
        };
        let file = StoredFile::find(&location).await.unwrap();
        let mut bytes = FileBytes::of(Arc::new(file)).await.unwrap();
        for at in [100_000_usize, 150_000, 10] {
            let read = bytes.get(at as u64, 4).await.unwrap();
            assert_eq!(read.as_ref(), &content[at..at + 4]);
        }
        assert_eq!(bytes.blocks.len(), 3);
        bytes.forget_before(150_002);
        assert_eq!(bytes.blocks.len(), 1);
        for at in [150_002_usize, 10] {
            let read = bytes.get(at as u64, 4).await.unwrap();
            assert_eq!(read.as_ref(), &content[at..at + 4]);
        }
    }
}
