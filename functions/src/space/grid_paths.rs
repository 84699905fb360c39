//! Files that the definition of a system names: [`path_in`] finds those that are named by a path.
//!
//! ```text
//!  +nadgrids=BETA2007.gsb        PARAMETERFILE["…", "BETA2007.gsb"]        a name in PROJ's folders
//!  +nadgrids=/etc/passwd         {"value": "../../secret"}                 a path: refused
//! ```
//! PROJ opens whatever file a definition names, and users may write definitions. What is read here is what PROJ reads: its
//! strings, also inside WKT and PROJJSON; and the elements that hold names of files.

use std::mem;

use serde_json::Value;

/// Keys of PROJ strings whose values name files, beside those that end with `grids`.
const FILE_KEYS: [&str; 3] = ["file", "init", "model"];

/// Elements of WKT that name files.
const FILE_ELEMENTS: [&str; 2] = ["PARAMETERFILE", "GEOIDMODEL"];

/// How the name of a geoid's model begins that is one of a file.
const FILE_MODEL: &str = "PROJ ";

/// The first name of a file that could lead out of PROJ's folders.
///
/// # Errors
/// The definition begins as PROJJSON does and is no JSON.
pub(super) fn path_in(definition: &str) -> Result<Option<String>, serde_json::Error> {
    let definition = definition.trim();
    if definition.starts_with('{') {
        return Ok(in_json("", &serde_json::from_str(definition)?));
    }
    let is_wkt = definition.contains(['[', '(']);
    let in_elements = is_wkt.then(|| in_wkt(definition)).flatten();
    Ok(in_elements.or_else(|| in_string(definition)))
}

fn is_path(name: &str) -> bool {
    name.contains(['/', '\\', '~', ':', '"'])
}

/// In a value of PROJJSON that stands under `key`.
fn in_json(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, value)| in_json(key, value)),
        Value::Array(items) => items.iter().find_map(|item| in_json(key, item)),
        Value::String(text) => {
            let is_file = key == "value" || key == "name" && text.starts_with(FILE_MODEL);
            match is_file && is_path(text) {
                true => Some(text.clone()),
                false => in_string(text),
            }
        }
        _ => None,
    }
}

/// In the elements of WKT, read as PROJ does: with straight or printed quotes, or none.
fn in_wkt(text: &str) -> Option<String> {
    // The elements that are open, and whether they name files.
    let mut elements: Vec<(String, bool)> = Vec::new();
    let mut word = String::new();
    let mut closing: Option<char> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (closing, character) {
            (Some('"'), '"') if characters.next_if_eq(&'"').is_some() => word.push('"'),
            (Some(end), character) if character == end => closing = None,
            (Some(_), character) => word.push(character),
            (None, '"') => closing = Some('"'),
            (None, '“') => closing = Some('”'),
            (None, '[' | '(') => {
                let name = mem::take(&mut word).to_ascii_uppercase();
                let has_files = FILE_ELEMENTS.contains(&name.as_str());
                elements.push((name, has_files));
            }
            (None, ',' | ']' | ')') => {
                let found = in_word(&mem::take(&mut word), elements.last_mut());
                if found.is_some() {
                    return found;
                }
                if character != ',' {
                    elements.pop();
                }
            }
            (None, character) if is_space(character) => {}
            (None, character) => word.push(character),
        }
    }
    None
}

/// In a word of an element, which may say of the next one that it names files.
fn in_word(word: &str, element: Option<&mut (String, bool)>) -> Option<String> {
    if let Some((name, has_files)) = element {
        if name.as_str() == "EXTENSION" && word.eq_ignore_ascii_case("PROJ4_GRIDS") {
            *has_files = true;
        }
        // Other models are known by their names, which may hold anything.
        let is_file = *has_files && (name.as_str() != "GEOIDMODEL" || word.starts_with(FILE_MODEL));
        if is_file && is_path(word) {
            return Some(word.to_string());
        }
    }
    in_string(word)
}

