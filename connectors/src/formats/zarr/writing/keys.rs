//! The names of an array's objects: [`ChunkKeys`]. Two states of a cube never share one.
//!
//! ```text
//!  state 1   c/0/0  c/0/1  …      scalars: c
//!  state 2   c.0.0  c.0.1  …      scalars: 0
//!  state 3   c/0/0  c/0/1  …      again, after those of state 1 are removed
//! ```
//!
//! Zarr ties the name of an object to the number of its chunk, but the metadata of the array choose how
//! the name is made. So the objects of a new state can lie beside those that readers see, and new
//! metadata switch from these to those.

use serde_json::{Value, json};

use super::super::hierarchy::Node;

/// How the name of an object is made from the number of its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChunkKeys {
    /// `c/0/1` or `c.0.1`, as the separator is.
    Default(char),
    /// `0.1` or `0/1`, the names of Zarr v2.
    V2(char),
}

impl ChunkKeys {
    /// The keys that a stored array has. `None` for those that nobody but their inventor knows.
    pub(super) fn of(array: &Node) -> Option<Self> {
        let separator = |value: Option<&Value>, default: char| match value {
            None | Some(Value::Null) => Some(default),
            Some(value) => match value.as_str()? {
                "/" => Some('/'),
                "." => Some('.'),
                _ => None,
            },
        };
        match array {
            Node::Group(_) => None,
            Node::ArrayV2(array, _) => {
                separator(array.get("dimension_separator"), '.').map(Self::V2)
            }
            Node::ArrayV3(array) => {
                let Some(encoding) = array.get("chunk_key_encoding") else {
                    return Some(Self::Default('/'));
                };
                let name = encoding.as_str().or_else(|| encoding.get("name")?.as_str());
                let configured = encoding
                    .get("configuration")
                    .and_then(|configuration| configuration.get("separator"));
                match name? {
                    "default" => separator(configured, '/').map(Self::Default),
                    "v2" => separator(configured, '.').map(Self::V2),
                    _ => None,
                }
            }
        }
    }

    /// Keys for an array of `rank` dimensions that differ from all those that `current`, the keys and
    /// the number of dimensions of the array in the visible state, can make; on file systems, also none
    /// is the folder of another.
    pub(super) fn after(current: Option<(Self, usize)>, rank: usize) -> Self {
        let begins_with_c_alone = match current {
            Some((Self::Default('/'), _)) => true,
            Some((Self::Default(_), of_scalar)) => of_scalar == 0,
            Some((Self::V2(_), _)) | None => false,
        };
        match (begins_with_c_alone, rank) {
            (false, _) => Self::Default('/'),
            (true, 0) => Self::V2('.'),
            (true, _) => Self::Default('.'),
        }
    }

    /// The `chunk_key_encoding` of Zarr v3.
    pub(super) fn metadata(self) -> Value {
        let (name, separator) = match self {
            Self::Default(separator) => ("default", separator),
            Self::V2(separator) => ("v2", separator),
        };
        json!({"name": name, "configuration": {"separator": separator.to_string()}})
    }

    /// The name of the object at `index`, below the folder of the array.
    pub(super) fn key(self, index: &[u64]) -> String {
        let separator = match self {
            Self::Default(separator) | Self::V2(separator) => separator.to_string(),
        };
        let mut parts: Vec<String> = index.iter().map(u64::to_string).collect();
        match self {
            Self::Default(_) => parts.insert(0, "c".to_string()),
            Self::V2(_) if parts.is_empty() => parts.push("0".to_string()),
            Self::V2(_) => {}
        }
        parts.join(&separator)
    }

