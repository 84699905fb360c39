//! Who gets to see credentials: the server they are for, and nobody else.

use std::sync::OnceLock;

use datafusion::object_store::ObjectStore;
use graticule_connectors::http;
use graticule_engine::error::ErrorKind;
use libtest_mimic::{Failed, Trial};

use super::faulty_server::{Answer, FaultyServer, Request};
use super::{connect, read, run};

const SECRET: &str = "s3cr3t";

/// Options and a query string with a secret each.
const SECRETS: &[(&[(&str, &str)], &str)] = &[
    (&[("bearer_token", SECRET)], ""),
    (&[("username", "ada"), ("password", SECRET)], ""),
    (&[("headers", "X-Api-Key: s3cr3t\nCookie: id=s3cr3t")], ""),
    (&[], "?sv=1&sig=s3cr3t"),
];

/// Does any part of the request carry the secret, also as base64 of `ada:s3cr3t`?
fn carries_secret(request: &Request) -> bool {
    request.text.contains(SECRET) || request.text.contains("YWRhOnMzY3IzdA==")
}

/// A redirect within the server keeps the secret; one to another server loses it.
async fn redirects() -> Result<(), Failed> {
    for (options, query) in SECRETS {
        let other = FaultyServer::start(b"object", &[""], &[Answer::Object]).await;
        let to = |target: String| Answer::Status(302, format!("Location: {target}"));
        let elsewhere = to(format!("{}/there?public=1", other.url));
        let answers = [to("/here".into()), elsewhere];
        let server = FaultyServer::start(b"object", &[""], &answers).await;
        let location = connect(&format!("{}/x{query}", server.url), options)?;
        assert_eq!(read(&location, Some(0..3)).await?, b"obj");

        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert!(carries_secret(&requests[0]), "{requests:?}");
        assert_eq!(requests[1].target(), "/here");
        if query.is_empty() {
            assert!(carries_secret(&requests[1]), "{requests:?}");
        }
        let leaked = other.requests();
        assert_eq!(leaked.len(), 1);
        assert!(!carries_secret(&leaked[0]), "{leaked:?}");
        assert_eq!(leaked[0].header("referer"), None);
        assert_eq!(leaked[0].header("range"), Some("bytes=0-2"));
    }
    Ok(())
}

async fn endless_redirect() -> Result<(), Failed> {
    let round = Answer::Status(307, "Location: /x".into());
    let server = FaultyServer::start(b"object", &[""], &[round]).await;
    let location = connect(&format!("{}/x", server.url), &[])?;
    let error = read(&location, None).await.unwrap_err();
    assert!(error.to_string().contains("more than 10 times"), "{error}");
    assert_eq!(server.requests().len(), 11);
    Ok(())
}

