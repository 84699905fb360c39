//! Reads sets of references that are one JSON file, of versions 0 and 1: [`parse`].
//!
//! ```text
//!  0   {"sst/.zarray": "{…}", "sst/0.0": ["s3://…/a.nc", 8192, 4096], …}
//!  1   {"version": 1, "templates": {…}, "gen": […], "refs": {…as above…}}
//!
//!  file ─▶ serde, reference by reference ─▶ TableBuilder ─▶ templates in URLs ─▶ gen ─▶ ReferenceTable
//! ```
//! No tree of the file is built but of some small parts, and no text is copied that the table does not keep: such files
//! have hundreds of megabytes.
//!
//! Source: the specification in the documentation of kerchunk, <https://fsspec.github.io/kerchunk/spec.html>.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufReader, Read};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::read::GzDecoder;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::generated::{Generator, generate};
use super::references::{ReferenceTable, TableBuilder, range_of};
use super::templates::{Template, Templates};
use crate::formats::zarr::json::quote_bare_floats;

/// What stands before text that is bytes in base64.
const BASE64: &str = "base64:";

/// Bytes of a file that is packed with gzip, when it is unpacked.
const LARGEST_UNPACKED: u64 = 2 << 30;

/// Bytes in memory, about, of what is read as a tree: templates, generators and objects that are metadata.
const LARGEST_TREES: usize = 128 << 20;

/// Reads the bytes of a file, which may be packed with gzip.
///
/// # Errors
/// No JSON, or no set of references; the cause in words.
pub(super) fn parse(bytes: &[u8]) -> Result<ReferenceTable, String> {
    let read = match bytes {
        [0x1f, 0x8b, ..] => {
            let unpacked = GzDecoder::new(bytes).take(LARGEST_UNPACKED);
            ReferenceSet::read(&mut serde_json::Deserializer::from_reader(BufReader::new(
                unpacked,
            )))
        }
        _ => {
            let read = ReferenceSet::read(&mut serde_json::Deserializer::from_slice(bytes));
            read.or_else(|error| match std::str::from_utf8(bytes) {
                // Python writes the numbers that JSON lacks as bare words.
                Ok(text) if error.is_syntax() => {
                    let text = quote_bare_floats(text);
                    let mut again = serde_json::Deserializer::from_str(&text);
                    ReferenceSet::read(&mut again).map_err(|_| error)
                }
                _ => Err(error),
            })
        }
    };
    read.map_err(|error| format!("the file is no set of references: {error}"))?
        .table()
}

/// What a file holds.
#[derive(Debug)]
struct ReferenceSet {
    version: Option<u64>,
    templates: BTreeMap<String, String>,
    generators: Vec<Generator>,
    references: TableBuilder,
    /// Bytes that trees may still take.
    left: usize,
}

impl ReferenceSet {
    fn read<'de, R: serde_json::de::Read<'de>>(
        json: &mut serde_json::Deserializer<R>,
    ) -> serde_json::Result<Self> {
        let mut set = Self {
            version: None,
            templates: BTreeMap::new(),
            generators: Vec::new(),
            references: TableBuilder::default(),
            left: LARGEST_TREES,
        };
        json.deserialize_any(WholeSet(&mut set))?;
        json.end()?;
        Ok(set)
    }

    fn table(mut self) -> Result<ReferenceTable, String> {
        if let Some(version @ 2..) = self.version {
            return Err(format!("version {version} of reference sets is not known"));
        }
        let templates = Templates::parse(&self.templates)?;
        self.references.complete_urls(|url| {
            if !url.contains("{{") {
                return Ok(None);
            }
            templates.render(&Template::parse(url)?, &[]).map(Some)
        })?;
        generate(&self.generators, &templates, &mut self.references)?;
        Ok(self.references.finish())
    }
}

/// Text that is borrowed from the file where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The object that is the file.
struct WholeSet<'a>(&'a mut ReferenceSet);

impl<'de> Visitor<'de> for WholeSet<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with references")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let set = self.0;
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            match key.as_ref() {
                "version" => set.version = map.next_value()?,
                "templates" => {
                    let tree = map.next_value_seed(Tree(&mut set.left))?;
                    set.templates = serde_json::from_value(tree).map_err(A::Error::custom)?;
                }
                "gen" => {
                    let tree = map.next_value_seed(Tree(&mut set.left))?;
                    set.generators = serde_json::from_value(tree).map_err(A::Error::custom)?;
                }
                "refs" => map.next_value_seed(AllReferences {
                    references: &mut set.references,
                    left: &mut set.left,
                })?,
                key => map.next_value_seed(OneReference {
                    key,
                    references: &mut set.references,
                    left: &mut set.left,
                })?,
            }
        }
        Ok(())
    }
}

