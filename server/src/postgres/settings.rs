//! Settings that clients of PostgreSQL make and ask for. Few mean anything here, and those that would change what rows
//! look like have one value only; all others are the engine's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::configuration::parse_duration;
use crate::failure::{Failure, SqlState};

/// The version of PostgreSQL that clients are told they speak to.
pub(super) const VERSION: &str = "15.0";

/// What may be done to a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything goes, and nothing comes of it.
    Any,
    /// Only values that mean the same as this beginning, in small letters without punctuation.
    Only(&'static str),
    /// A time.
    Duration,
    /// Clients cannot change it.
    Fixed,
}

/// Name, default, kind, and whether clients are told of it and of its changes.
const SETTINGS: &[(&str, &str, Kind, bool)] = &[
    ("application_name", "", Kind::Any, true),
    ("bytea_output", "hex", Kind::Only("hex"), false),
    ("client_encoding", "UTF8", Kind::Only("utf8"), true),
    ("client_min_messages", "notice", Kind::Any, false),
    ("DateStyle", "ISO, MDY", Kind::Only("iso"), true),
    (
        "default_transaction_isolation",
        "read committed",
        Kind::Any,
        false,
    ),
    ("default_transaction_read_only", "off", Kind::Any, true),
    ("default_table_access_method", "heap", Kind::Any, false),
    ("extra_float_digits", "1", Kind::Any, false),
    ("idle_in_transaction_session_timeout", "0", Kind::Any, false),
    ("in_hot_standby", "off", Kind::Fixed, true),
    ("integer_datetimes", "on", Kind::Fixed, true),
    ("IntervalStyle", "postgres", Kind::Only("postgres"), true),
    ("is_superuser", "off", Kind::Fixed, true),
    ("jit", "off", Kind::Any, false),
    ("lock_timeout", "0", Kind::Any, false),
    ("max_identifier_length", "63", Kind::Fixed, false),
    ("row_security", "on", Kind::Any, false),
    ("search_path", "\"$user\", public", Kind::Any, false),
    ("server_encoding", "UTF8", Kind::Fixed, true),
    ("server_version", VERSION, Kind::Fixed, true),
    ("server_version_num", "150000", Kind::Fixed, false),
    ("session_authorization", "", Kind::Fixed, true),
    ("standard_conforming_strings", "on", Kind::Only("on"), true),
    ("statement_timeout", "0", Kind::Duration, false),
    ("TimeZone", "UTC", Kind::Any, true),
    ("transaction_isolation", "read committed", Kind::Any, false),
    ("transaction_read_only", "off", Kind::Any, false),
];

/// The settings of one client; clones are the same settings.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    values: Arc<Mutex<BTreeMap<&'static str, String>>>,
    /// What `RESET` goes back to.
    defaults: BTreeMap<&'static str, String>,
    /// What `statement_timeout` may be at most.
    longest: Option<Duration>,
}

impl Settings {
    /// The settings that a client asks for at the start; those that the server does not know are left out.
    ///
    /// # Errors
    /// A value that a setting cannot have.
    pub(super) fn new(
        user: &str,
        timeout: Option<Duration>,
        longest: Option<Duration>,
        asked: BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let mut defaults: BTreeMap<&'static str, String> = SETTINGS
            .iter()
            .map(|(name, default, ..)| (*name, (*default).to_string()))
            .collect();
        defaults.insert("session_authorization", user.to_string());
        if let Some(timeout) = timeout {
            defaults.insert("statement_timeout", format!("{}ms", timeout.as_millis()));
        }
        for (name, value) in asked {
            if let Some((name, kind)) = find(&name) {
                defaults.insert(name, checked(name, kind, &value, longest)?);
            }
        }
        Ok(Self {
            values: Arc::new(Mutex::new(defaults.clone())),
            defaults,
            longest,
        })
    }

    /// What clients are told at the start.
    pub(super) fn reported(&self) -> Vec<(String, String)> {
        let reported = SETTINGS.iter().filter(|(.., is_reported)| *is_reported);
        reported
            .filter_map(|(name, ..)| Some(((*name).to_string(), self.get(name)?)))
            .collect()
    }

