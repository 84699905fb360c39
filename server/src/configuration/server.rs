//! The section `[server]`, see `serve/settings.rs`.

use std::net::SocketAddr;
use std::time::Duration;

use http::HeaderValue;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Key, Mistake, Reader, scalar};
use crate::serve::log::LogFormat;
use crate::serve::settings::ServerSection;

const DOORS: [&str; 3] = ["pg", "http", "flight"];
const KEYS: [&str; 16] = [
    "pg",
    "http",
    "flight",
    "certificate",
    "private_key",
    "connections",
    "queries",
    "queries_per_user",
    "queue",
    "queue_timeout",
    "statement_timeout",
    "shutdown_timeout",
    "open",
    "log",
    "origins",
    "grid_files",
];

impl Reader<'_> {
    pub(super) fn read_server(&self, table: &DeTable<'_>) -> Result<ServerSection, Mistake> {
        let mut section = ServerSection::default();
        let mut files = [None, None];
        let mut per_user: Option<usize> = None;
        for (key, value) in table {
            let limits = &mut section.limits;
            match key.get_ref().as_ref() {
                door if DOORS.contains(&door) => {
                    section
                        .addresses
                        .push((door.to_string(), self.address(key, value)?));
                }
                "certificate" => {
                    files[0] = Some((key, self.folder.join(self.text_of(key, value)?)))
                }
                "private_key" => {
                    files[1] = Some((key, self.folder.join(self.text_of(key, value)?)))
                }
                "connections" => limits.connections = self.count(key, value, 1 << 20)?,
                "queries" => limits.queries = self.count(key, value, 1 << 20)?,
                "queries_per_user" => per_user = Some(self.count(key, value, 1 << 20)?),
                "queue" => limits.queue = self.count(key, value, 1 << 20)?,
                "queue_timeout" => limits.queue_timeout = self.duration(key, value)?,
                "statement_timeout" => {
                    let timeout = self.duration(key, value)?;
                    // As in PostgreSQL, nothing is no limit.
                    limits.statement_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
                }
                "shutdown_timeout" => section.shutdown_timeout = self.duration(key, value)?,
                "open" => section.is_meant_open = self.flag(key, value)?,
                "log" => section.log = Some(self.log_format(key, value)?),
                "grid_files" => section.grid_files = self.amount(value)?,
                "origins" => section.origins = self.origins(key, value)?,
                _ => return Err(self.unknown(key, "setting", KEYS.into_iter())),
            }
        }
        let limits = &mut section.limits;
        // One user does not take all places, unless that is meant.
        limits.queries_per_user = per_user.unwrap_or((limits.queries * 3 / 4).max(1));
        section.tls = match files {
            [Some((_, certificate)), Some((_, key))] => Some((certificate, key)),
            [None, None] => None,
            [Some((key, _)), None] | [None, Some((key, _))] => {
                let text = "TLS needs both, certificate and private_key";
                return Err(self.mistake(key.span(), text));
            }
        };
        Ok(section)
    }

    fn address(&self, key: Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<SocketAddr, Mistake> {
        let address = scalar(value.get_ref()).and_then(|text| text.parse().ok());
        address.ok_or_else(|| {
            let text = format!(
                "{} is an address and a port, such as \"127.0.0.1:5432\"",
                key.get_ref()
            );
            self.mistake(value.span(), &text)
        })
    }

    fn log_format(&self, key: Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<LogFormat, Mistake> {
        match self.text_of(key, value)?.as_str() {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err(self.mistake(value.span(), "log is \"text\" or \"json\"")),
        }
    }

    fn origins(
        &self,
        key: Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<HeaderValue>, Mistake> {
        let text = self.text_of(key, value)?;
        let origins = text.split_whitespace().map(origin).collect::<Option<_>>();
        origins.ok_or_else(|| {
            let text =
                "origins are such as \"https://a.org http://localhost:3000\", without a path";
            self.mistake(value.span(), text)
        })
    }

    pub(super) fn duration(
        &self,
        key: Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Duration, Mistake> {
        let duration = scalar(value.get_ref()).and_then(|text| parse_duration(&text));
        duration.ok_or_else(|| {
            let text = format!(
                "{} is a time such as \"500ms\", \"30s\", \"10min\" or \"2h\"",
                key.get_ref()
            );
            self.mistake(value.span(), &text)
        })
    }
}

/// Reads `https://a.org`: a scheme, a host and maybe a port.
fn origin(text: &str) -> Option<HeaderValue> {
    let (scheme, host) = text.split_once("://")?;
    let is_origin = ["http", "https"].contains(&scheme)
        && !host.is_empty()
        && !host.contains(['/', '?', '#', '@', '*']);
    is_origin
        .then(|| HeaderValue::from_str(text).ok())
        .flatten()
}

/// Reads `500ms`, `30s`, `10min` and `2h`; a number alone is milliseconds, as in PostgreSQL.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let milliseconds = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, expected) in [
            ("250", Some(Duration::from_millis(250))),
            ("500ms", Some(Duration::from_millis(500))),
            ("30s", Some(Duration::from_secs(30))),
            ("10 min", Some(Duration::from_secs(600))),
            ("2h", Some(Duration::from_secs(7200))),
            ("soon", None),
            ("-1s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }
}
