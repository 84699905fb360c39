//! What GDAL keeps in the tag `GDAL_METADATA`: [`Metadata`].
//!
//! ```text
//!  <GDALMetadata>
//!    <Item name="history">…</Item>                                        of the file
//!    <Item name="DESCRIPTION" sample="0" role="description">sst</Item>    what GDAL knows by itself of a band
//!    <Item name="long_name" sample="0">…</Item>                           all else that is said of it
//! ```

use std::collections::BTreeMap;

use graticule_engine::source::Attributes;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesStart, Event};
use serde_json::Value;

/// Names that tell the engine how to read an array. GDAL means other things by the items that have them: those of a
/// file that it converted.
const MEANINGFUL: [&str; 17] = [
    "_FillValue",
    "_Unsigned",
    "add_offset",
    "axis",
    "bounds",
    "calendar",
    "climatology",
    "coordinates",
    "dtype",
    "grid_mapping",
    "missing_value",
    "positive",
    "scale_factor",
    "units",
    "valid_max",
    "valid_min",
    "valid_range",
];

/// What is said of a band.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OfBand {
    pub(super) description: Option<String>,
    pub(super) scale: Option<f64>,
    pub(super) offset: Option<f64>,
    pub(super) units: Option<String>,
    pub(super) attributes: Attributes,
}

/// What is said of the file and its bands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Metadata {
    pub(super) attributes: Attributes,
    /// By the numbers of bands, from 0.
    pub(super) bands: BTreeMap<u64, OfBand>,
}

impl Metadata {
    /// Reads the document up to where it makes no sense any more: it tells nothing that values need.
    pub(super) fn of(document: &str) -> Self {
        let mut metadata = Self::default();
        let mut reader = quick_xml::Reader::from_str(document);
        while let Ok(event) = reader.read_event() {
            match event {
                Event::Eof => break,
                Event::Start(start) if start.name().as_ref() == b"Item" => {
                    let Ok(text) = reader.read_text(start.name()) else {
                        break;
                    };
                    metadata.add(&start, &text);
                }
                _ => {}
            }
        }
        metadata
    }

    fn add(&mut self, start: &BytesStart<'_>, text: &str) {
        let attribute = |name: &str| {
            let attribute = start.try_get_attribute(name).ok()??;
            let value = std::str::from_utf8(&attribute.value).ok()?;
            Some(unescape(value).ok()?.into_owned())
        };
        // Other domains hold documents of their own.
        let is_plain = attribute("domain").is_none_or(|domain| domain.is_empty());
        // GDAL escapes values twice, and undoes it twice.
        let once = unescape(text).map(|text| text.into_owned());
        let once = once.unwrap_or_else(|_| text.to_string());
        let value = unescape(&once)
            .map(|text| text.into_owned())
            .unwrap_or(once);
        let (Some(name), true) = (attribute("name"), is_plain) else {
            return;
        };
        let Some(sample) = attribute("sample") else {
            insert(&mut self.attributes, name, &value);
            return;
        };
        let Ok(band) = sample.parse() else {
            return;
        };
        let band = self.bands.entry(band).or_default();
        let number = || value.trim().parse().ok();
        match attribute("role").as_deref() {
            Some("description") => band.description = Some(value),
            Some("scale") => band.scale = number(),
            Some("offset") => band.offset = number(),
            Some("unittype") => band.units = Some(value).filter(|units| !units.is_empty()),
            Some(role) if !role.is_empty() => {}
            _ => insert(&mut band.attributes, name, &value),
        }
    }
}

/// Adds an attribute; a list of JSON is one, all else is text.
fn insert(attributes: &mut Attributes, name: String, text: &str) {
    if MEANINGFUL.contains(&name.as_str()) {
        return;
    }
    let list = text.starts_with('[').then(|| serde_json::from_str(text));
    let value = match list {
        Some(Ok(list @ Value::Array(_))) => list,
        _ => Value::from(text),
    };
    attributes.insert(name, value);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DOCUMENT: &str = r#"<GDALMetadata>
  <Item name="history">a &amp;lt;b&amp;gt; &amp;amp; c</Item>
  <Item name="numbers">[1, 2.5]</Item>
  <Item name="empty"></Item>
  <Item name="OVERVIEWS" domain="IMAGE_STRUCTURE">5</Item>
  <Item name="DESCRIPTION" sample="0" role="description">sst</Item>
  <Item name="SCALE" sample="0" role="scale">0.01</Item>
  <Item name="OFFSET" sample="0" role="offset">-3</Item>
  <Item name="UNITTYPE" sample="0" role="unittype">°C</Item>
  <Item name="COLORINTERP" sample="1" role="colorinterp">Red</Item>
  <Item name="long_name" sample="1">&quot;x&quot;</Item>
  <Item name="_FillValue" sample="1">5</Item>
</GDALMetadata>
"#;

    #[test]
    fn items_of_the_file_and_of_bands() {
        let found = Metadata::of(DOCUMENT);
        let expected = json!({"history": "a <b> & c", "numbers": [1, 2.5], "empty": ""});
        assert_eq!(Value::from(found.attributes), expected);
        let first = OfBand {
            description: Some("sst".to_string()),
            scale: Some(0.01),
            offset: Some(-3.0),
            units: Some("°C".to_string()),
            attributes: Attributes::new(),
        };
        assert_eq!(found.bands.get(&0), Some(&first));
        let second = found.bands.get(&1).map(|band| band.attributes.clone());
        assert_eq!(second.map(Value::from), Some(json!({"long_name": "\"x\""})));
    }

    #[test]
    fn what_is_broken_is_left_out() {
        for end in (0..DOCUMENT.len()).filter(|end| DOCUMENT.is_char_boundary(*end)) {
            Metadata::of(&DOCUMENT[..end]);
        }
        for document in [
            "",
            "<",
            "<Item>x</Item>",
            "<Item name='a' sample='x'>&;</Item>",
        ] {
            assert_eq!(Metadata::of(document), Metadata::default(), "{document}");
        }
    }
}
