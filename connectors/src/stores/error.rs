//! From the errors of object stores to [`CubeError`]: what happened, in a sentence, without secrets.
//!
//! ```text
//!  Error::Generic ─▶ RetryError ─▶ RequestError ─▶ HttpError ─▶ … ─▶ "Connection refused"
//!   kind from here     attempts      status, body                    cause from the innermost
//! ```
//!
//! URLs inside these errors may carry signatures, and bodies may echo what was sent; so only the
//! status, the `Code` and `Message` of an XML answer, and the innermost transport error are shown.

use std::error::Error;
use std::io;

use graticule_engine::error::{CubeError, ErrorKind};

use crate::http::Refusal;

/// Turns a store's error about `place` (URL of the store or object, without secrets) into ours.
///
/// The kind is `NotFound`, `Denied` (401, 403, file permissions), `Corrupt` (an object shorter than
/// the range that was asked for), `Unsupported`, `Invalid` (every other 4xx), or `Unavailable` for
/// what remains: the network, the server or the disk failed after all retries.
pub fn store_error(place: &str, error: &object_store::Error) -> CubeError {
    use object_store::Error as E;
    let causes = causes(error);
    // Stores that are made of others speak for those.
    if let Some(ours) = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<CubeError>())
    {
        return ours.clone().within(place);
    }
    let file_error = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        .map(io::Error::kind);
    let kind = match (error, file_error, status(&causes)) {
        (E::NotFound { .. }, ..)
        | (E::Generic { .. }, Some(io::ErrorKind::NotFound), _)
        | (_, _, Some(404)) => ErrorKind::NotFound,
        (E::PermissionDenied { .. } | E::Unauthenticated { .. }, ..)
        | (E::Generic { .. }, Some(io::ErrorKind::PermissionDenied), _)
        | (_, _, Some(401 | 403)) => ErrorKind::Denied,
        (E::NotSupported { .. } | E::NotImplemented { .. }, ..) => ErrorKind::Unsupported,
        _ if is_out_of_range(&causes) => ErrorKind::Corrupt,
        // The server was asked too often, or too slowly: the request itself is right.
        (_, _, Some(408 | 429)) => ErrorKind::Unavailable,
        (
            E::InvalidPath { .. }
            | E::AlreadyExists { .. }
            | E::Precondition { .. }
            | E::NotModified { .. },
            ..,
        )
        | (_, _, Some(400..500)) => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    let detail = detail(&causes);
    let is_refusal = causes.iter().any(|cause| cause.is::<Refusal>());
    match kind {
        ErrorKind::NotFound => CubeError::not_found(place, "the object does not exist"),
        ErrorKind::Denied if file_error.is_some() => {
            CubeError::new(kind, place, "permission to read the file is denied")
                .remedy("make it readable for the user who runs this program")
        }
        ErrorKind::Denied => CubeError::new(kind, place, format!("access is denied: {detail}"))
            .remedy(
                "check the credentials; set anonymous = true for a public store, and \
                 missing_is_403 = true for one that says this of what does not exist",
            ),
        ErrorKind::Corrupt => CubeError::corrupt(
            place,
            format!("the object is shorter than its metadata say: {detail}"),
        )
        .remedy("copy it again from its source"),
        // Repeating it will not help, and the sentence says all there is to say.
        ErrorKind::Unavailable if is_refusal => CubeError::new(kind, place, detail),
        ErrorKind::Unavailable => {
            let attempts = attempts(&causes);
            let times = match attempts {
                1 => String::new(),
                more => format!(" {more} times"),
            };
            CubeError::new(kind, place, format!("the store failed{times}: {detail}"))
                .remedy("check the address and the network, or try again later")
        }
        ErrorKind::Invalid => CubeError::invalid(place, detail)
            .remedy("check the address and the options of the store"),
        _ => CubeError::new(kind, place, detail),
    }
}

/// Turns a store's error about writing to `place` into ours.
///
/// As [`store_error`], but what is denied or missing is not the object; and `Conflict` when there is an
/// object already that must not be there.
pub(crate) fn write_error(place: &str, error: &object_store::Error) -> CubeError {
    use object_store::Error as E;
    let causes = causes(error);
    if let Some(error) = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<io::Error>())
        && status(&causes).is_none()
        && is_of_files(error.kind())
    {
        return file_write_error(place, error);
    }
    let plain = store_error(place, error);
    match (error, plain.kind()) {
        (E::AlreadyExists { .. } | E::Precondition { .. }, _) => conflict(place),
        (_, ErrorKind::Denied) => {
            let detail = detail(&causes);
            CubeError::new(
                ErrorKind::Denied,
                place,
                format!("writing is denied: {detail}"),
            )
            .remedy("use credentials that may write there")
        }
        (_, ErrorKind::NotFound) => CubeError::not_found(place, "the store does not exist")
            .remedy("create the bucket or the container first"),
        (_, ErrorKind::Unsupported) => CubeError::unsupported(place, "the store cannot be written")
            .remedy("write to a local folder, or to S3, Google Cloud Storage or Azure"),
        _ => plain,
    }
}

