//! `graticule serve` over its network doors, with real clients; [`server`] starts it.

mod anonymous;
mod flight;
mod http;
mod postgres;
mod quota;
mod reload;
mod server;
mod traces;

use libtest_mimic::Trial;

pub(crate) use quota::verifier;
pub(crate) use server::{Server, client_script};

pub(crate) fn trials() -> Vec<Trial> {
    let modules: &[fn() -> Vec<Trial>] = &[
        server::trials,
        postgres::trials,
        http::trials,
        flight::trials,
        quota::trials,
        anonymous::trials,
        traces::trials,
        reload::trials,
    ];
    modules.iter().flat_map(|trials| trials()).collect()
}