/// Whatever goes wrong, no text that comes of it has the secret.
async fn errors() -> Result<(), Failed> {
    for status in [400, 401, 403, 404, 416, 500] {
        for (options, query) in SECRETS {
            let answer = Answer::Status(status, "X-Echo: s3cr3t".into());
            let server = FaultyServer::start(b"object", &[""], &[answer]).await;
            let mut options = options.to_vec();
            options.push(("max_retries", "0"));
            let location = connect(&format!("{}/x{query}", server.url), &options)?;
            let raw = location.store.list_with_delimiter(None).await.unwrap_err();
            let error = read(&location, None).await.unwrap_err();
            let shown = format!("{location:?} {} {raw:?} {error} {error:?}", location.url);
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
    Ok(())
}

/// Plain HTTP has no listing, and the server is not even asked.
async fn no_listing() -> Result<(), Failed> {
    let server = FaultyServer::start(b"object", &[""], &[Answer::Object]).await;
    let location = connect(&server.url, &[])?;
    assert!(!location.listable);
    let error = location.store.list_with_delimiter(None).await.unwrap_err();
    assert!(error.to_string().contains("no listing"), "{error}");
    assert_eq!(server.requests().len(), 0);
    Ok(())
}

/// 403 stays an error here; the location says that formats may take it for a missing chunk.
async fn forbidden_means_missing() -> Result<(), Failed> {
    for (options, expected) in [(&[("missing_is_403", "true")][..], true), (&[], false)] {
        let answer = Answer::Status(403, String::new());
        let server = FaultyServer::start(b"object", &[""], &[answer]).await;
        let location = connect(&format!("{}/x", server.url), options)?;
        assert_eq!(location.child("0.0").missing_is_403, expected);
        let error = read(&location, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(server.requests().len(), 1);
    }
    Ok(())
}

/// Address, further options, the target of the request, and a header with part of its value, which
/// is absent if that is empty.
type Sent = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    (&'static str, &'static str),
);

const KEYS: [(&str, &str); 2] = [("access_key_id", "AK"), ("secret_access_key", SECRET)];

const SENT: &[Sent] = &[
    // Neither keys in the options, nor a metadata service that is asked for them.
    ("s3://era5/a/0.0", &[], "/era5/a/0.0", ("authorization", "")),
    (
        "gs://era5/a/0.0",
        &[],
        "/era5/a%2F0%2E0",
        ("authorization", ""),
    ),
    (
        "az://era5/a/0.0",
        &[("account", "lake")],
        "/era5/a/0.0",
        ("authorization", ""),
    ),
    (
        "s3://era5/a",
        &[("anonymous", "true")],
        "/era5/a",
        ("authorization", ""),
    ),
    (
        "s3://tenant:era5/a",
        &[],
        "/tenant:era5/a",
        ("authorization", ""),
    ),
    (
        "s3://era5/a",
        &[KEYS[0], KEYS[1], ("region", "eu-west-1")],
        "/era5/a",
        ("authorization", "/eu-west-1/s3/aws4_request"),
    ),
    (
        "s3://era5/a",
        &[KEYS[0], KEYS[1], ("session_token", "temporary")],
        "/era5/a",
        ("x-amz-security-token", "temporary"),
    ),
    (
        "s3://era5/a",
        &[KEYS[0], KEYS[1], ("request_payer", "true")],
        "/era5/a",
        ("x-amz-request-payer", "requester"),
    ),
    (
        "az://era5/a",
        &[("account", "lake"), ("access_key", "czNjcjN0")],
        "/era5/a",
        ("authorization", "SharedKey lake:"),
    ),
];

/// What object stores send: one request, authorised as the options say.
async fn sent() -> Result<(), Failed> {
    for (url, more, target, (name, part)) in SENT {
        let server = FaultyServer::start(b"object", &["\"v1\""], &[Answer::Object]).await;
        let mut options = vec![("endpoint", server.url.as_str()), ("allow_http", "true")];
        options.extend(*more);
        let location = connect(url, &options)?;
        assert_eq!(read(&location, None).await?, b"object");
        let requests = server.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(requests[0].target(), *target);
        match (requests[0].header(name), part.is_empty()) {
            (Some(value), false) => assert!(value.contains(part), "{url}: {value}"),
            (value, _) => assert_eq!(value, None, "{url}"),
        }
        assert!(!carries_secret(&requests[0]));
    }
    Ok(())
}

/// A signed request that is redirected elsewhere goes there without its signature.
async fn signed_redirect() -> Result<(), Failed> {
    let other = FaultyServer::start(b"object", &["\"v1\""], &[Answer::Object]).await;
    let elsewhere = Answer::Status(307, format!("Location: {}/era5/a", other.url));
    let server = FaultyServer::start(b"object", &[""], &[elsewhere]).await;
    let mut options = vec![("endpoint", server.url.as_str()), ("allow_http", "true")];
    options.extend(KEYS);
    options.push(("session_token", "temporary"));
    let location = connect("s3://era5/a", &options)?;
    assert_eq!(read(&location, None).await?, b"object");
    assert!(server.requests()[0].header("authorization").is_some());
    let leaked = &other.requests()[0];
    assert_eq!(leaked.header("authorization"), None);
    assert!(!leaked.text.contains("x-amz-"), "{}", leaked.text);
    assert_eq!(leaked.header("host"), other.url.strip_prefix("http://"));
    Ok(())
}

/// Amazon redirects without an address to the region of the bucket; the error names it.
async fn other_region() -> Result<(), Failed> {
    let answer = Answer::Status(301, "x-amz-bucket-region: eu-west-1".into());
    let server = FaultyServer::start(b"object", &[""], &[answer]).await;
    let options = [("endpoint", server.url.as_str()), ("allow_http", "true")];
    let error = read(&connect("s3://era5/a", &options)?, None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("set region = 'eu-west-1'"),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
    Ok(())
}

/// A listing that breaks off is asked for again: half a listing would be half a cube.
async fn broken_listing() -> Result<(), Failed> {
    const LISTING: &[u8] = b"<?xml version=\"1.0\"?><ListBucketResult>\
        <IsTruncated>false</IsTruncated><Contents><Key>a/0.0</Key><Size>6</Size>\
        <LastModified>1994-11-06T08:49:37Z</LastModified><ETag>x</ETag></Contents>\
        </ListBucketResult>";
    let answers = [Answer::Break(60), Answer::Object];
    let server = FaultyServer::start(LISTING, &[""], &answers).await;
    let options = [("endpoint", server.url.as_str()), ("allow_http", "true")];
    let location = connect("s3://era5/a", &options)?;
    let found = location
        .store
        .list_with_delimiter(Some(&location.path))
        .await?;
    assert_eq!(found.objects.len(), 1);
    assert_eq!(server.requests().len(), 2);
    Ok(())
}

/// A shared access signature travels in the query, so the URL must not be in the error.
async fn shared_access_signature() -> Result<(), Failed> {
    let server = FaultyServer::start(b"object", &[""], &[Answer::Status(503, String::new())]).await;
    let options = [
        ("endpoint", server.url.as_str()),
        ("allow_http", "true"),
        ("account", "lake"),
        ("sas_token", "?sv=1&sig=s3cr3t"),
        ("max_retries", "0"),
    ];
    let location = connect("az://cubes/a", &options)?;
    let raw = location
        .store
        .get_opts(&location.path, Default::default())
        .await;
    let shown = format!("{location:?} {raw:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(carries_secret(&server.requests()[0]));
    Ok(())
}

/// A runtime without any I/O can read, when the I/O is done on another one.
fn other_runtime() -> Result<(), Failed> {
    static IO: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let io = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let io = IO.get_or_init(|| io);
    http::use_runtime(io.handle().clone());
    let answers = [Answer::Break(3), Answer::Object];
    let server = io.block_on(FaultyServer::start(b"object", &["\"v1\""], &answers));
    let location = connect(&format!("{}/x", server.url), &[])?;
    let computing = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    assert_eq!(computing.block_on(read(&location, None))?, b"object");
    Ok(())
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("stores::secrets::redirects", || run(redirects())),
        Trial::test("stores::secrets::endless_redirect", || {
            run(endless_redirect())
        }),
        Trial::test("stores::secrets::errors", || run(errors())),
        Trial::test("stores::secrets::no_listing", || run(no_listing())),
        Trial::test("stores::secrets::forbidden_means_missing", || {
            run(forbidden_means_missing())
        }),
        Trial::test("stores::secrets::sent", || run(sent())),
        Trial::test(
            "stores::secrets::signed_redirect",
            || run(signed_redirect()),
        ),
        Trial::test("stores::secrets::other_region", || run(other_region())),
        Trial::test("stores::secrets::broken_listing", || run(broken_listing())),
        Trial::test("stores::secrets::shared_access_signature", || {
            run(shared_access_signature())
        }),
        Trial::test("stores::secrets::other_runtime", other_runtime),
    ]
}