/// In a text that is a PROJ string or holds one.
fn in_string(text: &str) -> Option<String> {
    // Some of PROJ's readers take a semicolon for a space.
    [false, true].into_iter().find_map(|is_semicolon_space| {
        let words = text
            .split(|character: char| is_space(character) || is_semicolon_space && character == ';');
        let words = words.map(|word| word.trim_start_matches('+'));
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let mut line = words.join(" ");
        // PROJ leaves out spaces around these.
        for (spaced, sign) in [(" =", "="), ("= ", "="), (" ,", ","), (", ", ",")] {
            line = line.replace(spaced, sign);
        }
        let signs = line.match_indices('=');
        signs
            .filter_map(|(at, _)| line.split_at_checked(at))
            .find_map(|(before, after)| {
                let mut words = before.rsplit(|character: char| !is_of_key(character));
                let key = words.next()?.to_ascii_lowercase();
                let value = after.strip_prefix('=')?.split(' ').next()?;
                // Names in quotes may hold spaces, and are never needed.
                let is_quoted = value.starts_with('"');
                let name = value.split('"').next()?;
                let is_refused = match key.as_str() {
                    // The colon stands between the file and what is looked up in it.
                    "init" => name.contains(['/', '\\', '~']),
                    _ => is_path(name),
                };
                let is_file = key.ends_with("grids") || FILE_KEYS.contains(&key.as_str());
                (is_file && (is_refused || is_quoted)).then(|| value.to_string())
            })
    })
}

fn is_of_key(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// What C's `isspace` takes for space.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\x0b'
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn files_are_named_without_paths() {
        for allowed in [
            "EPSG:3035",
            "urn:ogc:def:crs:EPSG::25832",
            "+proj=longlat +nadgrids=@null",
            "+proj=longlat +nadgrids=@BETA2007.gsb,ntv1_can.dat +title=a/b",
            "+init=epsg:3035",
            r#"BOUNDCRS[PARAMETERFILE["Latitude and longitude difference file","a.gsb"],ID["EPSG",1]]"#,
            r#"VERTCRS["a: b/c",GEOIDMODEL["EGM/96: new"],GEOIDMODEL["PROJ egm96.gtx"],REMARK["https://a.b"]]"#,
            r#"PROJCS["a",EXTENSION["PROJ4","+proj=merc +nadgrids=@null +wktext"],URI["https://a.b/c"]]"#,
            r#"{"name": "a/b: c", "parameters": [{"value": "a.gsb"}, {"value": 1.5}]}"#,
        ] {
            assert_eq!(path_in(allowed).unwrap(), None, "{allowed}");
        }
        for refused in [
            "+proj=longlat +nadgrids=/etc/passwd",
            "proj=longlat nadgrids = a.gsb , @../b.gsb",
            "+proj=longlat +nadgrids= + /a",
            "+proj=longlat +nadgrids= ; /a",
            "+proj=longlat +NADGRIDS=C:a",
            "+proj=longlat +nadgrids=\"a b/c\"",
            "+proj=longlat +nadgrids=\" /a\"",
            "+proj=longlat +nadgrids=a\u{a0}/../b",
            "+proj=longlat +geoidgrids=~/a.gtx",
            "+init=/tmp/a:1",
            "+proj=pipeline +step +proj=hgridshift +grids=a\\b",
            "+proj=pipeline +step +proj=deformation +xy_grids=a/b",
            "+proj=pipeline +step +proj=tinshift +file=./a.json",
            "+proj=pipeline +step +proj=defmodel +model=https://a.b/c",
            r#"BOUNDCRS[ParameterFile ["a","b/c"]]"#,
            "BOUNDCRS(PARAMETERFILE(“a”,“b]/c”))",
            "BOUNDCRS[PARAMETERFILE[a,/b]]",
            r#"VERT_DATUM["a",2005,EXTENSION["PROJ4_GRIDS","/a.gtx"]]"#,
            r#"VERTCRS["a",GEOIDMODEL["PROJ /a.gtx"]]"#,
            r#"PROJCS["a",EXTENSION["PROJ4","+proj=merc +nadgrids=/a"]]"#,
            r#"BOUNDCRS[METHOD["PROJ-based operation method: +proj=hgridshift +grids=/a"]]"#,
            r#"{"parameters": [{"value": "\u002fetc"}]}"#,
            r#"{"geoid_model": {"name": "PROJ ../a.gtx"}}"#,
            r#"{"method": {"name": "PROJ-based operation method: +proj=hgridshift +grids=\/a"}}"#,
        ] {
            assert!(path_in(refused).unwrap().is_some(), "{refused}");
        }
        assert!(path_in("{not json").is_err());
    }
}
