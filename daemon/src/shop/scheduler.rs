//! The scheduler: runs that a crash left are brought to their end, then each resource follows its cron, and what
//! people ask for comes between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode, Resource, RunId, RunKind, RunState, ShopDomain};
use store::{LastRuns, RunRecord};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::shop::sync::{Plan, Syncs};
use crate::shop::timetable::Timetable;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;

/// What is wrong where nobody subscribes to webhooks.
pub(crate) const WITHOUT_WEBHOOKS: &str = "no webhook has come and webhook_address is not set, so changes arrive only with the \
     runs of [sync], minutes late: set webhook_address = \"https://<your host>/webhooks/shopify\" under [[shop]]";

/// Something that a person, or another part, wants of a resource's runs.
pub(crate) enum RunDemand {
    /// Begin one now.
    Start(Plan, oneshot::Sender<Result<RunId, ErrorBody>>),
    /// End the one under way.
    Cancel(RunId, oneshot::Sender<Result<(), ErrorBody>>),
}

/// Where requests go.
#[derive(Clone, Default)]
pub(crate) struct Runs {
    requests: BTreeMap<(ShopDomain, Resource), mpsc::Sender<RunDemand>>,
    without_address: BTreeSet<ShopDomain>,
}

impl Runs {
    /// A resource of a shop, and where its requests arrive.
    pub(crate) fn add(
        &mut self,
        shop: &ShopDomain,
        resource: Resource,
    ) -> mpsc::Receiver<RunDemand> {
        let (sender, requests) = mpsc::channel(limits::RUN_REQUESTS_MAX);
        self.requests.insert((shop.clone(), resource), sender);
        requests
    }

    /// Notes that no address for webhooks is set, so that stockd subscribes to none.
    pub(crate) fn without_address(&mut self, shop: &ShopDomain) {
        self.without_address.insert(shop.clone());
    }

    /// What a person should know of a shop that has no address for webhooks and was sent none.
    pub(crate) fn unsubscribed(&self, shop: &ShopDomain) -> Option<&'static str> {
        self.without_address
            .contains(shop)
            .then_some(WITHOUT_WEBHOOKS)
    }

    /// Begins a run.
    pub(crate) async fn start(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        plan: Plan,
    ) -> Result<RunId, ErrorBody> {
        self.ask(shop, resource, |answer| RunDemand::Start(plan, answer))
            .await
    }

    /// Ends a run.
    pub(crate) async fn cancel(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        run: RunId,
    ) -> Result<(), ErrorBody> {
        self.ask(shop, resource, |answer| RunDemand::Cancel(run, answer))
            .await
    }

    async fn ask<T>(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        request: impl FnOnce(oneshot::Sender<Result<T, ErrorBody>>) -> RunDemand,
    ) -> Result<T, ErrorBody> {
        let ending = || ErrorBody::new(ErrorCode::Unavailable, "stockd is ending");
        let key = (shop.clone(), resource);
        let missing = || ErrorBody::new(ErrorCode::NotFound, format!("there is no shop {shop}"));
        let requests = self.requests.get(&key).ok_or_else(missing)?;
        let (answer, answered) = oneshot::channel();
        requests.send(request(answer)).await.map_err(|_| ending())?;
        answered.await.map_err(|_| ending())?
    }
}

/// One resource's runs.
pub(crate) struct Schedule {
    /// Who brings them to their end.
    pub(crate) syncs: Arc<Syncs>,
    /// Of what.
    pub(crate) resource: Resource,
    /// When runs begin by themselves.
    pub(crate) timetable: Timetable,
    /// What people ask for.
    pub(crate) requests: mpsc::Receiver<RunDemand>,
}

