//! JSON as Python writes it: the bare words `NaN`, `Infinity` and `-Infinity` are numbers there.
//!
//! They become the strings of the same text, as in [`Attributes`](graticule_engine::source::Attributes).

use graticule_engine::error::{CubeError, CubeResult};
use serde_json::{Map, Value};

/// Parses a JSON object. `place` names it in errors.
pub(crate) fn parse_object(bytes: &[u8], place: &str) -> CubeResult<Map<String, Value>> {
    let parsed = serde_json::from_slice(bytes)
        .or_else(|error| match std::str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(&quote_bare_floats(text)).map_err(|_| error),
            Err(_) => Err(error),
        })
        .map_err(|error| {
            CubeError::corrupt(place, format!("the metadata are not valid JSON: {error}"))
                .remedy("the file may be truncated; copy it again from its source")
        })?;
    match parsed {
        Value::Object(object) => Ok(object),
        _ => Err(CubeError::corrupt(
            place,
            "the metadata are not a JSON object",
        )),
    }
}

/// Puts quotes around `NaN`, `Infinity` and `-Infinity` outside of strings.
pub(crate) fn quote_bare_floats(text: &str) -> String {
    let mut result = String::with_capacity(text.len() + 64);
    let mut rest = text;
    'next: while let Some(character) = rest.chars().next() {
        if character == '"' {
            let end = end_of_string(rest);
            let (string, after) = rest.split_at(end);
            result.push_str(string);
            rest = after;
            continue;
        }
        for word in ["NaN", "-Infinity", "Infinity"] {
            if let Some(after) = rest.strip_prefix(word) {
                result.push('"');
                result.push_str(word);
                result.push('"');
                rest = after;
                continue 'next;
            }
        }
        result.push(character);
        rest = &rest[character.len_utf8()..];
    }
    result
}

/// Where the string literal at the start of `text` ends, after its closing quote.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bare_floats_become_strings() {
        let cases = [
            (r#"{"a": NaN}"#, r#"{"a":"NaN"}"#),
            (
                r#"{"a": [1, -Infinity, Infinity], "NaN": "is \"NaN\" here"}"#,
                r#"{"a":[1,"-Infinity","Infinity"],"NaN":"is \"NaN\" here"}"#,
            ),
            (r#"{"a": 1}"#, r#"{"a":1}"#),
        ];
        for (text, expected) in cases {
            let object = parse_object(text.as_bytes(), "here").unwrap();
            assert_eq!(serde_json::to_string(&object).unwrap(), expected);
        }
    }

    #[test]
    fn broken_text_is_corrupt_and_names_the_place() {
        for text in [r#"{"a": N"#, "", "[1]", "{\"a\": \"\\", "\u{0}"] {
            let error = parse_object(text.as_bytes(), "store, .zattrs").unwrap_err();
            assert!(error.to_string().contains("store, .zattrs"), "{error}");
        }
    }
}