/// Turns an error of the file system about writing to `place` into ours.
pub(crate) fn file_write_error(place: &str, error: &io::Error) -> CubeError {
    let failed = |kind, cause: &str| CubeError::new(kind, place, cause);
    match error.kind() {
        io::ErrorKind::AlreadyExists => conflict(place),
        io::ErrorKind::PermissionDenied => {
            failed(ErrorKind::Denied, "permission to write is denied")
                .remedy("make the folder writable for the user who runs this program")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            failed(ErrorKind::Denied, "the file system can only be read")
                .remedy("write to another place")
        }
        io::ErrorKind::StorageFull => failed(ErrorKind::Unavailable, "the disk is full")
            .remedy("free space on it, or write to another place, and run the statement again"),
        io::ErrorKind::QuotaExceeded => {
            failed(ErrorKind::Unavailable, "the quota of the disk is used up")
                .remedy("free space, or write to another place, and run the statement again")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => CubeError::new(
            ErrorKind::Conflict,
            place,
            format!("files are in the way: {error}"),
        )
        .remedy("choose another place, or remove what is there"),
        _ => failed(
            ErrorKind::Unavailable,
            &format!("the file cannot be written: {error}"),
        )
        .remedy("check the disk, and run the statement again"),
    }
}

fn conflict(place: &str) -> CubeError {
    CubeError::new(
        ErrorKind::Conflict,
        place,
        "there is an object of this name already",
    )
    .remedy("choose another place, or remove what is there")
}

/// Errors that only file systems have; others may come from a network.
fn is_of_files(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
    )
}

/// A store at `place` that cannot be set up from its options.
pub(super) fn setup_error(place: &str, error: &object_store::Error) -> CubeError {
    let reason = detail(&causes(error));
    CubeError::invalid(place, format!("the store cannot be set up: {reason}"))
        .remedy("check the address and the options of the store")
}

/// The error and its sources, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source()).collect()
}

const STATUS: &str = "Server returned non-2xx status code: ";