    /// The number of the chunk whose object is called `key`, if it is one of an array that has `counts`
    /// objects along its dimensions.
    pub(super) fn index(self, key: &str, counts: &[u64]) -> Option<Vec<u64>> {
        let numbers: Vec<&str> = match self {
            Self::Default(separator) => {
                let mut parts = key.split(separator);
                if parts.next() != Some("c") {
                    return None;
                }
                parts.collect()
            }
            Self::V2(_) if counts.is_empty() => return (key == "0").then(Vec::new),
            Self::V2(separator) => key.split(separator).collect(),
        };
        let numbers: Option<Vec<u64>> = numbers.iter().map(|text| text.parse().ok()).collect();
        let index = numbers.filter(|index| index.len() == counts.len())?;
        let is_within = index.iter().zip(counts).all(|(at, count)| at < count);
        (is_within && self.key(&index) == key).then_some(index)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALL: [ChunkKeys; 4] = [
        ChunkKeys::Default('/'),
        ChunkKeys::Default('.'),
        ChunkKeys::V2('.'),
        ChunkKeys::V2('/'),
    ];

    #[test]
    fn keys_lead_back_to_their_chunks() {
        let cases: [(ChunkKeys, &[u64], &str); 7] = [
            (ChunkKeys::Default('/'), &[1, 20], "c/1/20"),
            (ChunkKeys::Default('.'), &[1, 20], "c.1.20"),
            (ChunkKeys::Default('/'), &[], "c"),
            (ChunkKeys::Default('.'), &[], "c"),
            (ChunkKeys::V2('.'), &[1, 20], "1.20"),
            (ChunkKeys::V2('/'), &[3], "3"),
            (ChunkKeys::V2('.'), &[], "0"),
        ];
        for (keys, index, key) in cases {
            assert_eq!(keys.key(index), key);
            let counts: Vec<u64> = index.iter().map(|at| at + 1).collect();
            assert_eq!(keys.index(key, &counts).unwrap(), index, "{key}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for key in [
            "c/1",
            "c/1/20/3",
            "c/01/2",
            "c/1/21",
            "c/2/0",
            "c.1.2",
            "1/2",
            "zarr.json",
            "",
            "c",
            "c//1",
            "c/+1/2",
            "d/0/0",
            "c/0/0#1",
        ] {
            assert_eq!(ChunkKeys::Default('/').index(key, &[2, 21]), None, "{key}");
        }
        assert_eq!(ChunkKeys::V2('.').index("0", &[]), Some(vec![]));
        assert_eq!(ChunkKeys::V2('.').index("1", &[]), None);
    }

    /// Whatever the dimensions before and after, no key and no folder is shared.
    #[test]
    fn states_share_no_keys() {
        let indices: [&[u64]; 4] = [&[], &[0], &[0, 0], &[0, 0, 0]];
        for before in ALL {
            for old in indices {
                for new in indices {
                    let after = ChunkKeys::after(Some((before, old.len())), new.len());
                    let (old, new) = (before.key(old), after.key(new));
                    let is_above = |folder: &str, key: &str| {
                        key == folder || key.starts_with(&format!("{folder}/"))
                    };
                    assert!(
                        !is_above(&old, &new) && !is_above(&new, &old),
                        "{old} {new}"
                    );
                }
            }
        }
        assert_eq!(ChunkKeys::after(None, 2), ChunkKeys::Default('/'));
    }

    #[test]
    fn keys_of_stored_arrays() {
        let v3 = |encoding: Value| {
            let array = json!({"chunk_key_encoding": encoding});
            ChunkKeys::of(&Node::ArrayV3(array.as_object().unwrap().clone()))
        };
        for keys in ALL {
            assert_eq!(v3(keys.metadata()), Some(keys));
        }
        assert_eq!(v3(json!("default")), Some(ChunkKeys::Default('/')));
        assert_eq!(v3(json!({"name": "v2"})), Some(ChunkKeys::V2('.')));
        assert_eq!(v3(json!({"name": "fanout"})), None);
        let v2 = json!({"dimension_separator": "/"});
        let v2 = Node::ArrayV2(v2.as_object().unwrap().clone(), Default::default());
        assert_eq!(ChunkKeys::of(&v2), Some(ChunkKeys::V2('/')));
    }
}
