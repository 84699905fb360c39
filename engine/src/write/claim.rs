//! One writer per cube: a [`Claim`] is an object beside the cube that names who writes it.
//!
//! ```text
//!  claim.1   A: alive, beats every 10 s       A dies            B: claim.1 is dead ─▶ creates claim.2
//! ```
//! Creating an object that must not exist is the one thing that every store decides for exactly one of
//! two writers. A claim is dead when its process is gone, which its own machine knows at once, or when it
//! has not beaten for two minutes. A commit compares versions all the same: clocks may be wrong.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use datafusion::common::runtime::JoinSet;
use datafusion::object_store::{
    Error as StoreError, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

use super::notes::{failed, remove};
use crate::error::{CubeError, CubeResult, ErrorKind};
use crate::source::Location;

/// How the names of claims begin.
pub(super) const CLAIM: &str = "claim.";
const BEAT: Duration = Duration::from_secs(10);
const DEAD_AFTER: Duration = Duration::from_secs(120);

/// Claims of this process that are held.
static HELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Who writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    id: String,
    process: Process,
    /// Milliseconds since 1970.
    beat: u64,
}

/// A process, told from those that have had its number before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    host: String,
    boot: String,
    number: u32,
    started: String,
}

impl Process {
    fn this() -> Self {
        let number = std::process::id();
        Self {
            host: first_line("/etc/hostname"),
            boot: first_line("/proc/sys/kernel/random/boot_id"),
            number,
            started: started(number).unwrap_or_default(),
        }
    }

    /// Is it gone, as far as this machine can tell?
    fn is_gone(&self) -> bool {
        let this = Self::this();
        if self.host != this.host || self.boot.is_empty() {
            return false;
        }
        self.boot != this.boot || started(self.number).is_none_or(|started| started != self.started)
    }
}

fn first_line(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("").to_string()
}

/// When the process was started, in ticks since the machine was; `None` when there is none, or only
/// one that waits to be forgotten.
fn started(number: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name of the program stands in parentheses and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18).unwrap_or("").to_string())
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The right to write a cube. Dropping it gives the right back.
#[derive(Debug)]
pub(super) struct Claim {
    place: Location,
    folder: Location,
    holder: Holder,
    io: Handle,
    is_released: bool,
    /// Beats until the claim is dropped.
    _beating: JoinSet<()>,
}

impl Claim {
    /// Claims the cube whose notes are in `folder`.
    ///
    /// # Errors
    /// Someone else writes it, or the store failed.
    pub(super) async fn take(folder: &Location, io: &Handle) -> CubeResult<Self> {
        let holder = Holder {
            id: format!("{}-{}", std::process::id(), unique()),
            process: Process::this(),
            beat: now(),
        };
        let others = held(folder).await?;
        let mut last = 0;
        for (number, other) in &others {
            last = last.max(*number);
            if let Some(other) = other
                && is_alive(other)
            {
                return Err(taken(folder, other));
            }
        }
        let place = folder.child(&format!("{CLAIM}{}", last + 1));
        let created = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        let put = place
            .store
            .put_opts(&place.path, payload(&holder), created)
            .await;
        // The store may have done it although its answer was lost, and a repetition then meets our own claim.
        if let Err(error) = put
            && !is_held_by(&place, &holder.id).await
        {
            return Err(match error {
                StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
                    taken_by_unknown(folder)
                }
                error => failed(&place, &error),
            });
        }
        lock().insert(holder.id.clone());
        let claim = Self {
            _beating: beat(&place, &holder, io),
            place,
            folder: folder.clone(),
            holder,
            io: io.clone(),
            is_released: false,
        };
        // Another writer may have looked before ours was there.
        claim.check().await?;
        for (number, _) in others {
            remove(&folder.child(&format!("{CLAIM}{number}"))).await?;
        }
        Ok(claim)
    }

    /// Is the claim still ours alone?
    ///
    /// # Errors
    /// It is not, or the store failed.
    pub(super) async fn check(&self) -> CubeResult<()> {
        let mut is_there = false;
        for (_, other) in held(&self.folder).await? {
            match other {
                Some(other) if other.id == self.holder.id => is_there = true,
                Some(other) if is_alive(&other) => return Err(taken(&self.folder, &other)),
                _ => {}
            }
        }
        match is_there {
            true => Ok(()),
            false => Err(taken_by_unknown(&self.folder)),
        }
    }

    /// Gives the right back, and returns when it is given back.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn release(mut self) -> CubeResult<()> {
        self.is_released = true;
        remove(&self.place).await
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock().remove(&self.holder.id);
        if self.is_released {
            return;
        }
        let (place, id) = (self.place.clone(), self.holder.id.clone());
        // The process may end before this is done: then the claim is dead for everybody. And someone
        // may have noticed that it is dead, and claimed the cube under the same name.
        self.io.spawn(async move {
            if is_held_by(&place, &id).await {
                let _ = remove(&place).await;
            }
        });
    }
}

