//! Our settings, `cube.name`: `SHOW`, `SET` and `RESET`, which DataFusion does for its own only, or
//! with errors that help nobody.

use datafusion::common::Result;
use datafusion::common::config::{ConfigEntry, ExtensionOptions};

use super::suggestions::nearest;
use crate::bytes::{format_bytes, parse_bytes};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::options::CubeOptions;
use crate::session::Session;

/// One setting as it is in this session.
///
/// # Errors
/// There is none of that name.
pub(super) fn current(session: &Session, name: &str) -> CubeResult<ConfigEntry> {
    let state = session.context.state();
    let settings = state.config_options().extensions.get::<CubeOptions>();
    setting(settings.unwrap_or(&CubeOptions::default()), name)
}

/// `SET cube.name = value`. Sizes may have units.
///
/// # Errors
/// There is no such setting, or it cannot have this value.
pub(crate) fn set(session: &Session, name: &str, value: &str) -> Result<()> {
    let default = setting(&CubeOptions::default(), name)?.value;
    let is_size = name.ends_with("_bytes");
    let value = match parse_bytes(value) {
        Ok(bytes) if is_size => bytes.to_string(),
        _ => value.to_string(),
    };
    let is_counted = name == "prefetch";
    let is_none = is_counted && value.trim().parse() == Ok(0_u64);
    if is_none || CubeOptions::default().set(name, &value).is_err() {
        let valid = match default.as_deref() {
            _ if is_counted => "a whole number from 1",
            _ if is_size => "a size such as 10GB, 512MiB or a number of bytes; 0 means no limit",
            Some("true" | "false") => "true or false",
            _ => "a whole number",
        };
        let cause = format!("cube.{name} cannot be '{value}'");
        return Err(CubeError::invalid("", cause)
            .remedy(format!("write {valid}"))
            .into());
    }
    if name == "max_scan_bytes"
        && let Some(most) = session.limits.scan_bytes
        && !value
            .parse()
            .is_ok_and(|bytes: u64| (1..=most).contains(&bytes))
    {
        let cause = format!(
            "you may set cube.max_scan_bytes to {} at most",
            format_bytes(most)
        );
        return Err(CubeError::new(ErrorKind::Denied, "", cause)
            .remedy("ask who runs the server for more")
            .into());
    }
    let state = session.context.state_ref();
    let mut state = state.write();
    let options = state.config_mut().options_mut();
    options.set(&format!("cube.{name}"), &value)
}

/// `RESET cube.name`
///
/// # Errors
/// There is no such setting.
pub(super) fn reset(session: &Session, name: &str) -> Result<()> {
    let default = setting(&CubeOptions::default(), name)?.value;
    let value = match session.limits.scan_bytes {
        Some(most) if name == "max_scan_bytes" => most.to_string(),
        _ => default.unwrap_or_default(),
    };
    set(session, name, &value)
}

fn setting(settings: &CubeOptions, name: &str) -> CubeResult<ConfigEntry> {
    let settings = settings.entries();
    let names: Vec<String> = settings.iter().map(|setting| setting.key.clone()).collect();
    let found = settings.into_iter().find(|setting| setting.key == name);
    found.ok_or_else(|| {
        let error = CubeError::invalid("", format!("there is no setting cube.{name}"));
        match nearest(name, names.iter().map(String::as_str)).first() {
            Some(near) => error.remedy(format!("did you mean cube.{near}?")),
            None => error.remedy(format!("settings are {}", names.join(", "))),
        }
    })
}
