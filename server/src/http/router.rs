//! Which request is answered by what, and what holds for all of them.
//!
//! ```text
//!  request ─▶ guard: whose page asks? ─▶ CORS ─▶ compression ─▶ size ─▶ route ─▶ caller ─▶ handler
//! ```

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

use super::disk::Disk;
use super::jobs::{self, Jobs};
use super::operations::Readiness;
use super::problem::Problem;
use super::running::Running;
use super::{DOOR, catalogue, documentation, operations, origins, page, request, statements};
use crate::access::Identity;
use crate::failure::Failure;
use crate::serve::{Client, Service};

/// What all requests share.
pub(super) struct Http {
    /// The database.
    pub(super) service: Arc<Service>,
    /// Statements that run.
    pub(super) running: Arc<Running>,
    /// Statements that nobody waits for.
    pub(super) jobs: Jobs,
    /// Where grids are until they are sent.
    pub(super) disk: Arc<Disk>,
    /// What `/ready` has said last.
    pub(super) readiness: Readiness,
}

/// What handlers get.
pub(super) type Shared = Arc<Http>;

impl Http {
    /// A session for one request.
    ///
    /// # Errors
    /// It cannot be put together.
    pub(super) fn client(&self, identity: &Arc<Identity>) -> Result<Client, Failure> {
        self.service.connect(Arc::clone(identity), DOOR.name)
    }
}

/// The router of the door.
pub(super) fn router(service: &Arc<Service>) -> Router {
    let http = Arc::new(Http {
        service: Arc::clone(service),
        running: Arc::default(),
        jobs: Jobs::default(),
        disk: Disk::new(service.grid_files),
        readiness: Readiness::default(),
    });
    // What is compressed already does not become smaller.
    let compressible = DefaultPredicate::new()
        .and(NotForContentType::const_new(
            "application/vnd.apache.parquet",
        ))
        .and(NotForContentType::const_new("application/x-netcdf"))
        .and(NotForContentType::const_new("application/zip"));
    Router::new()
        .route("/sql", get(statements::get).post(statements::post))
        .route("/sql/{id}", delete(statements::cancel))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{number}", get(jobs::show).delete(jobs::cancel))
        .route("/tables", get(catalogue::tables))
        .route("/tables/{schema}/{table}", get(catalogue::table))
        .route("/health", get(operations::health))
        .route("/ready", get(operations::ready))
        .route("/metrics", get(operations::metrics))
        .route("/openapi.json", get(documentation::document))
        .route("/", get(page::page))
        .route("/page.js", get(page::script))
        .route("/page.css", get(page::style))
        .fallback(nothing)
        .method_not_allowed_fallback(not_this_way)
        .layer(DefaultBodyLimit::max(request::LIMIT))
        .layer(CompressionLayer::new().compress_when(compressible))
        .layer(origins::layer(&service.origins))
        .layer(from_fn_with_state(Arc::clone(&http), origins::guard))
        .with_state(http)
}

async fn nothing(uri: Uri) -> Problem {
    let detail = format!(
        "there is nothing at {}; /openapi.json says what there is",
        uri.path()
    );
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn not_this_way() -> Problem {
    let detail = "there is no such method here; the header Allow says which there are";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
