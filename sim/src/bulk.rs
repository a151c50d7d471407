//! Bulk operations at work: read from the shop in slices while it goes on living, spooled to a file, fetched by a
//! signed link.
//!
//! <https://shopify.dev/docs/api/usage/bulk-operations/queries>, 2026-10. How the API asks for one and shows it is
//! in `graphql::bulk`.

mod fault;
mod file;
mod operation;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use self::fault::{BulkFaults, PACES};
use self::fault::{Damage, Ending};
pub(crate) use self::file::Download;
use self::file::{Results, Spool};
pub(crate) use self::operation::{BulkRun, BulkStatus};
use crate::clock::to_second;
use crate::graphql::{Inner, QueryProblem, SlicePosition};
use crate::shop::{SimShop, lock};
use crate::store::SimStore;
use crate::topic::{SimTopic, TopicSubject};

/// Operations that may be under way at once.
pub(crate) const SLOTS: usize = 5;
/// Operations that are remembered; of older ones the oldest is forgotten.
const MAX_KEPT: usize = 100;
/// Bytes of all results together; past it the oldest go, but never the newest.
const MAX_KEPT_BYTES: u64 = 2 << 30;
/// Root objects read in one go, at the most, between which the shop changes.
const SLICE: u32 = 250;
/// Slices a second at a pace that does not need larger ones.
const SLICES_A_SECOND: u32 = 40;
/// How long an operation waits before it is looked at.
const START: SignedDuration = SignedDuration::from_millis(250);
/// How long a cancellation takes where nobody looks, see [`end_canceled`].
const CANCELING: SignedDuration = SignedDuration::from_millis(100);
/// The longest an operation may take.
const LONGEST: SignedDuration = SignedDuration::from_hours(10 * 24);
/// How long a link works.
const LINK_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What the worker, the API and the downloads share.
pub(crate) struct BulkShared {
    results: Mutex<BTreeMap<u64, KeptOperation>>,
    pub(crate) faults: Mutex<BulkFaults>,
    pace: AtomicU32,
    changed: Notify,
    /// Where downloads begin, `http://127.0.0.1:9090`.
    origin: String,
    secret: String,
    seed: u64,
}

struct KeptOperation {
    results: Arc<Results>,
    damage: Option<Damage>,
}

/// Why there is no download.
pub(crate) enum Unfetched {
    BadSignature,
    Expired,
    Gone,
}

impl BulkShared {
    pub(crate) fn new(origin: String, secret: String, seed: u64, pace: u32) -> Self {
        Self {
            results: Mutex::default(),
            faults: Mutex::new(BulkFaults::none()),
            pace: AtomicU32::new(pace),
            changed: Notify::new(),
            origin,
            secret,
            seed,
        }
    }

    /// Has the worker look for operations that were made or canceled.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn set_faults(&self, faults: BulkFaults) {
        if let Some(pace) = faults.objects_per_second {
            self.pace.store(pace, Ordering::Relaxed);
        }
        *lock(&self.faults) = faults;
    }

    fn link(&self, id: u64, expires: Timestamp) -> String {
        let (expires, origin) = (expires.as_second(), &self.origin);
        let signature = self.signature(id, expires);
        let name = "response-content-disposition=attachment%3B+filename%3D%22bulk-";
        format!(
            "{origin}/_sim/bulk/{id}.jsonl?expires={expires}&signature={signature}&{name}{id}.jsonl%22"
        )
    }

    fn signature(&self, id: u64, expires: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(format!("{id} {expires}").as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// The result behind a link, given what stands in it after `/_sim/bulk/`.
    pub(crate) fn fetch(
        &self,
        name: &str,
        query: &str,
        now: Timestamp,
    ) -> Result<Download, Unfetched> {
        let part = |key: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
        };
        let id: u64 = name
            .strip_suffix(".jsonl")
            .and_then(|id| id.parse().ok())
            .ok_or(Unfetched::Gone)?;
        let expires: i64 = part("expires")
            .and_then(|at| at.parse().ok())
            .ok_or(Unfetched::BadSignature)?;
        if part("signature") != Some(&*self.signature(id, expires)) {
            return Err(Unfetched::BadSignature);
        }
        if expires <= now.as_second() {
            return Err(Unfetched::Expired);
        }
        let (results, damage) = {
            let kept = lock(&self.results);
            let kept = kept.get(&id).ok_or(Unfetched::Gone)?;
            (kept.results.clone(), kept.damage)
        };
        Ok(results.open(damage))
    }

    fn keep(&self, id: u64, results: Results, damage: Option<Damage>) {
        let mut kept = lock(&self.results);
        kept.insert(
            id,
            KeptOperation {
                results: Arc::new(results),
                damage,
            },
        );
        let bytes = |kept: &BTreeMap<u64, KeptOperation>| {
            kept.values().map(|kept| kept.results.bytes).sum::<u64>()
        };
        while kept.len() > 1 && (kept.len() > MAX_KEPT || bytes(&kept) > MAX_KEPT_BYTES) {
            kept.pop_first();
        }
    }
}

