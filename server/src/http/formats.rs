//! The formats of results, and which one a client wants: `format=csv` in the address, or the header `Accept`.

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};

use super::problem::Problem;
use crate::arguments::Format;
use crate::nearest::nearest;

/// What a result is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Its rows.
    Rows(Format),
    /// The grid that its rows are the cells of.
    Grid(Grid),
}

/// A format of grids, which the engine writes as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grid {
    /// NetCDF-4.
    Netcdf,
    /// GeoTIFF.
    Geotiff,
    /// A Zarr store in a ZIP archive.
    Zarr,
}

/// A format by its names.
struct Offer {
    sent: Sent,
    /// In `format=…`.
    name: &'static str,
    /// In `Accept`; the first one is sent as `Content-Type`.
    media_types: &'static [&'static str],
    /// What a file of it is called; `None` for what is read as it comes.
    suffix: Option<&'static str>,
}

/// All formats. The first one is for programs that do not say.
const OFFERS: [Offer; 9] = [
    Offer {
        sent: Sent::Rows(Format::Arrow),
        name: "arrow",
        media_types: &["application/vnd.apache.arrow.stream"],
        suffix: Some("arrows"),
    },
    Offer {
        sent: Sent::Rows(Format::Json),
        name: "json",
        media_types: &["application/json"],
        suffix: None,
    },
    Offer {
        sent: Sent::Rows(Format::Ndjson),
        name: "ndjson",
        media_types: &[
            "application/x-ndjson",
            "application/jsonl",
            "application/ndjson",
        ],
        suffix: None,
    },
    Offer {
        sent: Sent::Rows(Format::Csv),
        name: "csv",
        media_types: &["text/csv"],
        suffix: None,
    },
    Offer {
        sent: Sent::Rows(Format::Table),
        name: "table",
        media_types: &["text/plain"],
        suffix: None,
    },
    Offer {
        sent: Sent::Rows(Format::Parquet),
        name: "parquet",
        media_types: &[
            "application/vnd.apache.parquet",
            "application/x-parquet",
            "application/parquet",
        ],
        suffix: Some("parquet"),
    },
    Offer {
        sent: Sent::Grid(Grid::Netcdf),
        name: "netcdf",
        media_types: &["application/x-netcdf", "application/netcdf"],
        suffix: Some("nc"),
    },
    Offer {
        sent: Sent::Grid(Grid::Geotiff),
        name: "geotiff",
        media_types: &["image/tiff"],
        suffix: Some("tif"),
    },
    Offer {
        sent: Sent::Grid(Grid::Zarr),
        name: "zarr",
        media_types: &["application/zip"],
        suffix: Some("zarr.zip"),
    },
];

impl Sent {
    /// What the client wants: `name` where it says so, else the best of what it accepts.
    ///
    /// # Errors
    /// Nothing that is offered.
    pub(super) fn wanted(name: Option<&str>, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(name) = name {
            let found = OFFERS.iter().find(|offer| offer.name == name);
            return found.map(|offer| offer.sent).ok_or_else(|| {
                let names = || OFFERS.iter().map(|offer| offer.name);
                let remedy = match nearest(name, names()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("choose of {}", names().collect::<Vec<_>>().join(", ")),
                };
                Problem::bad_request(format!("there is no format {name}; {remedy}"))
            });
        }
        let accept = headers.get_all(ACCEPT).iter();
        let accept: Vec<&str> = accept.filter_map(|value| value.to_str().ok()).collect();
        let accept = accept.join(",");
        if accept.trim().is_empty() {
            return Ok(OFFERS[0].sent);
        }
        accepted(&accept).ok_or_else(|| {
            let types: Vec<&str> = OFFERS.iter().map(|offer| offer.media_types[0]).collect();
            let detail = format!(
                "results are not sent as {accept}; accept {}",
                types.join(", ")
            );
            Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
        })
    }

    /// What is sent as `Content-Type`.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Rows(Format::Csv) => "text/csv; charset=utf-8; header=present",
            Self::Rows(Format::Table) => "text/plain; charset=utf-8",
            _ => self.offer().media_types[0],
        }
    }

    /// What a file of it is called.
    pub(super) fn file_name(self) -> Option<String> {
        let suffix = self.offer().suffix?;
        Some(format!("result.{suffix}"))
    }

    fn offer(self) -> &'static Offer {
        let found = OFFERS.iter().find(|offer| offer.sent == self);
        found.unwrap_or(&OFFERS[0])
    }
}

/// The best offer for a header `Accept` (RFC 9110, 12.5.1): that of the largest weight, of equal ones the first offer.
fn accepted(accept: &str) -> Option<Sent> {
    let ranges: Vec<(&str, f32)> = accept.split(',').filter_map(range).collect();
    let weight = |offer: &Offer| {
        let of_type = |media_type: &&str| {
            // The most precise range that covers the type decides.
            let of_range =
                |(range, weight): &(&str, f32)| Some((precision(range, media_type)?, *weight));
            let covering = ranges.iter().filter_map(of_range);
            let best = covering.max_by(|(a, _), (b, _)| a.cmp(b))?;
            Some(best.1)
        };
        let weights = offer.media_types.iter().filter_map(of_type);
        weights.fold(0.0, f32::max)
    };
    let mut best: Option<(Sent, f32)> = None;
    for offer in &OFFERS {
        let weight = weight(offer);
        if weight > best.map_or(0.0, |(_, best)| best) {
            best = Some((offer.sent, weight));
        }
    }
    best.map(|(sent, _)| sent)
}

/// `text/csv;q=0.5` as the range and its weight.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((
        range,
        weight.map_or(Some(1.0), |weight| weight.parse().ok())?,
    ))
}

/// How precisely a range such as `*/*`, `text/*` or `text/csv` names a type it covers.
fn precision(range: &str, media_type: &str) -> Option<u8> {
    let kind = media_type.split('/').next().unwrap_or_default();
    match range.strip_suffix("/*") {
        _ if range.eq_ignore_ascii_case(media_type) => Some(2),
        Some(of_range) if of_range.eq_ignore_ascii_case(kind) => Some(1),
        Some("*") => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_offer_is_chosen() {
        let cases = [
            ("*/*", Some("arrow")),
            ("application/json", Some("json")),
            ("application/*", Some("arrow")),
            ("text/*", Some("csv")),
            ("text/csv;q=0.5, application/json;q=0.9", Some("json")),
            ("text/csv, */*;q=0.1", Some("csv")),
            ("application/vnd.apache.arrow.stream;q=0, */*", Some("json")),
            ("image/TIFF", Some("geotiff")),
            ("text/html, image/png", None),
            ("text/csv;q=loud", None),
        ];
        for (accept, expected) in cases {
            let found = accepted(accept).map(|sent| sent.offer().name);
            assert_eq!(found, expected, "{accept}");
        }
    }
}
