//! What is not granted does not exist, and what is granted in part is a cube of that part.
//!
//! ```text
//!  (every way to name a cube) × (who asks)      matrix: as of a name that does not exist
//!  (conditions) × (statements)                  partial: as of a copy that holds nothing but the part
//!  (ways around)                                closed: refused, and nothing has changed
//!  (GRANT, REVOKE, …)                           roles: in effect at once, kept, for administrators
//!  (the first) × (the doors of a server)        doors: real clients learn no more
//! ```
//! Whoever asks does it through an [`Asks`], a session of the engine; the doors are asked by scripts.

mod closed;
mod doors;
mod matrix;
mod partial;
mod roles;

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use graticule_engine::access::{Grant, Privileges, User};
use graticule_engine::{Engine, Session};
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::client::engine;

/// Cells that nobody but the operator may see have values that contain these digits.
const SECRET: &str = "66613";

/// Someone who runs statements.
pub(crate) trait Asks {
    /// The result as text, or the error as text.
    async fn ask(&self, statement: &str) -> Result<String, String>;
}

impl Asks for Session {
    async fn ask(&self, statement: &str) -> Result<String, String> {
        let text = |error: datafusion::error::DataFusionError| error.strip_backtrace();
        let query = self.run(statement).await.map_err(text)?;
        let batches: Vec<_> = query.stream.try_collect().await.map_err(text)?;
        let shown = pretty_format_batches(&batches).map_err(|error| error.to_string())?;
        Ok(shown.to_string())
    }
}

/// An engine with the store `lake`, whose cube `ocean` has a secret in some of its cells and in a variable.
pub(crate) struct Lake {
    pub(crate) engine: Engine,
    pub(crate) operator: Session,
    pub(crate) folder: TempDir,
}

/// Eight days, latitudes and longitudes. Where the latitude is 4 or more, `v` is secret; `hush` is everywhere.
const OCEAN: &str = "SELECT to_timestamp(1577836800 + t.value * 86400) AS time, \
     CAST(y.value AS DOUBLE) AS lat, CAST(x.value AS DOUBLE) AS lon, \
     CASE WHEN y.value < 4 THEN CAST(t.value * 100 + y.value * 10 + x.value AS DOUBLE) \
          ELSE CAST(66613000 + t.value * 100 + y.value * 10 + x.value AS DOUBLE) END AS v, \
     CAST(y.value + x.value AS DOUBLE) AS w, \
     CAST(66613 AS DOUBLE) AS hush \
     FROM generate_series(0, 7) t, generate_series(0, 7) y, generate_series(0, 7) x";

impl Lake {
    pub(crate) async fn new() -> Result<Self, Failed> {
        Self::of(engine()?).await
    }

    pub(crate) async fn of(engine: Engine) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let operator = engine.session();
        let lake = Self {
            engine,
            operator,
            folder,
        };
        lake.done(&format!("ATTACH '{}' AS lake", lake.path()))
            .await?;
        for cube in ["ocean", "hidden_a"] {
            lake.done(&format!(
                "CREATE TABLE lake.{cube} WITH (dims = 'time,lat,lon', chunks = 'time=3,lat=3,lon=4', overviews = 'mean') \
                 AS {OCEAN}"
            ))
            .await?;
            lake.done(&format!("ANALYZE lake.{cube}")).await?;
        }
        lake.done("CREATE VIEW hidden_a AS SELECT * FROM lake.hidden_a")
            .await?;
        Ok(lake)
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// What the operator does.
    pub(crate) async fn done(&self, statement: &str) -> Result<String, Failed> {
        let done = self.operator.ask(statement).await;
        done.map_err(|error| format!("{statement}: {error}").into())
    }

    /// A session of a user with these grants.
    pub(crate) fn user(&self, name: &str, grants: &[&str]) -> Session {
        let grants = grants.iter().map(|grant| Grant::parse(grant).unwrap());
        self.engine.session_as(Arc::new(User {
            name: name.to_string(),
            privileges: Privileges::new(grants.collect()),
            ..User::default()
        }))
    }
}

fn trial_of_door(
    door: &'static str,
    scheme: &'static str,
    scripts: &'static [&'static str],
) -> Trial {
    Trial::test(
        format!("access::nothing_hidden_comes_through_{door}"),
        move || doors::check(door, scheme, scripts),
    )
}

pub(crate) fn trials() -> Vec<Trial> {
    fn trial<F: Future<Output = Result<(), Failed>>>(
        name: &str,
        run: impl Fn() -> F + Send + 'static,
    ) -> Trial {
        Trial::test(format!("access::{name}"), move || {
            tokio::runtime::Runtime::new()?.block_on(run())
        })
    }
    vec![
        trial("what_is_not_granted_does_not_exist", matrix::check),
        trial("what_exists_is_seen_by_who_may", matrix::check_granted),
        trial("a_part_is_a_cube_of_that_part", partial::check),
        trial(
            "columns_that_are_not_granted_are_unknown",
            partial::check_columns,
        ),
        trial(
            "conditions_that_cannot_be_told_grant_nothing",
            partial::check_unclear,
        ),
        trial("ways_around_are_closed", closed::check),
        trial("who_adds_replaces_nothing", closed::check_adding),
        trial("lists_go_on_without_what_is_hidden", closed::check_lists),
        trial("what_is_granted_is_done", closed::check_granted),
        trial("grants_take_effect_at_once", roles::check),
        trial("statements_about_roles_are_checked", roles::check_refused),
        trial("roles_and_users_are_kept", roles::check_kept),
        trial_of_door("pg", "postgresql", &["permissions_postgres.py"]),
        trial_of_door(
            "http",
            "http",
            &["permissions_http.py", "permissions_grids.py"],
        ),
        trial_of_door("flight", "grpc", &["permissions_flight.py"]),
    ]
}