/// An operation under way.
struct Job {
    id: u64,
    fault: BulkFaults,
    /// When the operation goes on.
    due: Timestamp,
    /// When it is given up.
    ends: Timestamp,
    /// Absent until it runs.
    reading: Option<BulkReading>,
}

struct BulkReading {
    inner: Inner,
    position: SlicePosition,
    spool: Spool,
    objects: u64,
    root_objects: u64,
}

/// Carries out operations until stopped.
pub(crate) async fn work(shop: Arc<SimShop>, closing: CancellationToken) {
    let mut jobs: Vec<Job> = Vec::new();
    loop {
        adopt(&shop, &mut jobs);
        let now = shop.clock.now();
        for job in &mut jobs {
            if job.due <= now {
                job.step(&shop, now);
                // Others want to be answered between two slices.
                tokio::task::yield_now().await;
            }
        }
        let ended = |store: &SimStore, id| {
            store
                .operations
                .find(id)
                .is_none_or(|row| row.status.ended())
        };
        {
            let store = shop.store();
            jobs.retain(|job| !ended(&store, job.id));
        }
        let next = jobs
            .iter()
            .map(|job| job.due.min(job.ends))
            .min()
            .unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = shop.bulk.changed.notified() => {}
            () = shop.clock.sleep_until(next) => {}
            () = closing.cancelled() => return,
        }
    }
}

/// Takes on what is new, and has what was canceled go on soon.
fn adopt(shop: &SimShop, jobs: &mut Vec<Job>) {
    let now = shop.clock.now();
    let mut silent = Vec::new();
    let store = shop.store();
    for row in store.operations.iter().filter(|row| !row.status.ended()) {
        let known = jobs.iter_mut().find(|job| job.id == row.id);
        match known {
            Some(job) if row.status == BulkStatus::Canceling => {
                job.due = job.due.min(later(now, CANCELING));
            }
            Some(job) if job.ends <= now => job.due = now,
            Some(_) => {}
            None => {
                let fault = lock(&shop.bulk.faults).take();
                if fault.silent {
                    silent.push(row.id);
                }
                let (due, ends) = (later(now, START), later(now, LONGEST));
                jobs.push(Job {
                    id: row.id,
                    fault,
                    due,
                    ends,
                    reading: None,
                });
            }
        }
    }
    drop(store);
    for id in silent {
        let _ = shop
            .store_mut()
            .operations
            .edit(id, |row| row.silent = true);
    }
}

/// Ends what is being canceled. On a real shop with API 2026-04 the look right after the cancellation showed
/// `CANCELING` and the next poll `CANCELED`; so the first look ends it, too.
pub(crate) fn end_canceled(store: &mut SimStore, now: Timestamp) {
    let canceling = store
        .operations
        .iter()
        .filter(|row| row.status == BulkStatus::Canceling);
    for (id, silent) in canceling
        .map(|row| (row.id, row.silent))
        .collect::<Vec<_>>()
    {
        let _ = store
            .operations
            .edit(id, |row| row.status = BulkStatus::Canceled);
        if !silent {
            store.begin();
            store.tell(
                SimTopic::BULK_OPERATIONS_FINISH,
                TopicSubject::Operation(id),
                now,
            );
        }
    }
}

