//! Settings that clients of PostgreSQL make and ask for. Few mean anything here, and those that would change what rows
//! look like have one value only; all others are the engine's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::configuration::parse_duration;
use crate::failure::{Failure, SqlState};

/// The version of PostgreSQL that clients are told they speak to.
pub(super) const VERSION: &str = "15.0";

/// Where sessions look for names at first.
pub(super) const SEARCH_PATH: &str = "\"$user\", public";

/// Whether transactions that begin may read only.
pub(super) const READ_ONLY_BY_DEFAULT: &str = "default_transaction_read_only";

/// Whether the transaction may read only, and outside of one, the next statement.
pub(super) const READ_ONLY: &str = "transaction_read_only";

/// What may be done to a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Anything goes, and nothing comes of it.
    Any,
    /// Only values that mean the same as this beginning, in small letters without punctuation.
    Only(&'static str),
    /// A time.
    Duration,
    /// On or off.
    Switch,
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
    (READ_ONLY_BY_DEFAULT, "off", Kind::Switch, true),
    ("default_table_access_method", "heap", Kind::Any, false),
    ("extra_float_digits", "1", Kind::Any, false),
    ("idle_in_transaction_session_timeout", "0", Kind::Any, false),
    ("in_hot_standby", "off", Kind::Fixed, true),
    ("integer_datetimes", "on", Kind::Fixed, true),
    ("IntervalStyle", "postgres", Kind::Only("postgres"), true),
    ("is_superuser", "off", Kind::Fixed, true),
    ("jit", "off", Kind::Any, false),
    // Texts are compared byte by byte.
    ("lc_collate", "C.UTF-8", Kind::Fixed, false),
    ("lc_ctype", "C.UTF-8", Kind::Fixed, false),
    ("lock_timeout", "0", Kind::Any, false),
    ("max_identifier_length", "63", Kind::Fixed, false),
    ("row_security", "on", Kind::Any, false),
    ("search_path", SEARCH_PATH, Kind::Any, false),
    ("server_encoding", "UTF8", Kind::Fixed, true),
    ("server_version", VERSION, Kind::Fixed, true),
    ("server_version_num", "150000", Kind::Fixed, false),
    ("session_authorization", "", Kind::Fixed, true),
    ("standard_conforming_strings", "on", Kind::Only("on"), true),
    ("statement_timeout", "0", Kind::Duration, false),
    ("TimeZone", "UTC", Kind::Any, true),
    ("transaction_isolation", "read committed", Kind::Any, false),
    (READ_ONLY, "off", Kind::Switch, false),
];

/// The settings of one client; clones are the same settings.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    values: Arc<Mutex<BTreeMap<&'static str, String>>>,
    /// What `RESET` goes back to.
    defaults: BTreeMap<&'static str, String>,
    /// How long a statement may take at most, whatever the client sets.
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
                defaults.insert(name, checked(name, kind, &value)?);
            }
        }
        Ok(Self {
            values: Arc::new(Mutex::new(defaults.clone())),
            defaults,
            longest: timeout,
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
            Some(value) => checked(name, kind, value)?,
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

    /// How long a statement may take: what the client sets, and no longer than the server allows.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let set = self.get("statement_timeout");
        let set = set.and_then(|set| parse_duration(&set));
        let set = set.filter(|timeout| !timeout.is_zero());
        set.into_iter().chain(self.longest).min()
    }

    /// May statements read only?
    pub(super) fn is_read_only(&self) -> bool {
        self.get(READ_ONLY).as_deref() == Some("on")
    }

    /// Outside of a transaction the next statement may do what a transaction may that begins.
    pub(super) fn begin_read_only_by_default(&self) {
        let mut values = self.lock();
        if let Some(default) = values.get(READ_ONLY_BY_DEFAULT).cloned() {
            values.insert(READ_ONLY, default);
        }
    }

    /// What [`Settings::set`] sets a setting to where no value is given.
    pub(super) fn default_of(&self, name: &str) -> Option<&str> {
        self.defaults.get(find(name)?.0).map(String::as_str)
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
fn checked(name: &str, kind: Kind, value: &str) -> Result<String, Failure> {
    let fail = |text: String| Failure::with_state(SqlState::INVALID_PARAMETER_VALUE, text);
    match kind {
        Kind::Any => Ok(value.to_string()),
        Kind::Duration => match parse_duration(value) {
            Some(_) => Ok(value.to_string()),
            None => Err(fail(format!(
                "{name} cannot be \"{value}\"; give a time such as 30s or 10min, 0 for no limit"
            ))),
        },
        Kind::Switch => match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Ok("on".to_string()),
            "off" | "false" | "no" | "0" => Ok("off".to_string()),
            _ => Err(fail(format!(
                "{name} cannot be \"{value}\"; it is on or off"
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
        let settings = Settings::new("ada", None, asked.into()).unwrap();
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
            ("transaction_read_only", "perhaps"),
            ("standard_conforming_strings", "off"),
        ] {
            assert!(settings.set(name, Some(value)).is_err(), "{name}");
        }
        assert!(settings.set("client_encoding", Some("'utf-8'")).is_ok());
    }

    #[test]
    fn clients_lower_the_timeout_of_the_server_and_do_not_lift_it() {
        let seconds = Duration::from_secs;
        let settings = Settings::new("ada", Some(seconds(5)), BTreeMap::new()).unwrap();
        assert_eq!(settings.timeout(), Some(seconds(5)));
        for (set, expected) in [("2s", 2), ("1h", 5), ("0", 5)] {
            settings.set("statement_timeout", Some(set)).unwrap();
            assert_eq!(settings.timeout(), Some(seconds(expected)), "{set}");
        }
        let asked = [("statement_timeout".to_string(), "0".to_string())];
        let settings = Settings::new("ada", Some(seconds(5)), asked.into()).unwrap();
        assert_eq!(settings.timeout(), Some(seconds(5)));
    }

    #[test]
    fn transactions_may_read_only() {
        let settings = Settings::new("ada", None, BTreeMap::new()).unwrap();
        assert!(!settings.is_read_only());
        settings.set(READ_ONLY_BY_DEFAULT, Some("TRUE")).unwrap();
        assert!(!settings.is_read_only());
        settings.begin_read_only_by_default();
        assert!(settings.is_read_only());
        settings.set(READ_ONLY, Some("off")).unwrap();
        assert!(!settings.is_read_only());
    }
}
