//! Where workers that reduce into the same groups put together what they have.

use std::sync::{Mutex, PoisonError};

use datafusion::common::Result;

use crate::dense::aggregate::worker::Groups;

/// What the workers of one execution have gathered so far.
#[derive(Default)]
pub(crate) struct Gathered {
    state: Mutex<GatheredState>,
}

#[derive(Default)]
struct GatheredState {
    working: usize,
    emitted: bool,
    groups: Option<Groups>,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

impl Gathered {
    /// A worker begins.
    pub(super) fn begin(&self) {
        self.lock().working += 1;
    }

    /// A worker has finished with `groups`. The last one gets everything back.
    pub(super) fn finish(&self, groups: Groups) -> Result<Option<Groups>> {
        let mut state = self.lock();
        let gathered = match state.groups.take() {
            None => groups,
            Some(mut gathered) => {
                gathered.merge(groups)?;
                gathered
            }
        };
        state.working -= 1;
        if state.working == 0 && !state.emitted {
            state.emitted = true;
            return Ok(Some(gathered));
        }
        state.groups = Some(gathered);
        Ok(None)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, GatheredState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
