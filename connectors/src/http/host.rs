//! How many requests a host gets at once, and when it wants none.
//!
//! ```text
//!  request ─▶ admit: a permit of the host ─▶ wait until `not_before` ─▶ send ─▶ heed: Retry-After
//!                    └ held until the body is read                              sets `not_before`
//! ```

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::client::{HttpError, HttpRequest, HttpResponse};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::service::Refusal;

/// A host that wants us away for longer is an error, not a wait.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// A host and port, with what this process owes it.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    connections: Arc<Semaphore>,
    not_before: Mutex<Option<Instant>>,
}

impl Host {
    /// The host of `request`, the same for the whole process. Stores with different limits count
    /// their own requests.
    pub(super) fn of(request: &HttpRequest, max_connections: usize) -> Arc<Host> {
        static HOSTS: LazyLock<Mutex<HashMap<(String, usize), Arc<Host>>>> =
            LazyLock::new(Mutex::default);

        let name = request
            .uri()
            .authority()
            .map(|authority| authority.as_str().to_ascii_lowercase())
            .unwrap_or_default();
        let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts
            .entry((name.clone(), max_connections))
            .or_insert_with(|| {
                Arc::new(Host {
                    name,
                    connections: Arc::new(Semaphore::new(max_connections)),
                    not_before: Mutex::new(None),
                })
            });
        Arc::clone(host)
    }

    /// Waits for a free connection, and until the host is willing.
    ///
    /// # Errors
    /// The host wants us to wait longer than two minutes.
    pub(super) async fn admit(&self) -> Result<OwnedSemaphorePermit, HttpError> {
        let permit = Arc::clone(&self.connections)
            .acquire_owned()
            .await
            .map_err(|error| Refusal::of(error.to_string()))?;
        while let Some(moment) = self.not_before() {
            let wait = moment.saturating_duration_since(Instant::now());
            if wait > LONGEST_WAIT {
                return Err(Refusal::of(format!(
                    "{} asks for no requests during the next {} s",
                    self.name,
                    wait.as_secs()
                )));
            }
            if wait.is_zero() {
                break;
            }
            tokio::time::sleep_until(moment).await;
        }
        Ok(permit)
    }

    /// Remembers the `Retry-After` of a host that is overloaded or limits our rate.
    pub(super) fn heed(&self, response: &HttpResponse) {
        let status = response.status();
        if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
            return;
        }
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| retry_after(value.to_str().ok()?, Utc::now()));
        if let Some(moment) = wait.and_then(|wait| Instant::now().checked_add(wait)) {
            let mut not_before = self
                .not_before
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *not_before = Some(not_before.map_or(moment, |earlier| earlier.max(moment)));
        }
    }

    fn not_before(&self) -> Option<Instant> {
        *self
            .not_before
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait that a `Retry-After` header asks for: whole seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = DateTime::parse_from_rfc2822(value).ok()?;
    // A date in the past means now.
    Some(
        moment
            .signed_duration_since(now)
            .to_std()
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use object_store::client::HttpRequestBody;

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = DateTime::parse_from_rfc2822("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
            ("", None),
        ] {
            let found = retry_after(value, now.to_utc());
            assert_eq!(found, seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    #[tokio::test]
    async fn a_host_that_asks_for_patience_gets_it() {
        for (status, header, expected) in [
            (429, Some("1"), Ok(1)),
            (503, Some("125"), Err("no requests during the next 12")),
            (503, None, Ok(0)),
            (200, Some("1"), Ok(0)),
        ] {
            let host = host(
                &format!("http://patience-{status}-{}/", header.unwrap_or("none")),
                1,
            );
            let mut response = HttpResponse::new(String::new().into());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(header) = header {
                let headers = response.headers_mut();
                headers.insert(RETRY_AFTER, header.parse().unwrap());
            }
            let start = Instant::now();
            host.heed(&response);
            match (host.admit().await, expected) {
                (Ok(_), Ok(seconds)) => assert_eq!(start.elapsed().as_secs(), seconds),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (outcome, _) => panic!("{status} {header:?}: {outcome:?}"),
            }
        }
    }

    #[tokio::test]
    async fn connections_are_counted_per_host() {
        let first = host("http://counted:1/a", 1).admit().await.unwrap();
        drop(host("http://COUNTED:2/b", 1).admit().await.unwrap());
        let second = tokio::time::timeout(Duration::from_millis(50), async {
            host("http://Counted:1/b", 1).admit().await
        });
        assert!(second.await.is_err(), "the limit is not kept");
        drop(first);
        drop(host("http://counted:1/c", 1).admit().await.unwrap());
    }

    fn host(url: &str, max_connections: usize) -> Arc<Host> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.parse().unwrap();
        Host::of(&request, max_connections)
    }
}