impl Schedule {
    /// Runs the resource's syncs until told to stop.
    pub(crate) async fn run(mut self, heartbeat: Heartbeat, stop: CancellationToken) {
        tokio::select! {
            () = self.work(&heartbeat) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn work(&mut self, heartbeat: &Heartbeat) {
        let (syncs, resource) = (Arc::clone(&self.syncs), self.resource);
        // Levels have names once there are products.
        if resource == Resource::Inventory {
            self.wait_for(Resource::Products).await;
        }
        let (running, last_full) = last_runs(&syncs, resource).await;
        if let Some(run) = running {
            // A person who wanted any number deleted has to say so again.
            self.go_on(run, false, heartbeat).await;
        } else {
            let now = syncs.clock.now();
            let missed =
                last_full.is_some_and(|full| self.timetable.missed_full(full.run.started_at, now));
            let kind = if missed {
                RunKind::Full
            } else {
                RunKind::Quick
            };
            self.start(Plan::scheduled(kind), heartbeat).await;
        }
        loop {
            let at = self.timetable.next();
            let wait = async {
                match at {
                    Some(at) => {
                        let wait = at
                            .duration_since(syncs.clock.now())
                            .try_into()
                            .unwrap_or(Duration::ZERO);
                        // The clock may be set while we sleep, and sleep does not notice that.
                        tokio::time::sleep(wait.min(limits::SCHEDULE_CHECK_PAUSE)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => {
                    // What fell due during a long run is seen here, once.
                    if let Some(kind) = self.timetable.due(syncs.clock.now()) {
                        self.start(Plan::scheduled(kind), heartbeat).await;
                    }
                }
                Some(request) = self.requests.recv() => match request {
                    RunDemand::Start(plan, answer) => match syncs.begin(resource, plan).await {
                        Ok(Some(record)) => {
                            let _ = answer.send(Ok(record.run.run_id.clone()));
                            self.go_on(record, plan.any_missing, heartbeat).await;
                        }
                        Ok(None) => drop(answer.send(Err(under_way(resource)))),
                        Err(error) => {
                            let _ = answer.send(Err(ErrorBody::new(ErrorCode::Unavailable, error.to_string())));
                        }
                    },
                    RunDemand::Cancel(run, answer) => drop(answer.send(Err(over(&run)))),
                },
            }
        }
    }

    /// Waits until another resource was brought over once. Who asks for a run meanwhile is told so.
    async fn wait_for(&mut self, first: Resource) {
        let (syncs, resource) = (Arc::clone(&self.syncs), self.resource);
        let mut committed = syncs.store.committed();
        while !matches!(syncs.store.watermark(&syncs.shop, first).await, Ok(Some(_))) {
            tokio::select! {
                _ = tokio::time::timeout(limits::STORE_PAUSE, committed.changed()) => {}
                Some(request) = self.requests.recv() => match request {
                    RunDemand::Start(_, answer) => {
                        let message = format!("a run of {resource} needs one of {first} before it: see why there is none yet");
                        drop(answer.send(Err(ErrorBody::new(ErrorCode::Conflict, message))));
                    }
                    RunDemand::Cancel(run, answer) => drop(answer.send(Err(over(&run)))),
                },
            }
        }
    }

    async fn start(&mut self, plan: Plan, heartbeat: &Heartbeat) {
        let (shop, resource) = (&self.syncs.shop, self.resource);
        match self.syncs.begin(resource, plan).await {
            Ok(Some(record)) => self.go_on(record, plan.any_missing, heartbeat).await,
            Ok(None) => {
                tracing::info!(shop.domain = %shop, %resource, "not started: a run is under way");
            }
            Err(error) => {
                tracing::error!(shop.domain = %shop, %resource, %error, "a run could not be started");
            }
        }
    }

    /// Brings a run to its end, or ends it where somebody wants that.
    async fn go_on(&mut self, record: RunRecord, any_missing: bool, heartbeat: &Heartbeat) {
        let (syncs, resource, id) = (
            Arc::clone(&self.syncs),
            self.resource,
            record.run.run_id.clone(),
        );
        let mut work = std::pin::pin!(syncs.go_on(record, any_missing, heartbeat));
        let answer = loop {
            tokio::select! {
                () = &mut work => return,
                Some(request) = self.requests.recv() => match request {
                    RunDemand::Start(_, answer) => drop(answer.send(Err(under_way(resource)))),
                    RunDemand::Cancel(run, answer) if run == id => break answer,
                    RunDemand::Cancel(run, answer) => drop(answer.send(Err(over(&run)))),
                },
            }
        };
        syncs.cancel(id).await;
        let _ = answer.send(Ok(()));
    }
}

fn under_way(resource: Resource) -> ErrorBody {
    let message = format!("a run of {resource} is under way: wait for its end, or cancel it");
    ErrorBody::new(ErrorCode::Conflict, message)
}

fn over(run: &RunId) -> ErrorBody {
    ErrorBody::new(ErrorCode::Conflict, format!("run {run} is not under way"))
}

/// The resource's run under way, and its last full one, however that ended.
async fn last_runs(syncs: &Syncs, resource: Resource) -> (Option<RunRecord>, Option<RunRecord>) {
    let mut stall = Stall::of(format!("runs of {resource}"));
    loop {
        let read = syncs.store.last_runs(&syncs.shop, resource).await;
        stall.note(&read);
        match read {
            Ok(LastRuns {
                any, full_begun, ..
            }) => {
                return (
                    any.filter(|run| run.run.state == RunState::Running),
                    full_begun,
                );
            }
            Err(_) => tokio::time::sleep(limits::STORE_PAUSE).await,
        }
    }
}
