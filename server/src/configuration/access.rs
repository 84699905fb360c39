//! The sections `[users]`, `[roles]` and `[oidc]`, see `access/section.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use graticule_engine::access::{Grant, OPERATOR};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Key, Mistake, Reader};
use crate::access::section::{AccessSection, KeysAt, OidcSection, UserSection};
use crate::access::{Quota, Verifier, roles::Role, section};

const USER: [&str; 4] = ["password", "roles", "api_keys", "login"];
const ROLE: [&str; 2] = ["grants", "roles"];
/// What users and roles may use.
const QUOTA: [&str; 5] = ["memory", "scan", "queries", "statement_timeout", "rate"];
const OIDC: [&str; 8] = [
    "issuer",
    "audience",
    "jwks_file",
    "jwks_url",
    "user_claim",
    "roles_claim",
    "roles",
    "leeway",
];
/// By how much clocks may differ unless it is said.
const LEEWAY: Duration = Duration::from_secs(30);

/// A name of a role, and where it stands.
type Named = (String, std::ops::Range<usize>);

impl Reader<'_> {
    pub(super) fn read_access(&self, document: &DeTable<'_>) -> Result<AccessSection, Mistake> {
        let mut section = AccessSection::default();
        let mut named = Vec::new();
        for (key, value) in document {
            match key.get_ref().as_ref() {
                "users" => {
                    for (name, user) in self.table(key, value)? {
                        let user = self.read_user(name, self.table(name, user)?, &mut named)?;
                        section.users.push(user);
                    }
                }
                "roles" => {
                    for (name, role) in self.table(key, value)? {
                        let role = self.read_role(self.table(name, role)?, &mut named)?;
                        section.roles.insert(name.get_ref().to_string(), role);
                    }
                }
                "oidc" => {
                    let oidc = self.read_oidc(key, self.table(key, value)?, &mut named)?;
                    section.oidc = Some(oidc);
                }
                _ => {}
            }
        }
        // Roles may be named before they are described.
        match named
            .iter()
            .find(|(name, _)| !section.roles.contains_key(name))
        {
            None => Ok(section),
            Some((name, span)) => {
                let text = format!("there is no role {name}; describe it in [roles.{name}]");
                Err(self.mistake(span.clone(), &text))
            }
        }
    }

    fn read_user(
        &self,
        name: Key<'_>,
        table: &DeTable<'_>,
        named: &mut Vec<Named>,
    ) -> Result<UserSection, Mistake> {
        if name.get_ref() == OPERATOR {
            let text = "operator is who runs the command line; the user needs another name";
            return Err(self.mistake(name.span(), text));
        }
        let mut user = UserSection::new(name.get_ref());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "password" => {
                    user.verifier = Some(self.verifier(value, self.text_of(key, value)?)?)
                }
                "roles" => {
                    let roles = self.texts(key, value)?;
                    user.roles = roles.iter().map(|(role, _)| role.clone()).collect();
                    named.extend(roles);
                }
                "api_keys" => {
                    for (text, span) in self.texts(key, value)? {
                        let hash = section::parse_hash(&text).ok_or_else(|| {
                            let text = "an API key stands here as its hash, sha256:HEX, never itself; `graticule api-key` prints both";
                            self.mistake(span, text)
                        })?;
                        user.keys.push(hash);
                    }
                }
                "login" => user.may_log_in = self.flag(key, value)?,
                limit if QUOTA.contains(&limit) => self.read_limit(&mut user.quota, key, value)?,
                written => {
                    let option_names = || ["password"].into_iter();
                    match self.secret(written, key, value, option_names)? {
                        Some((_, text)) => user.verifier = Some(self.verifier(value, text)?),
                        None => {
                            return Err(self.unknown(
                                key,
                                "setting of a user",
                                USER.into_iter().chain(QUOTA),
                            ));
                        }
                    }
                }
            }
        }
        Ok(user)
    }

    fn read_role(&self, table: &DeTable<'_>, named: &mut Vec<Named>) -> Result<Role, Mistake> {
        let mut role = Role::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "grants" => {
                    for (text, span) in self.texts(key, value)? {
                        let grant = Grant::parse(&text);
                        let grant =
                            grant.map_err(|error| self.mistake(span, &error.to_string()))?;
                        role.grants.push(grant);
                    }
                }
                "roles" => {
                    let roles = self.texts(key, value)?;
                    role.roles = roles.iter().map(|(role, _)| role.clone()).collect();
                    named.extend(roles);
                }
                limit if QUOTA.contains(&limit) => self.read_limit(&mut role.quota, key, value)?,
                _ => {
                    let known = ROLE.into_iter().chain(QUOTA);
                    return Err(self.unknown(key, "setting of a role", known));
                }
            }
        }
        Ok(role)
    }

    /// Reads one of [`QUOTA`].
    fn read_limit(
        &self,
        quota: &mut Quota,
        key: Key<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), Mistake> {
        match key.get_ref().as_ref() {
            "memory" => quota.memory = Some(self.amount(value)?),
            "scan" => quota.scan = Some(self.amount(value)?),
            "queries" => quota.queries = Some(self.count(key, value, 1 << 20)?),
            "rate" => quota.rate = Some(self.count(key, value, 1 << 30)?),
            _ => {
                let timeout = self.duration(key, value)?;
                if timeout.is_zero() {
                    let text =
                        "statement_timeout is more than nothing; login = false keeps a user out";
                    return Err(self.mistake(value.span(), text));
                }
                quota.statement_timeout = Some(timeout);
            }
        }
        Ok(())
    }

    fn read_oidc(
        &self,
        section: Key<'_>,
        table: &DeTable<'_>,
        named: &mut Vec<Named>,
    ) -> Result<OidcSection, Mistake> {
        let (mut issuer, mut audience, mut keys) = (None, None, None);
        let mut user_claim = "sub".to_string();
        let mut roles_claim = "roles".to_string();
        let mut roles = BTreeMap::new();
        let mut leeway = LEEWAY;
        for (key, value) in table {
            let text = || self.text_of(key, value);
            match key.get_ref().as_ref() {
                "issuer" => issuer = Some(text()?),
                "audience" => audience = Some(text()?),
                "jwks_file" | "jwks_url" if keys.is_some() => {
                    let text = "keys are in a jwks_file or at a jwks_url, not both";
                    return Err(self.mistake(key.span(), text));
                }
                "jwks_file" => keys = Some(KeysAt::File(self.folder.join(text()?))),
                "jwks_url" => keys = Some(KeysAt::Url(self.address_of_keys(value, text()?)?)),
                "user_claim" => user_claim = text()?,
                "roles_claim" => roles_claim = text()?,
                "leeway" => leeway = self.duration(key, value)?,
                "roles" => {
                    for (theirs, ours) in self.table(key, value)? {
                        let role = self.text_of(theirs, ours)?;
                        named.push((role.clone(), ours.span()));
                        roles.insert(theirs.get_ref().to_string(), role);
                    }
                }
                _ => return Err(self.unknown(key, "setting of tokens", OIDC.into_iter())),
            }
        }
        let needs = |what: &str| self.mistake(section.span(), &format!("[oidc] needs {what}"));
        Ok(OidcSection {
            issuer: issuer.ok_or_else(|| needs("an issuer"))?,
            audience: audience.ok_or_else(|| needs("an audience"))?,
            keys: keys.ok_or_else(|| needs("a jwks_file or a jwks_url"))?,
            user_claim,
            roles_claim,
            roles,
            leeway,
        })
    }

    fn verifier(&self, value: &Spanned<DeValue<'_>>, text: String) -> Result<Verifier, Mistake> {
        Verifier::parse(&text).ok_or_else(|| {
            let text = "a password stands here as SCRAM-SHA-256$…, never itself; `graticule password` prints that";
            self.mistake(value.span(), text)
        })
    }

    /// Who could change keys on their way could let in anybody.
    fn address_of_keys(
        &self,
        value: &Spanned<DeValue<'_>>,
        url: String,
    ) -> Result<String, Mistake> {
        let is_here = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
            .iter()
            .any(|here| {
                url.strip_prefix(here)
                    .is_some_and(|rest| rest.starts_with([':', '/']))
            });
        match url.starts_with("https://") || is_here {
            true => Ok(url),
            false => Err(self.mistake(value.span(), "jwks_url begins with https://")),
        }
    }

    /// A list of texts, each with its place.
    fn texts(&self, key: Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<Named>, Mistake> {
        let wrong = || {
            let text = format!("{} is a list of texts: [\"…\"]", key.get_ref());
            self.mistake(value.span(), &text)
        };
        let list = value.get_ref().as_array().ok_or_else(wrong)?;
        let texts = list.iter().map(|item| {
            let text = item.get_ref().as_str().ok_or_else(wrong)?;
            Ok((text.to_string(), item.span()))
        });
        texts.collect()
    }

    pub(super) fn flag(&self, key: Key<'_>, value: &Spanned<DeValue<'_>>) -> Result<bool, Mistake> {
        value.get_ref().as_bool().ok_or_else(|| {
            let text = format!("{} is true or false", key.get_ref());
            self.mistake(value.span(), &text)
        })
    }
}
