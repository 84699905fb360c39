//! The description of the door for programs: OpenAPI 3.1, made from the handlers.

use axum::Json;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement};
use utoipa::{Modify, OpenApi as _};

use super::{catalogue, jobs, operations, statements};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Graticule",
        description = "SQL over cubes of Earth-system data.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        statements::post,
        statements::get,
        statements::cancel,
        jobs::list,
        jobs::show,
        jobs::cancel,
        catalogue::tables,
        catalogue::table,
        operations::health,
        operations::ready,
        operations::metrics,
    ),
    modifiers(&Authentication),
)]
struct Document;

/// How clients prove who they are, where the server asks.
struct Authentication;

impl Modify for Authentication {
    fn modify(&self, document: &mut OpenApi) {
        let mut components = document.components.take().unwrap_or_default();
        let mut alternatives = vec![SecurityRequirement::default()];
        for (name, scheme) in [
            ("bearer", HttpAuthScheme::Bearer),
            ("basic", HttpAuthScheme::Basic),
        ] {
            components.add_security_scheme(name, SecurityScheme::Http(Http::new(scheme)));
            alternatives.push(SecurityRequirement::new::<_, [&str; 0], &str>(name, []));
        }
        document.components = Some(components);
        document.security = Some(alternatives);
    }
}

/// The document.
pub(super) async fn document() -> Json<OpenApi> {
    Json(Document::openapi())
}
