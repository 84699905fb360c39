//! Statistics of chunks: never stale, never wrong, whatever happens to the cube and to their files.

mod agreement;
mod files;
mod staleness;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    [agreement::trials(), files::trials(), staleness::trials()]
        .into_iter()
        .flatten()
        .collect()
}
