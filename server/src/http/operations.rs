//! What operators ask for: does it live, can it work, what does it do.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use tokio::sync::Mutex;

use super::authentication::Caller;
use super::problem::Problem;
use super::router::Shared;
use crate::failure::{Failure, SqlState};

/// How long the engine may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long its answer holds: whoever asks more often, and anybody may, does not make the engine work.
const FRESH: Duration = Duration::from_secs(1);

/// Whether the engine has planned, and when.
#[derive(Debug, Default)]
pub(super) struct Readiness(Mutex<Option<(Instant, bool)>>);

/// Does the process live?
#[utoipa::path(get, path = "/health", tag = "operations", responses((status = 200, description = "It does", body = String)))]
pub(super) async fn health() -> &'static str {
    "alive\n"
}

/// Are the doors open, and does the engine plan?
#[utoipa::path(
    get, path = "/ready", tag = "operations",
    responses(
        (status = 200, description = "They are, and it does", body = String),
        (status = 503, description = "Not now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(State(http): State<Shared>) -> Result<&'static str, Problem> {
    let unready = |cause| Problem::from(Failure::with_state(SqlState::ADMIN_SHUTDOWN, cause));
    if http.service.stopping.is_cancelled() {
        return Err(unready("the server stops"));
    }
    // Who asks meanwhile waits for the same answer.
    let mut last = http.readiness.0.lock().await;
    let plans = match *last {
        Some((at, plans)) if at.elapsed() < FRESH => plans,
        _ => {
            let client = http.client(&http.service.access().anonymous())?;
            let planned = tokio::time::timeout(PATIENCE, client.describe("SELECT 1")).await;
            let plans = matches!(planned, Ok(Ok(_)));
            *last = Some((Instant::now(), plans));
            plans
        }
    };
    match plans {
        true => Ok("ready\n"),
        false => Err(unready("the engine does not answer")),
    }
}

/// What the server counts, in the text format of OpenMetrics.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "All counters", body = String)))]
pub(super) async fn metrics(State(http): State<Shared>, _: Caller) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], http.service.metrics())
}
