//! `graticule serve` over its network doors, with real clients; [`server`] starts it.

mod http;
mod server;

use libtest_mimic::Trial;

pub(crate) use server::{Server, client_script};

pub(crate) fn trials() -> Vec<Trial> {
    let modules: &[fn() -> Vec<Trial>] = &[server::trials, http::trials];
    modules.iter().flat_map(|trials| trials()).collect()
}