/// The object whose keys are those of the cube.
struct AllReferences<'a> {
    references: &'a mut TableBuilder,
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for AllReferences<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AllReferences<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with references")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            map.next_value_seed(OneReference {
                key: &key,
                references: &mut *self.references,
                left: &mut *self.left,
            })?;
        }
        Ok(())
    }
}

/// What is behind a key.
struct OneReference<'a> {
    key: &'a str,
    references: &'a mut TableBuilder,
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for OneReference<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneReference<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "text, an object or [url, offset, length] for the key {:?}",
            self.key
        )
    }

    /// Text is what the key stands for.
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let added = match text.strip_prefix(BASE64) {
            None => self.references.bytes(self.key, text.as_bytes()),
            Some(encoded) => {
                let bytes = BASE64_STANDARD.decode(encoded.trim_end());
                let bytes = bytes.map_err(|_| {
                    E::custom(format!("the text of the key {:?} is not base64", self.key))
                })?;
                self.references.bytes(self.key, &bytes)
            }
        };
        added.map_err(E::custom)
    }

    /// An object is metadata.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let object = Tree(self.left).visit_map(map)?;
        let text = serde_json::to_vec(&object).map_err(A::Error::custom)?;
        self.references
            .bytes(self.key, &text)
            .map_err(A::Error::custom)
    }

    /// A file, or a range of one.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let wrong = || {
            A::Error::custom(format!(
                "the reference of the key {:?} is not [url, offset, length]",
                self.key
            ))
        };
        let Text(url) = list.next_element::<Text<'de>>()?.ok_or_else(wrong)?;
        let offset = list.next_element::<Option<u64>>()?.flatten();
        let length = list.next_element::<Option<u64>>()?.flatten();
        if list.next_element::<IgnoredAny>()?.is_some() {
            return Err(wrong());
        }
        let range = match (offset, length) {
            (Some(offset), Some(length)) => {
                Some(range_of(offset, length).map_err(A::Error::custom)?)
            }
            (None, None) => None,
            _ => return Err(wrong()),
        };
        self.references
            .file(self.key, &url, range)
            .map_err(A::Error::custom)
    }
}

/// A value with all that is in it, which takes much more memory than its text: its parts are taken away from the bytes
/// that are left.
struct Tree<'a>(&'a mut usize);

impl Tree<'_> {
    fn leaf<E: Error>(self, value: impl Into<Value>) -> Result<Value, E> {
        take::<E>(self.0, 0)?;
        Ok(value.into())
    }
}

