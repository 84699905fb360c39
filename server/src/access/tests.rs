//! Who gets in, and who does not: passwords, keys, tokens.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::roles::Role;
use super::section::{KeysAt, OidcSection, UserSection};
use super::*;

fn role(grants: &[&str]) -> Role {
    Role {
        grants: grants
            .iter()
            .map(|grant| Grant::parse(grant).unwrap())
            .collect(),
        roles: vec![],
        quota: Quota::default(),
    }
}

fn user(name: &str) -> UserSection {
    UserSection::new(name)
}

fn section() -> AccessSection {
    let verifier = |password| Some(Verifier::of(password).unwrap());
    AccessSection {
        users: vec![
            UserSection {
                verifier: verifier("right"),
                roles: vec!["analyst".to_string()],
                keys: vec![keys::hash("key of ada")],
                ..user("ada")
            },
            UserSection {
                verifier: verifier("right"),
                keys: vec![keys::hash("key of bob")],
                may_log_in: false,
                ..user("bob")
            },
            user("eve"),
        ],
        roles: BTreeMap::from([("analyst".to_string(), role(&["SELECT ON STORE lake"]))]),
        oidc: None,
    }
}

fn access(section: &AccessSection) -> Access {
    let directory = Directory::new(section.roster(), None).unwrap();
    Access::new(section, Arc::new(directory), &[])
}

#[test]
fn passwords_and_keys_let_in_whom_they_belong_to() {
    let access = access(&section());
    assert!(!access.is_open() && !access.has_anonymous());
    for (name, password, fits) in [
        ("ada", "right", true),
        ("ada", "wrong", false),
        ("ada", "", false),
        ("bob", "right", false),
        ("eve", "", false),
        ("nobody", "right", false),
        (ANONYMOUS, "", false),
    ] {
        let found = access.password(name, password);
        assert_eq!(found.is_ok(), fits, "{name} {password}");
        match found {
            Ok(identity) => assert_eq!(identity.name, name),
            Err(failure) => {
                assert_eq!(failure.state, SqlState::INVALID_PASSWORD);
                let expected = format!(
                    "the password of the user \"{name}\" is not right, or there is no such user"
                );
                assert_eq!(failure.message, expected);
            }
        }
    }
    let found = access.bearer("key of ada").unwrap();
    assert_eq!(found, access.identity("ada").unwrap());
    for key in ["key of bob", "key of ADA", "", "a.b.c"] {
        let failure = access.bearer(key).unwrap_err();
        assert!(!failure.message.contains("key of"), "{failure}");
    }
    // Whoever is not there looks like whoever is.
    for name in ["bob", "eve", "nobody"] {
        let verifier = access.verifier(name).unwrap();
        assert_eq!(access.verifier(name), Some(verifier.clone()));
        assert_eq!(
            verifier.iterations,
            access.verifier("ada").unwrap().iterations
        );
        assert_eq!(
            verifier.salt.len(),
            access.verifier("ada").unwrap().salt.len()
        );
        assert!(!verifier.fits("right"));
    }
    assert_eq!(access.identity("bob"), None);
    assert_eq!(access.anonymous().user.privileges, Privileges::default());
}

#[test]
fn open_access_is_for_this_machine_or_meant() {
    let nobody = access(&AccessSection::default());
    assert!(nobody.is_open() && nobody.has_anonymous());
    assert!(nobody.anonymous().user.privileges.is_admin());
    assert_eq!(nobody.verifier("ada"), None);
    let somebody = access(&section());
    for (access, is_loopback, is_meant, may) in [
        (&nobody, true, false, true),
        (&nobody, false, true, true),
        (&nobody, false, false, false),
        (&somebody, false, false, true),
    ] {
        assert_eq!(access.check(is_loopback, is_meant).is_ok(), may);
    }
    assert!(nobody.warning(true).is_some());
    assert_eq!(somebody.warning(false), None);
    let mut section = section();
    section.users.push(UserSection {
        roles: vec!["analyst".to_string()],
        ..user(ANONYMOUS)
    });
    let visited = access(&section);
    assert!(!visited.is_open() && visited.has_anonymous());
    assert_eq!(
        visited.anonymous().user.privileges,
        visited.identity("ada").unwrap().user.privileges
    );
}