/// The claim at a place; `None` when it is gone by now, or was cut off.
async fn read(place: &Location) -> CubeResult<Option<Holder>> {
    let found = match place.store.get(&place.path).await {
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    match found {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(StoreError::NotFound { .. }) => Ok(None),
        // Whoever is behind it may be alive.
        Err(error) => Err(failed(place, &error)),
    }
}

async fn is_held_by(place: &Location, id: &str) -> bool {
    let holder = read(place).await;
    holder.is_ok_and(|holder| holder.is_some_and(|holder| holder.id == id))
}

fn beat(place: &Location, holder: &Holder, io: &Handle) -> JoinSet<()> {
    let (place, mut holder) = (place.clone(), holder.clone());
    let mut task = JoinSet::new();
    task.spawn_on(
        async move {
            loop {
                tokio::time::sleep(BEAT).await;
                holder.beat = now();
                // A beat that is lost is made up for by the next one.
                let _ = place.store.put(&place.path, payload(&holder)).await;
            }
        },
        io,
    );
    task
}

fn is_alive(holder: &Holder) -> bool {
    let is_ours = holder.process == Process::this();
    match is_ours {
        true => lock().contains(&holder.id),
        false if holder.process.is_gone() => false,
        false => now().saturating_sub(holder.beat) < DEAD_AFTER.as_millis() as u64,
    }
}

/// All claims on a cube, see [`read`].
async fn held(folder: &Location) -> CubeResult<Vec<(u64, Option<Holder>)>> {
    let prefix = folder.path.clone();
    let objects: Vec<_> = folder
        .store
        .list(Some(&prefix))
        .try_collect()
        .await
        .map_err(|error| failed(folder, &error))?;
    let mut claims = Vec::new();
    for object in objects {
        let name = object.location.filename().unwrap_or("");
        let Some(number) = name
            .strip_prefix(CLAIM)
            .and_then(|number| number.parse().ok())
        else {
            continue;
        };
        let place = Location {
            path: object.location,
            ..folder.clone()
        };
        claims.push((number, read(&place).await?));
    }
    Ok(claims)
}

fn payload(holder: &Holder) -> PutPayload {
    PutPayload::from_bytes(Bytes::from(serde_json::to_vec(holder).unwrap_or_default()))
}

fn taken(folder: &Location, holder: &Holder) -> CubeError {
    let seconds = now().saturating_sub(holder.beat) / 1000;
    CubeError::new(
        ErrorKind::Conflict,
        &folder.url,
        format!(
            "the cube is being written by process {} on {}, which gave a sign of life {seconds} s ago",
            holder.process.number, holder.process.host
        ),
    )
    .remedy("wait for it to end, or stop it; a writer that has died is noticed after two minutes at most")
}

fn taken_by_unknown(folder: &Location) -> CubeError {
    CubeError::new(
        ErrorKind::Conflict,
        &folder.url,
        "someone else has begun to write the cube",
    )
    .remedy("wait for the other writer to end, and run the statement again")
}

/// Tells the claims of a process apart.
fn unique() -> String {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("{:x}-{count}", now())
}

fn lock() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}