impl Job {
    /// Goes on by one step.
    fn step(&mut self, shop: &SimShop, now: Timestamp) {
        let asked = shop
            .store()
            .operations
            .find(self.id)
            .map(|row| (row.status, row.query.clone(), row.grouped));
        let Some((status, query, grouped)) = asked else {
            return;
        };
        if status == BulkStatus::Canceling {
            return shop.act(end_canceled);
        }
        if now >= self.ends {
            return self.end(shop, BulkStatus::Failed, Some("TIMEOUT"));
        }
        let Some(reading) = &mut self.reading else {
            let spool = Spool::new(grouped, shop.bulk.seed ^ self.id);
            let (Ok(inner), Ok(spool)) = (shop.api.inner(&query), spool) else {
                return self.end(shop, BulkStatus::Failed, Some("INTERNAL_SERVER_ERROR"));
            };
            let position = SlicePosition::default();
            self.reading = Some(BulkReading {
                inner,
                position,
                spool,
                objects: 0,
                root_objects: 0,
            });
            let _ = shop
                .store_mut()
                .operations
                .edit(self.id, |row| row.status = BulkStatus::Running);
            return;
        };
        if let Some(ending) = self.fault.ending
            && reading.objects >= self.fault.after_objects
        {
            return match ending {
                Ending::Stuck => self.due = self.ends,
                Ending::Failed => self.end(shop, BulkStatus::Failed, Some("INTERNAL_SERVER_ERROR")),
                Ending::Timeout => self.end(shop, BulkStatus::Failed, Some("TIMEOUT")),
                Ending::AccessDenied => self.end(shop, BulkStatus::Failed, Some("ACCESS_DENIED")),
                Ending::Canceled => self.end(shop, BulkStatus::Canceled, None),
            };
        }
        let pace = shop.bulk.pace.load(Ordering::Relaxed);
        match reading.slice(shop, pace, now) {
            Ok(read) => {
                let (objects, root_objects) = (reading.objects, reading.root_objects);
                let finished = reading.position.finished();
                let _ = shop.store_mut().operations.edit(self.id, |row| {
                    (row.objects, row.root_objects) = (objects, root_objects);
                });
                let ends_badly = self.fault.ending.is_some() && objects >= self.fault.after_objects;
                if finished && !ends_badly {
                    return self.end(shop, BulkStatus::Completed, None);
                }
                let micros = i64::try_from(read.saturating_mul(1_000_000) / u64::from(pace));
                self.due = later(
                    self.due,
                    SignedDuration::from_micros(micros.unwrap_or(i64::MAX)),
                );
            }
            Err(code) => self.end(shop, BulkStatus::Failed, Some(code)),
        }
    }

    /// Ends the operation; its result, whole or partial, is kept.
    fn end(&mut self, shop: &SimShop, mut status: BulkStatus, mut error: Option<&'static str>) {
        let fault = self.fault;
        let results = self
            .reading
            .take()
            .map(|reading| reading.spool.finish())
            .transpose();
        let results = results.unwrap_or_else(|broken| {
            tracing::warn!(error = %broken, "cannot write the result of a bulk operation");
            (status, error) = (BulkStatus::Failed, Some("INTERNAL_SERVER_ERROR"));
            None
        });
        let mut size = None;
        if let Some(results) =
            results.filter(|results| results.bytes > 0 && status != BulkStatus::Canceled)
        {
            size = Some(results.bytes);
            shop.bulk.keep(self.id, results, fault.body);
        }
        shop.act(|store, now| {
            let life = if fault.url_expired {
                SignedDuration::ZERO
            } else {
                LINK_LIFE
            };
            let url = size.map(|_| shop.bulk.link(self.id, later(now, life)));
            let _ = store.operations.edit(self.id, |row| {
                row.status = status;
                row.error = error;
                row.completed_at = (status == BulkStatus::Completed).then(|| to_second(now));
                if status == BulkStatus::Completed {
                    (row.file_size, row.url) = (size, url);
                    row.objects = row.objects.saturating_add_signed(fault.count_off);
                } else {
                    row.partial_url = url;
                }
            });
            store.begin();
            if !fault.silent {
                store.tell(
                    SimTopic::BULK_OPERATIONS_FINISH,
                    TopicSubject::Operation(self.id),
                    now,
                );
            }
        });
    }
}

impl BulkReading {
    /// Reads a slice of the shop as it is now; says how many objects, or the code of what went wrong.
    fn slice(&mut self, shop: &SimShop, pace: u32, now: Timestamp) -> Result<u64, &'static str> {
        let roots = (pace / SLICES_A_SECOND).clamp(1, SLICE) as usize;
        let Self {
            inner,
            position,
            spool,
            objects,
            root_objects,
        } = self;
        let before = *objects;
        let mut line = |text, root| {
            *objects += 1;
            *root_objects += u64::from(root);
            spool.add(text).map_err(|error| {
                tracing::warn!(%error, "cannot write the result of a bulk operation");
                QueryProblem::new("INTERNAL_SERVER_ERROR", "the result cannot be written")
            })
        };
        let read = inner.slice(&shop.store(), position, roots, now, &mut line);
        read.map_err(|problem| match &*problem.code {
            "ACCESS_DENIED" => "ACCESS_DENIED",
            _ => "INTERNAL_SERVER_ERROR",
        })?;
        Ok(self.objects - before)
    }
}

/// The shop's clock can be moved to the end of time, and no further.
fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Forgets the oldest ended operation when there are many.
pub(crate) fn forget(store: &mut SimStore) {
    let oldest = store
        .operations
        .iter()
        .find(|row| row.status.ended())
        .map(|row| row.id);
    if let Some(oldest) = oldest.filter(|_| store.operations.len() >= MAX_KEPT) {
        store.operations.remove(oldest);
    }
}