/// The status of the server's answer, if there was one.
fn status(causes: &[&(dyn Error + 'static)]) -> Option<u16> {
    causes.iter().find_map(|cause| {
        let text = cause.to_string();
        text.strip_prefix(STATUS)?.get(..3)?.parse().ok()
    })
}

/// The status and message of an answer, or the text of the innermost error.
fn detail(causes: &[&(dyn Error + 'static)]) -> String {
    let answer = causes
        .iter()
        .find_map(|cause| cause.to_string().strip_prefix(STATUS).map(String::from));
    match answer {
        Some(answer) => {
            let (status, body) = answer.split_once(": ").unwrap_or((&answer, ""));
            let parts = [
                Some(format!("the server answered {status}")),
                xml_text(body, "Code"),
                xml_text(body, "Message"),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        None => causes
            .last()
            .map(ToString::to_string)
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_string(),
    }
}

/// The text of the first element `name` of an XML document, at most 200 characters.
fn xml_text(document: &str, name: &str) -> Option<String> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text: String = text
        .trim()
        .trim_end_matches('.')
        .chars()
        .take(200)
        .collect();
    (!text.is_empty()).then_some(text)
}

/// How often the request was sent, read from `… after 3 retries, …`.
fn attempts(causes: &[&(dyn Error + 'static)]) -> usize {
    let retries = causes.iter().find_map(|cause| {
        let text = cause.to_string();
        let (_, rest) = text.split_once(", after ")?;
        let (count, _) = rest.split_once(" retries")?;
        count.parse::<usize>().ok()
    });
    retries.unwrap_or(0) + 1
}

/// Was a range asked for that lies outside the object? Neither the local nor the remote stores
/// export a type for it.
fn is_out_of_range(causes: &[&(dyn Error + 'static)]) -> bool {
    causes.iter().any(|cause| {
        let text = cause.to_string();
        text.starts_with("Out of range of file") || text.starts_with("Wanted range starting at")
    }) || status(causes) == Some(416)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt};

    use super::*;

    #[tokio::test]
    async fn kinds_of_local_errors() {
        let folder = tempfile::tempdir().unwrap();
        let files = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let memory = InMemory::new();
        let path = Path::from("short");
        for store in [&files as &dyn ObjectStore, &memory] {
            store.put(&path, "abc".into()).await.unwrap();
            for (object, range, expected) in [
                ("absent", 0..1, ErrorKind::NotFound),
                ("short", 7..9, ErrorKind::Corrupt),
            ] {
                let error = store
                    .get_range(&Path::from(object), range)
                    .await
                    .unwrap_err();
                let error = store_error("place", &error);
                assert_eq!(error.kind(), expected, "{store}: {error}");
            }
        }
    }

    #[test]
    fn file_permissions() {
        let source = Box::new(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = object_store::Error::Generic { store: "", source };
        let error = store_error("/data/cube.zarr", &error);
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(
            error.to_string(),
            "permission to read the file is denied (in /data/cube.zarr); make it readable for the \
             user who runs this program"
        );
    }

    #[test]
    fn what_a_disk_says_when_it_is_written() {
        for (kind, expected, part) in [
            (
                io::ErrorKind::StorageFull,
                ErrorKind::Unavailable,
                "free space",
            ),
            (
                io::ErrorKind::QuotaExceeded,
                ErrorKind::Unavailable,
                "quota",
            ),
            (
                io::ErrorKind::PermissionDenied,
                ErrorKind::Denied,
                "make the folder writable",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                ErrorKind::Denied,
                "another place",
            ),
            (
                io::ErrorKind::NotADirectory,
                ErrorKind::Conflict,
                "in the way",
            ),
            (io::ErrorKind::AlreadyExists, ErrorKind::Conflict, "already"),
            (
                io::ErrorKind::Other,
                ErrorKind::Unavailable,
                "check the disk",
            ),
        ] {
            let plain = file_write_error("/data/x.zarr", &io::Error::from(kind));
            let source = Box::new(io::Error::from(kind));
            let wrapped = object_store::Error::Generic { store: "", source };
            let wrapped = write_error("/data/x.zarr", &wrapped);
            assert_eq!(plain.kind(), expected, "{plain}");
            assert!(plain.to_string().contains(part), "{plain}");
            assert!(plain.to_string().contains("in /data/x.zarr"), "{plain}");
            if is_of_files(kind) {
                assert_eq!(wrapped.to_string(), plain.to_string());
            }
        }
        let exists = object_store::Error::AlreadyExists {
            path: String::new(),
            source: "If-None-Match".into(),
        };
        assert_eq!(write_error("x", &exists).kind(), ErrorKind::Conflict);
    }

    #[test]
    fn answers_are_summarised_without_urls() {
        #[derive(Debug, thiserror::Error)]
        #[error(
            "Error performing GET https://host/x?sig=s3cr3t in 1s, after 3 retries, max_retries: 3 "
        )]
        struct Retries(#[source] Answer);
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Answer(&'static str);

        for (answer, kind, expected) in [
            (
                "Server returned non-2xx status code: 503 Service Unavailable: ",
                ErrorKind::Unavailable,
                "the store failed 4 times: the server answered 503 Service Unavailable (in place)",
            ),
            (
                "Server returned non-2xx status code: 400 Bad Request: <Error><Code>Malformed</Code>\
                 <Message>The region is wrong.</Message><StringToSign>s3cr3t</StringToSign></Error>",
                ErrorKind::Invalid,
                "the server answered 400 Bad Request, Malformed, The region is wrong (in place)",
            ),
            (
                "Server returned non-2xx status code: 404 Not Found: <Code>NoSuchBucket</Code>",
                ErrorKind::NotFound,
                "does not exist",
            ),
            (
                "Server returned non-2xx status code: 403 Forbidden: <Code>AccessDenied</Code>",
                ErrorKind::Denied,
                "access is denied: the server answered 403 Forbidden, AccessDenied",
            ),
            (
                "Server returned non-2xx status code: 416 Range Not Satisfiable: ",
                ErrorKind::Corrupt,
                "shorter",
            ),
            (
                "Server returned non-2xx status code: 429 Too Many Requests: ",
                ErrorKind::Unavailable,
                "failed 4 times: the server answered 429",
            ),
            (
                "Connection refused (os error 111)",
                ErrorKind::Unavailable,
                "the store failed 4 times: Connection refused (os error 111) (in place)",
            ),
        ] {
            let source = Box::new(Retries(Answer(answer)));
            let error = object_store::Error::Generic {
                store: "S3",
                source,
            };
            let error = store_error("place", &error);
            let text = error.to_string();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(text.contains(expected), "{text}");
            assert!(!text.contains("s3cr3t"), "{text}");
        }
    }
}
