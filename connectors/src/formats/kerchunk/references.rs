//! What the keys of a reference set lead to: [`Reference`], and all of them in memory, [`ReferenceTable`].
//!
//! ```text
//!  keys     …sst/0.0sst/0.1…        one text; entries say where each key is in it
//!  entries  key │ place             sorted by key, 40 bytes each
//!  urls     ["s3://…/a.nc", …]      each once
//!  inline   bytes that stand in the set itself
//! ```
//! A set has millions of references to few files, so that nothing is allocated per reference.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// The documents of Zarr that make a folder a group or an array.
const NODE_DOCUMENTS: [&str; 3] = [".zgroup", ".zarray", "zarr.json"];

/// Bytes of a key, and its parts between slashes: every folder above an array is kept as a text of its own.
const LONGEST_KEY: usize = 4096;
const MOST_PARTS: usize = 64;

/// Bytes of texts that templates become, as short ones may stand for very long ones.
pub(super) const LONGEST_TEXTS: usize = 512 << 20;

/// What a key leads to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reference {
    /// Bytes that stand in the set.
    Inline(Bytes),
    /// A file, or a range of its bytes. The URL is as the set has it.
    File {
        url: Arc<str>,
        range: Option<Range<u64>>,
    },
}

/// The bytes of a file from `offset` on.
pub(super) fn range_of(offset: u64, length: u64) -> Result<Range<u64>, String> {
    let end = offset.checked_add(length);
    let end = end.ok_or_else(|| format!("{length} bytes from byte {offset} on are no range"))?;
    Ok(offset..end)
}

/// References in memory.
#[derive(Debug, Default)]
pub(super) struct ReferenceTable {
    keys: String,
    entries: Vec<Entry>,
    urls: Vec<Arc<str>>,
    inline: Bytes,
    nodes: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key_start: u64,
    key_length: u32,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Inline { start: u64, end: u64 },
    Part { url: u32, start: u64, end: u64 },
    Whole { url: u32 },
}

fn key(keys: &str, entry: Entry) -> &str {
    let start = entry.key_start as usize;
    keys.get(start..start + entry.key_length as usize)
        .unwrap_or_default()
}

impl ReferenceTable {
    /// What is behind `wanted`.
    pub(super) fn get(&self, wanted: &str) -> Option<Reference> {
        let found = self
            .entries
            .binary_search_by(|entry| key(&self.keys, *entry).cmp(wanted))
            .ok()?;
        let url = |at: u32| self.urls.get(at as usize).cloned();
        Some(match self.entries.get(found)?.place {
            Place::Inline { start, end } => {
                Reference::Inline(self.inline.slice(start as usize..end as usize))
            }
            Place::Part {
                url: at,
                start,
                end,
            } => Reference::File {
                url: url(at)?,
                range: Some(start..end),
            },
            Place::Whole { url: at } => Reference::File {
                url: url(at)?,
                range: None,
            },
        })
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn size(&self) -> usize {
        size(
            &self.keys,
            self.entries.len(),
            &self.urls,
            self.inline.len(),
        )
    }

    /// The groups and arrays directly below `parent`, without the root.
    pub(super) fn nodes_below(&self, parent: &str) -> Vec<String> {
        let is_child = |path: &&String| {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            above == parent
        };
        self.nodes.iter().filter(is_child).cloned().collect()
    }
}

/// Collects references. A later one replaces an earlier one of the same key.
#[derive(Debug, Default)]
pub(super) struct TableBuilder {
    keys: String,
    entries: Vec<Entry>,
    urls: Vec<Arc<str>>,
    url_numbers: HashMap<Arc<str>, u32>,
    inline: Vec<u8>,
}

impl TableBuilder {
    /// Bytes that the references take in memory so far, about.
    pub(super) fn size(&self) -> usize {
        size(
            &self.keys,
            self.entries.len(),
            &self.urls,
            self.inline.len(),
        )
    }

    /// `key` stands for these bytes.
    pub(super) fn bytes(&mut self, key: &str, bytes: &[u8]) -> Result<(), String> {
        let start = self.inline.len() as u64;
        self.inline.extend_from_slice(bytes);
        let end = self.inline.len() as u64;
        self.add(key, Place::Inline { start, end })
    }

    /// `key` stands for a file or a range of it.
    pub(super) fn file(
        &mut self,
        key: &str,
        url: &str,
        range: Option<Range<u64>>,
    ) -> Result<(), String> {
        let url = self.url(url)?;
        let place = match range {
            None => Place::Whole { url },
            Some(Range { start, end }) => Place::Part { url, start, end },
        };
        self.add(key, place)
    }