/// A key that nobody trusts but these tests, and the modulus of its public half.
const RSA_KEY: &[u8] = include_bytes!("test_key.pem");
const RSA_MODULUS: &str = "sedKzrYUOduAkJVBn5KUG2Gcn3Iso-Kb0kTyRiu_NEieOblGqBbI5XaSY7x44wxClU-o7s2fTfaEyAYUal31qwKdCUbEMO0rjNd8JjOpLy3EXv6IYH-gn0UiIll-ZzS6EUKMQ0GGXIIjnI_FyBepUxvD2h2vU3rwtbblVVnRdJ3OqA3Kfqs_Zk5E3dLtsfU0cvmotthh_HrJRGOCxA05n1E1-CxRq6yFZRkjB69VQzN6cPew6G1GBRcNSLOtz-WQMzBxVRq1Tj8imoTCpF7qT_i3DbU6_Yx1bH7CPe30kIZ2cwhfZ9zeb7Ewc34ultJT9DF8vkFI-qi6kMgTcTI3Qw";

/// An issuer of tokens, with a key of each kind.
struct Issuer {
    folder: TempDir,
    rsa: EncodingKey,
    curve: EncodingKey,
    edwards: EncodingKey,
}

impl Issuer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let curve = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let edwards = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let point = EcdsaKeyPair::from_pkcs8(kind, curve.as_ref(), &random).unwrap();
        let point = point.public_key().as_ref().to_vec();
        let x = Ed25519KeyPair::from_pkcs8(edwards.as_ref()).unwrap();
        let keys = json!({"keys": [
            {"kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig", "n": RSA_MODULUS, "e": "AQAB"},
            {"kty": "EC", "kid": "curve", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])},
            {"kty": "OKP", "kid": "edwards", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
             "x": text(x.public_key().as_ref())},
            {"kty": "OKP", "kid": "for encryption", "crv": "Ed25519", "use": "enc", "x": text(x.public_key().as_ref())},
            {"kty": "oct", "kid": "shared", "k": text(b"everybody knows this")},
            {"kty": "something else"},
        ]});
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keys.json"), keys.to_string()).unwrap();
        Self {
            folder,
            rsa: EncodingKey::from_rsa_pem(RSA_KEY).unwrap(),
            curve: EncodingKey::from_ec_der(curve.as_ref()),
            edwards: EncodingKey::from_ed_der(edwards.as_ref()),
        }
    }

    fn access(&self, roles_claim: &str) -> Access {
        let mut section = section();
        section.oidc = Some(OidcSection {
            issuer: "https://issuer".to_string(),
            audience: "graticule".to_string(),
            keys: KeysAt::File(self.folder.path().join("keys.json")),
            user_claim: "sub".to_string(),
            roles_claim: roles_claim.to_string(),
            roles: BTreeMap::from([("staff".to_string(), "analyst".to_string())]),
            leeway: Duration::from_secs(30),
        });
        access(&section)
    }
}

fn claims(changes: Value) -> Value {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut claims = json!({
        "iss": "https://issuer", "aud": ["other", "graticule"], "sub": "carol", "exp": now + 600, "nbf": now - 600,
        "roles": ["staff", "guest"], "realm": {"roles": "staff"},
    });
    for (name, change) in changes.as_object().unwrap() {
        let change = match change.as_str() {
            Some("past") => json!(now - 600),
            Some("future") => json!(now + 600),
            _ => change.clone(),
        };
        claims[name] = change;
    }
    claims
        .as_object_mut()
        .unwrap()
        .retain(|_, value| !value.is_null());
    claims
}

fn header(algorithm: Algorithm, kid: &str) -> Header {
    Header {
        kid: Some(kid.to_string()),
        ..Header::new(algorithm)
    }
}

