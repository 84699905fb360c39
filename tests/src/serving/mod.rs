//! `graticule serve` over its network doors, with real clients; [`server`] starts it.

mod server;

use libtest_mimic::Trial;

#[allow(unused_imports, reason = "the doors' tests use it")]
pub(crate) use server::{Server, client_script};

pub(crate) fn trials() -> Vec<Trial> {
    let modules: &[fn() -> Vec<Trial>] = &[server::trials];
    modules.iter().flat_map(|trials| trials()).collect()
}