    /// The value of a setting; `None` where it is none of these.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.lock().get(find(name)?.0).cloned()
    }

    /// Changes a setting, to its default where `value` is `None`. What clients are to be told of it; `None` where the
    /// setting is none of these.
    ///
    /// # Errors
    /// A value that it cannot have.
    pub(super) fn set(
        &self,
        name: &str,
        value: Option<&str>,
    ) -> Result<Option<Vec<(String, String)>>, Failure> {
        let Some((name, kind)) = find(name) else {
            return Ok(None);
        };
        let value = match value {
            Some(value) => checked(name, kind, value, self.longest)?,
            None => self.defaults.get(name).cloned().unwrap_or_default(),
        };
        self.lock().insert(name, value.clone());
        let is_reported = SETTINGS
            .iter()
            .any(|(known, .., told)| *known == name && *told);
        Ok(Some(match is_reported {
            true => vec![(name.to_string(), value)],
            false => vec![],
        }))
    }

    /// All settings as they are.
    pub(super) fn snapshot(&self) -> BTreeMap<&'static str, String> {
        self.lock().clone()
    }

    /// Makes all settings what they were; what clients are to be told.
    pub(super) fn restore(&self, values: BTreeMap<&'static str, String>) -> Vec<(String, String)> {
        let before = self.reported();
        *self.lock() = values;
        let mut changed = self.reported();
        changed.retain(|setting| !before.contains(setting));
        changed
    }

    /// Makes all settings what they were at the start; what clients are to be told.
    pub(super) fn reset(&self) -> Vec<(String, String)> {
        self.restore(self.defaults.clone())
    }

    /// How long a statement may take.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let timeout = parse_duration(&self.get("statement_timeout")?)?;
        (!timeout.is_zero()).then_some(timeout)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(name: &str) -> Option<(&'static str, Kind)> {
    let mut known = SETTINGS.iter();
    let found = known.find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
    Some((found.0, found.2))
}

/// The value as it is kept.
fn checked(
    name: &str,
    kind: Kind,
    value: &str,
    longest: Option<Duration>,
) -> Result<String, Failure> {
    let fail = |text: String| Failure::with_state(SqlState::INVALID_PARAMETER_VALUE, text);
    match kind {
        Kind::Any => Ok(value.to_string()),
        Kind::Duration => match parse_duration(value) {
            Some(time) => match longest.filter(|longest| time.is_zero() || time > *longest) {
                Some(longest) if name == "statement_timeout" => Err(Failure::with_state(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    format!(
                        "your statement_timeout is {} ms at most; ask who runs the server for more",
                        longest.as_millis()
                    ),
                )),
                _ => Ok(value.to_string()),
            },
            None => Err(fail(format!(
                "{name} cannot be \"{value}\"; give a time such as 30s or 10min, 0 for no limit"
            ))),
        },
        Kind::Only(wanted) => {
            let plain: String = value
                .chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect();
            let default = SETTINGS.iter().find(|(known, ..)| *known == name);
            let default = default.map_or(value, |(_, default, ..)| *default);
            match plain.starts_with(wanted) || (wanted == "utf8" && plain == "unicode") {
                true => Ok(default.to_string()),
                false => Err(fail(format!(
                    "{name} cannot be \"{value}\"; it is always {default}"
                ))),
            }
        }
        Kind::Fixed => Err(fail(format!("{name} cannot be changed"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn settings_are_checked_told_and_reset() {
        let asked = [
            ("datestyle", "ISO"),
            ("timezone", "Europe/Rome"),
            ("x", "y"),
        ];
        let asked = asked.map(|(name, value)| (name.to_string(), value.to_string()));
        let settings = Settings::new("ada", None, None, asked.into()).unwrap();
        assert_eq!(settings.get("TIMEZONE").as_deref(), Some("Europe/Rome"));
        assert_eq!(settings.get("DateStyle").as_deref(), Some("ISO, MDY"));
        assert_eq!(settings.get("x"), None);
        assert_eq!(
            settings.get("session_authorization").as_deref(),
            Some("ada")
        );
        let told = settings.set("TimeZone", Some("UTC")).unwrap().unwrap();
        assert_eq!(told, [("TimeZone".to_string(), "UTC".to_string())]);
        assert_eq!(settings.timeout(), None);
        assert_eq!(
            settings.set("statement_timeout", Some("2s")),
            Ok(Some(vec![]))
        );
        assert_eq!(settings.timeout(), Some(Duration::from_secs(2)));
        assert_eq!(settings.reset().len(), 1);
        assert_eq!(settings.timeout(), None);
        assert_eq!(settings.set("cube.scan_limit", Some("1")), Ok(None));
        for (name, value) in [
            ("client_encoding", "LATIN1"),
            ("statement_timeout", "soon"),
            ("server_version", "9"),
            ("standard_conforming_strings", "off"),
        ] {
            assert!(settings.set(name, Some(value)).is_err(), "{name}");
        }
        assert!(settings.set("client_encoding", Some("'utf-8'")).is_ok());
    }

    #[test]
    fn timeouts_are_lowered_and_not_raised() {
        let most = Some(Duration::from_secs(5));
        let of = |asked: &str| {
            let asked = [("statement_timeout".to_string(), asked.to_string())];
            Settings::new("ada", most, most, asked.into())
        };
        for raised in ["0", "6s", "1h"] {
            assert!(of(raised).is_err(), "{raised}");
            let settings = of("3s").unwrap();
            assert!(settings.set("statement_timeout", Some(raised)).is_err());
            assert_eq!(settings.timeout(), Some(Duration::from_secs(3)));
            assert!(settings.set("lock_timeout", Some(raised)).is_ok());
        }
        assert!(
            of("5s")
                .unwrap()
                .set("statement_timeout", Some("1s"))
                .is_ok()
        );
    }
}
