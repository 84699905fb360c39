//! Options of a store, checked against the list that its connector documents.
//!
//! ```text
//!  WITH (regoin 'eu-west-1')  ──▶ unknown option "regoin" …; did you mean "region"? Options: …
//!  secret_access_key_env 'KEY' ──▶ value of the environment variable KEY
//! ```
//!
//! A secret has three spellings: `NAME` (the value itself), `NAME_file` (the file that holds it) and
//! `NAME_env` (the environment variable that holds it). At most one of them may be given. No error
//! of this module repeats a value, since a mistyped name may carry a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::{Options, StoreConnector};

use crate::http::HttpPolicy;
use crate::nearest::nearest;

/// An option's name and its line of documentation.
pub(super) type OptionDocumentation = (&'static str, &'static str);

/// The three spellings of a secret, see the module's documentation.
macro_rules! secret {
    ($name:literal, $documentation:literal) => {
        [
            ($name, $documentation),
            (
                concat!($name, "_file"),
                concat!("path of the file that holds ", $name),
            ),
            (
                concat!($name, "_env"),
                concat!("name of the environment variable that holds ", $name),
            ),
        ]
    };
}
pub(super) use secret;

/// What every store that speaks HTTP understands.
pub(super) const HTTP_OPTIONS: &[OptionDocumentation] = &[
    (
        "max_connections",
        "requests at once to one host: default 16 for https, 64 for object stores",
    ),
    (
        "max_retries",
        "how often a failed request is repeated: default 8",
    ),
    (
        "connect_timeout",
        "longest wait for a connection, for example 10s: default 30s",
    ),
    (
        "read_timeout",
        "longest silence while an answer is awaited or read: default 120s",
    ),
    (
        "timeout",
        "longest duration of one attempt, from the connection to the last byte: default unlimited",
    ),
    (
        "missing_is_403",
        "true when the store answers 403, not 404, for an object that does not exist",
    ),
];

/// Options of which every name is known to the connector.
pub(super) struct StoreOptions<'a> {
    place: &'a str,
    values: &'a BTreeMap<String, String>,
}

impl<'a> StoreOptions<'a> {
    /// Checks the names of `options`. `place` is the store's URL, without secrets.
    ///
    /// # Errors
    /// The first name that `connector` does not document.
    pub(super) fn check(
        connector: &dyn StoreConnector,
        place: &'a str,
        options: &'a Options,
    ) -> CubeResult<Self> {
        let names: Vec<&str> = connector.options().iter().map(|(name, _)| *name).collect();
        for name in options.keys() {
            if !names.contains(&name.as_str()) {
                let kind = connector.kinds().first().unwrap_or(&"");
                let remedy = match (nearest(name, &names), names.is_empty()) {
                    (_, true) => format!("stores of type {kind} have no options"),
                    (Some(near), _) => {
                        format!("did you mean {near}? Options: {}", names.join(", "))
                    }
                    (None, _) => format!("use one of: {}", names.join(", ")),
                };
                let cause = format!("unknown option {name:?} of a store of type {kind}");
                return Err(CubeError::invalid(place, cause).remedy(remedy));
            }
        }
        Ok(Self {
            place,
            values: options,
        })
    }

    /// The value as text; empty counts as absent.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.values
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// `true` or `false`; `None` when absent.
    pub(super) fn flag(&self, name: &str) -> CubeResult<Option<bool>> {
        self.parsed(name, "true or false", |value| {
            match value.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            }
        })
    }

    /// A whole number of at least `least`.
    fn count(&self, name: &str, least: usize) -> CubeResult<Option<usize>> {
        let wanted = format!("a whole number from {least} to {LARGEST_COUNT}");
        self.parsed(name, &wanted, |value| {
            let number = value.parse().ok()?;
            (least..=LARGEST_COUNT).contains(&number).then_some(number)
        })
    }

    /// A duration such as `500ms`, `30s`, `2m`, `1h`; a plain number is in seconds.
    fn duration(&self, name: &str) -> CubeResult<Option<Duration>> {
        self.parsed(name, "a duration such as 500ms, 30s or 2m", parse_duration)
    }

    fn parsed<T>(
        &self,
        name: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> CubeResult<Option<T>> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        parse(value).map(Some).ok_or_else(|| {
            CubeError::invalid(
                self.place,
                format!("the value of option {name} is not valid"),
            )
            .remedy(format!("give {wanted}"))
        })
    }

    /// A secret in one of its three spellings, see the module's documentation.
    ///
    /// # Errors
    /// More than one spelling, a file that cannot be read, a variable that is not set.
    pub(super) fn secret(&self, name: &str) -> CubeResult<Option<String>> {
        let file_option = format!("{name}_file");
        let variable_option = format!("{name}_env");
        match (
            self.text(name),
            self.text(&file_option),
            self.text(&variable_option),
        ) {
            (None, None, None) => Ok(None),
            (Some(value), None, None) => Ok(Some(value.to_string())),
            (None, Some(file), None) => match std::fs::read_to_string(file) {
                Ok(content) => Ok(Some(content.trim().to_string())),
                Err(error) => Err(self.absent_secret(&file_option, file, &error.to_string())),
            },
            (None, None, Some(variable)) => match environment(variable) {
                Some(value) => Ok(Some(value)),
                None => {
                    Err(self.absent_secret(&variable_option, variable, "the variable is not set"))
                }
            },
            _ => Err(CubeError::invalid(
                self.place,
                format!("{name} is given in more than one way"),
            )
            .remedy(format!(
                "keep one of {name}, {file_option}, {variable_option}"
            ))),
        }
    }

    fn absent_secret(&self, option: &str, source: &str, reason: &str) -> CubeError {
        CubeError::invalid(
            self.place,
            format!("option {option} names {source:?}, which cannot be read: {reason}"),
        )
        .remedy("correct the name, or remove the option")
    }

    /// The policy of the store's HTTP client. `max_connections` is the default of its kind.
    pub(super) fn http_policy(
        &self,
        max_connections: usize,
        allow_http: bool,
    ) -> CubeResult<HttpPolicy> {
        let standard = HttpPolicy::standard(max_connections, allow_http);
        Ok(HttpPolicy {
            max_connections: self
                .count("max_connections", 1)?
                .unwrap_or(standard.max_connections),
            max_retries: self
                .count("max_retries", 0)?
                .unwrap_or(standard.max_retries),
            connect_timeout: self
                .duration("connect_timeout")?
                .unwrap_or(standard.connect_timeout),
            read_timeout: self
                .duration("read_timeout")?
                .unwrap_or(standard.read_timeout),
            timeout: self.duration("timeout")?.or(standard.timeout),
            allow_http,
        })
    }

    /// The value of `missing_is_403`.
    pub(super) fn missing_is_403(&self) -> CubeResult<bool> {
        Ok(self.flag("missing_is_403")?.unwrap_or(false))
    }
}