#[test]
fn tokens_of_the_issuer_let_in() {
    let issuer = Issuer::new();
    let access = issuer.access("roles");
    let expected = access.identity("ada").unwrap().user.privileges.clone();
    for (algorithm, kid, key) in [
        (Algorithm::RS256, "rsa", &issuer.rsa),
        (Algorithm::ES256, "curve", &issuer.curve),
        (Algorithm::EdDSA, "edwards", &issuer.edwards),
    ] {
        let token = encode(&header(algorithm, kid), &claims(json!({})), key).unwrap();
        let found = access.bearer(&token).unwrap();
        assert_eq!(
            (found.name.as_str(), &found.user.privileges),
            ("carol", &expected)
        );
    }
    let of = |access: &Access, changes: Value| {
        let token = encode(
            &header(Algorithm::EdDSA, "edwards"),
            &claims(changes),
            &issuer.edwards,
        );
        access.bearer(&token.unwrap())
    };
    assert_eq!(
        of(&issuer.access("realm.roles"), json!({}))
            .unwrap()
            .user
            .privileges,
        expected
    );
    for changes in [
        json!({"roles": null}),
        json!({"roles": "guest"}),
        json!({"roles": {"staff": true}}),
    ] {
        let found = of(&access, changes).unwrap();
        assert_eq!(found.user.privileges, Privileges::default());
    }
    for (changes, cause) in [
        (json!({"exp": "past"}), "expired"),
        (json!({"exp": null}), "lacks"),
        (json!({"nbf": "future"}), "not valid yet"),
        (json!({"iss": "https://other"}), "another issuer"),
        (json!({"iss": null}), "lacks"),
        (json!({"aud": "other"}), "another audience"),
        (json!({"aud": null}), "lacks"),
        (json!({"sub": null}), "name its user"),
        (json!({"sub": ""}), "name its user"),
        (json!({"sub": 7}), "name its user"),
        (json!({"sub": "ada"}), "a user of this server"),
        (json!({"sub": "operator"}), "command line"),
    ] {
        let failure = of(&access, changes.clone()).unwrap_err();
        assert!(failure.message.contains(cause), "{changes}: {failure}");
    }
}

#[test]
fn who_shows_a_token_has_to_prove_it_again() {
    let issuer = Issuer::new();
    let access = issuer.access("roles");
    let until = |changes: Value| {
        let token = encode(
            &header(Algorithm::EdDSA, "edwards"),
            &claims(changes),
            &issuer.edwards,
        );
        access.bearer(&token.unwrap()).unwrap().until
    };
    let left = until(json!({})).unwrap() - Instant::now();
    assert!(left <= Duration::from_secs(630), "{left:?}");
    assert!(left > Duration::from_secs(600), "{left:?}");
    // Times that no clock here can show.
    assert_eq!(until(json!({"exp": u64::MAX})), None);
    assert_eq!(access.identity("ada").unwrap().until, None);
}

#[test]
fn the_key_says_the_algorithm() {
    let issuer = Issuer::new();
    let access = issuer.access("roles");
    let token = |algorithm, kid: &str, key: &EncodingKey| {
        encode(&header(algorithm, kid), &claims(json!({})), key).unwrap()
    };
    let public = std::fs::read_to_string(issuer.folder.path().join("keys.json")).unwrap();
    let known = EncodingKey::from_secret(b"everybody knows this").unwrap();
    let confused = EncodingKey::from_secret(public.as_bytes()).unwrap();
    let good = token(Algorithm::EdDSA, "edwards", &issuer.edwards);
    let text = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = |algorithm: &str| {
        let header = text(json!({"alg": algorithm, "kid": "edwards"}));
        format!("{header}.{}.", text(claims(json!({}))))
    };
    let parts: Vec<&str> = good.split('.').collect();
    let forged = text(claims(json!({"sub": "mallory"})));
    for wrong in [
        token(
            Algorithm::HS256,
            "rsa",
            &EncodingKey::from_secret(RSA_MODULUS.as_bytes()).unwrap(),
        ),
        token(Algorithm::RS384, "rsa", &issuer.rsa),
        token(Algorithm::PS256, "rsa", &issuer.rsa),
        token(Algorithm::HS256, "edwards", &confused),
        token(Algorithm::HS256, "shared", &known),
        token(Algorithm::ES256, "edwards", &issuer.curve),
        token(Algorithm::EdDSA, "curve", &issuer.edwards),
        token(Algorithm::EdDSA, "for encryption", &issuer.edwards),
        token(Algorithm::EdDSA, "unknown", &issuer.edwards),
        encode(
            &Header::new(Algorithm::EdDSA),
            &claims(json!({})),
            &issuer.edwards,
        )
        .unwrap(),
        token(Algorithm::EdDSA, "edwards", &Issuer::new().edwards),
        unsigned("none"),
        unsigned("None"),
        unsigned("EdDSA"),
        format!("{}.{forged}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        "...".to_string(),
    ] {
        let failure = access.bearer(&wrong).unwrap_err();
        assert_eq!(failure.state, SqlState::INVALID_PASSWORD, "{wrong}");
    }
    assert!(access.bearer(&good).is_ok());
}
