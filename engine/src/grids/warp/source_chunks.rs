//! Chunks of a variable for whoever looks at neighbouring ones again and again: [`SourceChunks`].

use std::sync::Arc;

use crate::cache::{BlockCache, BlockKey};
use crate::cube::Variable;
use crate::cube::block::Block;
use crate::error::CubeResult;
use crate::source::{EncodedChunk, Payload};

/// A variable, and where its decoded chunks are kept, whatever the size of the scan.
#[derive(Debug, Clone)]
pub(crate) struct SourceChunks {
    pub(crate) variable: Variable,
    pub(crate) blocks: Arc<BlockCache>,
}

impl SourceChunks {
    fn key(&self, index: &[u64]) -> Option<BlockKey> {
        Some(BlockKey {
            array: self.variable.origin.clone()?,
            chunk: index.into(),
        })
    }

    /// The chunk at `index`: as it was decoded before, or its bytes. `None` when it is not stored.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn fetch(&self, index: &[u64]) -> CubeResult<Option<EncodedChunk>> {
        let kept = self.key(index).and_then(|key| self.blocks.get(&key));
        match kept {
            Some(block) => Ok(Some(EncodedChunk {
                bytes_fetched: 0,
                payload: Payload::Kept(block),
            })),
            None => self.variable.fetch(index).await,
        }
    }

    /// The values of what [`SourceChunks::fetch`] gave for the same `index`.
    ///
    /// # Errors
    /// The bytes cannot be decoded.
    pub(crate) fn decode(
        &self,
        index: &[u64],
        chunk: Option<EncodedChunk>,
    ) -> CubeResult<Arc<Block>> {
        let chunk = match chunk {
            Some(EncodedChunk {
                payload: Payload::Kept(block),
                ..
            }) => return Ok(block),
            chunk => chunk,
        };
        let decode = || self.variable.decode(index, chunk).map(Arc::new);
        match self.key(index) {
            Some(key) => self.blocks.get_or_decode(&key, decode),
            None => decode(),
        }
    }
}