/// Larger numbers of connections or retries are typing errors.
const LARGEST_COUNT: usize = 10_000;

/// The value of an environment variable that is set and not empty.
pub(super) fn environment(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds_per_unit = match unit.trim() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * seconds_per_unit;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::stores::https::HttpsStore;
    use crate::stores::memory::MemoryStore;

    #[test]
    fn durations() {
        for (text, expected) in [
            ("500ms", Some(Duration::from_millis(500))),
            ("30s", Some(Duration::from_secs(30))),
            ("30", Some(Duration::from_secs(30))),
            ("1.5 s", Some(Duration::from_millis(1500))),
            ("2m", Some(Duration::from_secs(120))),
            ("1h", Some(Duration::from_secs(3600))),
            ("0s", None),
            ("-1s", None),
            ("1d", None),
            ("soon", None),
            ("1e400", None),
            ("", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "from-file\n").unwrap();
        let file = file.to_str().unwrap();
        // PATH is set wherever tests run; its value is compared, not shown.
        let path = std::env::var("PATH").unwrap();
        let cases: [(&[(&str, &str)], Result<Option<&str>, &str>); 8] = [
            (&[], Ok(None)),
            (&[("bearer_token", "  ")], Ok(None)),
            (&[("bearer_token", "plain")], Ok(Some("plain"))),
            (&[("bearer_token_file", file)], Ok(Some("from-file"))),
            (&[("bearer_token_env", "PATH")], Ok(Some(&path))),
            (
                &[("bearer_token_env", "GRATICULE_NO_SUCH")],
                Err("the variable is not set"),
            ),
            (
                &[("bearer_token_file", "/nonexistent/token")],
                Err("No such file"),
            ),
            (
                &[("bearer_token", "s3cr3t"), ("bearer_token_env", "PATH")],
                Err("more than one way"),
            ),
        ];
        for (given, expected) in cases {
            let options = options(given);
            let checked = StoreOptions::check(&HttpsStore, "https://host", &options).unwrap();
            match (checked.secret("bearer_token"), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
                (Err(error), Err(part)) => {
                    let text = error.to_string();
                    assert!(text.contains(part), "{text}");
                    assert!(!text.contains("s3cr3t"), "{text}");
                }
                (found, _) => panic!("{given:?}: {}", found.is_ok()),
            }
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        for (connector, name, expected) in [
            (
                &HttpsStore as &dyn StoreConnector,
                "baerer_token",
                "did you mean bearer_token? Options: ",
            ),
            (&HttpsStore, "colour", "use one of: "),
            (
                &MemoryStore,
                "size",
                "stores of type memory have no options",
            ),
        ] {
            let options = options(&[(name, "s3cr3t")]);
            let Err(error) = StoreOptions::check(connector, "place", &options) else {
                panic!("{name} was accepted");
            };
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
            assert!(text.contains(name), "{text}");
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }

    #[test]
    fn values_are_checked() {
        for (name, value, expected) in [
            ("max_connections", "0", "a whole number from 1"),
            ("max_retries", "many", "a whole number from 0"),
            ("timeout", "soon", "a duration such as"),
            ("read_timeout", "0", "a duration such as"),
        ] {
            let options = options(&[(name, value)]);
            let checked = StoreOptions::check(&HttpsStore, "place", &options).unwrap();
            let error = checked.http_policy(1, false).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(expected), "{error}");
        }
        let options = options(&[("missing_is_403", "perhaps")]);
        let checked = StoreOptions::check(&HttpsStore, "place", &options).unwrap();
        let error = checked.missing_is_403().unwrap_err().to_string();
        assert!(error.contains("true or false"), "{error}");
    }

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect()
    }
}