/// Takes a value with a text of `length` bytes away from what is left.
fn take<E: Error>(left: &mut usize, length: usize) -> Result<(), E> {
    let rest = left.checked_sub(length + size_of::<Value>());
    *left = rest.ok_or_else(|| {
        let most = LARGEST_TREES >> 20;
        E::custom(format!(
            "templates, generators and objects take more than {most} MiB of memory"
        ))
    })?;
    Ok(())
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.leaf(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.leaf(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.leaf(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.leaf(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        self.leaf(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        take::<E>(self.0, text.len())?;
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        take::<A::Error>(self.0, 0)?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Tree(&mut *self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        take::<A::Error>(self.0, 0)?;
        let mut values = Map::new();
        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
            take::<A::Error>(self.0, key.len())?;
            let value = map.next_value_seed(Tree(&mut *self.0))?;
            values.insert(key.into_owned(), value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::references::Reference;
    use super::*;

    fn shown(text: &str, key: &str) -> Result<String, String> {
        Ok(match parse(text.as_bytes())?.get(key) {
            None => "nothing".to_string(),
            Some(Reference::Inline(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Reference::File { url, range: None }) => url.to_string(),
            Some(Reference::File {
                url,
                range: Some(range),
            }) => format!("{url} {range:?}"),
        })
    }

    #[test]
    fn references() {
        let v1 = r#"{"refs": {"a/0": ["{{u}}/x", 1, 2], "a/1": ["{{f(c='y')}}"]}, "version": 1,
            "templates": {"u": "s3://b", "f": "{{u}}/{{c}}"},
            "gen": [{"key": "g/{{i}}.{{j}}", "url": "{{u}}/{{j}}", "offset": "{{i * 10}}", "length": 10,
                     "dimensions": {"i": {"stop": 2}, "j": ["p", "q"]}}]}"#;
        let bomb = |stop: u64| {
            format!(
                r#"{{"version": 1, "refs": {{}}, "gen": [{{"key": "{{{{i}}}}", "url": "u",
                "dimensions": {{"i": {{"stop": {stop}}}, "j": {{"stop": {stop}}}}}}}]}}"#
            )
        };
        for (text, key, expected) in [
            (r#"{"a/0": ["x", 5, 6]}"#, "a/0", Ok("x 5..11")),
            (r#"{"a/0": ["x"]}"#, "a/0", Ok("x")),
            (r#"{"a/0": ["x", null, null]}"#, "a/0", Ok("x")),
            (r#"{"a/0": "base64:AAEC"}"#, "a/0", Ok("\0\u{1}\u{2}")),
            (r#"{"a/0": "t\"t"}"#, "a/0", Ok("t\"t")),
            (
                r#"{"a/.zarray": {"b": [1]}}"#,
                "a/.zarray",
                Ok(r#"{"b":[1]}"#),
            ),
            (
                r#"{"a": {"fill_value": NaN}}"#,
                "a",
                Ok(r#"{"fill_value":"NaN"}"#),
            ),
            (r#"{"a/0": ["x", 5, 6], "a/0": "y"}"#, "a/0", Ok("y")),
            (r#"{"a/0": ["x", 5, 6]}"#, "a/1", Ok("nothing")),
            (v1, "a/0", Ok("s3://b/x 1..3")),
            (v1, "a/1", Ok("s3://b/y")),
            (v1, "g/1.q", Ok("s3://b/q 10..20")),
            (v1, "g/2.q", Ok("nothing")),
            ("", "", Err("no set of references")),
            ("[1]", "", Err("expected an object with references")),
            (r#"{"a": 1}"#, "a", Err("for the key \"a\"")),
            (r#"{"a": ["x", 5]}"#, "a", Err("not [url, offset, length]")),
            (r#"{"a": []}"#, "a", Err("not [url, offset, length]")),
            (r#"{"a": ["x", -5, 6]}"#, "a", Err("invalid value")),
            (
                r#"{"a": ["x", 5, 18446744073709551615]}"#,
                "a",
                Err("are no range"),
            ),
            (r#"{"a": "base64:A"}"#, "a", Err("not base64")),
            (r#"{"a": ["{{u}}"]}"#, "a", Err("no template \"u\"")),
            (r#"{"version": 2, "refs": {}}"#, "a", Err("version 2")),
            (r#"{"a": "b"} {"#, "a", Err("trailing characters")),
            (
                &bomb(5_000_000_000),
                "0",
                Err("more than 4000000 references"),
            ),
            (&bomb(u64::MAX), "0", Err("are not known")),
        ] {
            match (shown(text, key), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
                (found, expected) => assert_eq!(
                    found,
                    expected.map(str::to_string).map_err(str::to_string),
                    "{text}"
                ),
            }
        }
    }

    #[test]
    fn trees_are_bounded() {
        let many = format!("{}0", "0,".repeat(4_000_000));
        for text in [
            format!(r#"{{"a/.zattrs": {{"b": [{many}]}}}}"#),
            format!(r#"{{"version": 1, "refs": {{}}, "gen": [{many}]}}"#),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains("MiB of memory"), "{error}");
        }
        let nested = r#"{"a": {"b": [1, -2, 0.5, "c", null, true, {"d": []}]}}"#;
        assert_eq!(
            shown(nested, "a").unwrap(),
            r#"{"b":[1,-2,0.5,"c",null,true,{"d":[]}]}"#
        );
    }

    #[test]
    fn packed_files() {
        use std::io::Write;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(br#"{"a/0": ["x", 5, 6]}"#).unwrap();
        let packed = packed.finish().unwrap();
        assert!(parse(&packed).unwrap().get("a/0").is_some());
        assert!(parse(&packed[..packed.len() - 12]).is_err());
    }
}
