//! The door `pg`.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::serve::{Door, Service, Serving, accept};

/// The door.
pub(crate) const DOOR: Door = Door {
    name: "pg",
    port: 5432,
    schemes: ["postgresql", "postgresql"],
    path: "/graticule",
    serve,
};

fn serve(service: Arc<Service>, listener: TcpListener) -> Serving {
    Box::pin(async move {
        accept(&service, DOOR.name, listener, |connection| async move {
            drop(connection)
        })
        .await;
        Ok(())
    })
}