    fn url(&mut self, url: &str) -> Result<u32, String> {
        if let Some(known) = self.url_numbers.get(url) {
            return Ok(*known);
        }
        let number = u32::try_from(self.urls.len()).map_err(|_| "there are too many files")?;
        let url: Arc<str> = url.into();
        self.urls.push(Arc::clone(&url));
        self.url_numbers.insert(url, number);
        Ok(number)
    }

    fn add(&mut self, key: &str, place: Place) -> Result<(), String> {
        if key.len() > LONGEST_KEY || key.split('/').count() > MOST_PARTS {
            let start: String = key.chars().take(32).collect();
            return Err(format!(
                "the key {start:?}… has more than {LONGEST_KEY} bytes or {MOST_PARTS} parts"
            ));
        }
        let key_start = self.keys.len() as u64;
        let key_length = u32::try_from(key.len()).map_err(|_| "a key is too long")?;
        self.keys.push_str(key);
        self.entries.push(Entry {
            key_start,
            key_length,
            place,
        });
        Ok(())
    }

    /// The URLs as `complete` makes them, for templates that are known when all references are read.
    pub(super) fn complete_urls(
        &mut self,
        complete: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<(), String> {
        let mut left = LONGEST_TEXTS;
        for url in &mut self.urls {
            if let Some(completed) = complete(url)? {
                left = left.checked_sub(completed.len()).ok_or_else(|| {
                    format!("the URLs with templates become more than {LONGEST_TEXTS} bytes")
                })?;
                *url = completed.into();
            }
        }
        // Numbers stay, names do not: equal URLs may now have several numbers.
        self.url_numbers.clear();
        Ok(())
    }

    pub(super) fn finish(self) -> ReferenceTable {
        let Self {
            mut keys,
            mut entries,
            urls,
            inline,
            ..
        } = self;
        let compare = |a: &Entry, b: &Entry| -> Ordering { key(&keys, *a).cmp(key(&keys, *b)) };
        // Stable, so that the last of equal keys comes last.
        entries.sort_by(compare);
        entries.dedup_by(|later, earlier| {
            let is_same = compare(later, earlier) == Ordering::Equal;
            if is_same {
                earlier.place = later.place;
            }
            is_same
        });
        let nodes = nodes(entries.iter().map(|entry| key(&keys, *entry)));
        keys.shrink_to_fit();
        entries.shrink_to_fit();
        ReferenceTable {
            keys,
            entries,
            urls,
            inline: inline.into(),
            nodes,
        }
    }
}

fn size(keys: &str, entries: usize, urls: &[Arc<str>], inline: usize) -> usize {
    // What an address costs beside its text.
    const ADDRESS: usize = 32;
    let urls: usize = urls.iter().map(|url| url.len() + ADDRESS).sum();
    keys.len() + entries * size_of::<Entry>() + urls + inline
}

/// The folders that hold documents of groups and arrays, and those above them, without the root.
fn nodes<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let mut nodes = BTreeSet::new();
    for key in keys {
        let Some((mut path, name)) = key.rsplit_once('/') else {
            continue;
        };
        if !NODE_DOCUMENTS.contains(&name) {
            continue;
        }
        while nodes.insert(path.to_string()) {
            match path.rsplit_once('/') {
                Some((above, _)) => path = above,
                None => break,
            }
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn later_references_replace_earlier_ones() {
        let mut builder = TableBuilder::default();
        builder.file("b/0", "x", Some(0..4)).unwrap();
        builder.bytes("a/.zarray", b"{}").unwrap();
        builder.file("b/0", "y", None).unwrap();
        builder.bytes("g/b/.zarray", b"{}").unwrap();
        let table = builder.finish();
        let whole = |url: &str| Reference::File {
            url: url.into(),
            range: None,
        };
        assert_eq!(table.get("b/0"), Some(whole("y")));
        let inline = Reference::Inline(Bytes::from_static(b"{}"));
        assert_eq!(table.get("a/.zarray"), Some(inline));
        assert_eq!(table.get("b/1"), None);
        assert_eq!(table.nodes_below(""), ["a", "g"]);
        assert_eq!(table.nodes_below("g"), ["g/b"]);
        assert!(range_of(u64::MAX, 1).is_err());
    }

    #[test]
    fn long_keys_are_refused() {
        for (key, is_good) in [
            ("k".repeat(4096), true),
            ("k".repeat(4097), false),
            (vec!["k"; 64].join("/"), true),
            (vec!["k"; 65].join("/"), false),
        ] {
            let added = TableBuilder::default().bytes(&key, b"{}");
            assert_eq!(added.is_ok(), is_good, "{key}");
        }
    }
}
