//! The supervisor: every task of the daemon is started here under a name, and none ends or hangs unnoticed.
//!
//! A task that ends or panics before it is told to stop ends the process, with a line of the log that names it; systemd
//! starts it again. A task says with its [`Heartbeat`] when it works. One that works beyond its bound without a sign hangs:
//! `/readyz` answers 503 with its name, and systemd's watchdog is told nothing more. A task that waits for work is idle,
//! however long that takes.
//!
//! Connections are not supervised: each is its client's own, and their end is no event.

pub(crate) mod problems;
pub(crate) mod stall;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use schemas::ShopDomain;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often is looked for tasks that hang, to log when that begins and ends.
const HANG_CHECK_PAUSE: Duration = Duration::from_secs(1);

/// What a task is called in the log and by `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskName {
    task: &'static str,
    /// The shop or part that it works for, where there are several of its kind.
    owner: Option<String>,
}

impl TaskName {
    pub(crate) fn of_daemon(task: &'static str) -> Self {
        Self { task, owner: None }
    }

    pub(crate) fn of_shop(task: &'static str, shop: &ShopDomain) -> Self {
        Self::of(task, shop)
    }

    pub(crate) fn of(task: &'static str, owner: impl fmt::Display) -> Self {
        Self {
            task,
            owner: Some(owner.to_string()),
        }
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{} of {owner}", self.task),
            None => f.write_str(self.task),
        }
    }
}

/// Starts tasks and knows how each is.
pub(crate) struct Supervisor {
    tracker: TaskTracker,
    tasks: Mutex<Vec<Arc<TaskState>>>,
    /// The first task that ended or panicked when it should not.
    failure: watch::Sender<Option<String>>,
}

struct TaskState {
    name: TaskName,
    /// How long it may work without a sign.
    bound: Duration,
    /// When it gave its last sign while working; `None` while it waits for work.
    working_since: Mutex<Option<Instant>>,
}

/// By which a task says that it works.
#[derive(Clone)]
pub(crate) struct Heartbeat(Arc<TaskState>);

/// Makes the task idle when its work ends, also where that is dropped half done.
struct WorkGuard<'t>(&'t TaskState);

impl Heartbeat {
    /// Does some work. It hangs when that takes longer than the task's bound without a [`Heartbeat::beat`].
    pub(crate) async fn work<T>(&self, work: impl Future<Output = T>) -> T {
        self.beat();
        let _guard = WorkGuard(&self.0);
        work.await
    }

    /// For a task that a test runs by itself.
    #[cfg(test)]
    pub(crate) fn unwatched() -> Self {
        Self(Arc::new(TaskState {
            name: TaskName::of_daemon("test"),
            bound: Duration::MAX,
            working_since: Mutex::default(),
        }))
    }

    /// A sign of life in the middle of long work.
    pub(crate) fn beat(&self) {
        *self.0.working_since() = Some(Instant::now());
    }
}

impl Drop for WorkGuard<'_> {
    fn drop(&mut self) {
        *self.0.working_since() = None;
    }
}

impl TaskState {
    fn working_since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.working_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn hangs(&self) -> bool {
        let since = *self.working_since();
        since.is_some_and(|since| since.elapsed() > self.bound)
    }
}

impl Supervisor {
    /// With the tracker that the daemon waits for when it ends.
    pub(crate) fn new(tracker: TaskTracker) -> Self {
        Self {
            tracker,
            tasks: Mutex::default(),
            failure: watch::Sender::new(None),
        }
    }

    /// Starts a task that works until `stop` is cancelled and may work for `bound` without a sign.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        name: TaskName,
        bound: Duration,
        stop: &CancellationToken,
        task: impl FnOnce(Heartbeat, CancellationToken) -> F,
    ) {
        let state = Arc::new(TaskState {
            name,
            bound,
            working_since: Mutex::default(),
        });
        self.tasks().push(Arc::clone(&state));
        let (supervisor, stop) = (Arc::clone(self), stop.clone());
        let work = task(Heartbeat(Arc::clone(&state)), stop.clone());
        self.tracker.spawn(async move {
            // Nothing of the task is used after a panic: the process ends.
            let ended = AssertUnwindSafe(work).catch_unwind().await;
            supervisor
                .tasks()
                .retain(|known| !Arc::ptr_eq(known, &state));
            match ended {
                Ok(()) if stop.is_cancelled() => {}
                Ok(()) => supervisor.fails(&state.name, "ended by itself"),
                Err(_) => supervisor.fails(&state.name, "panicked"),
            }
        });
    }

    fn fails(&self, name: &TaskName, how: &str) {
        tracing::error!(
            task = name.task,
            owner = name.owner,
            "The task {name} {how}: stockd ends, and is to be started again"
        );
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert_with(|| format!("the task {name} {how}"));
            is_first
        });
    }

    /// Waits until a task has ended that should not; says which.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        let failed = failure.wait_for(Option::is_some).await;
        // The sender is our own, so it is still there.
        failed
            .map(|failed| failed.clone())
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// The tasks that hang, by name; `None` when all is well.
    pub(crate) fn hanging(&self) -> Option<String> {
        let names: Vec<String> = self
            .tasks()
            .iter()
            .filter(|task| task.hangs())
            .map(|task| task.name.to_string())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Logs when tasks begin to hang and when they go on, until told to stop.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut known = None;
        loop {
            let hanging = self.hanging();
            if hanging != known {
                if let Some(tasks) = &hanging {
                    tracing::error!(
                        tasks,
                        "Tasks hang: stockd says that it is not ready, and systemd's watchdog will start it again"
                    );
                } else {
                    tracing::info!("No task hangs any more");
                }
                known = hanging;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(HANG_CHECK_PAUSE) => {}
            }
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<Arc<TaskState>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::Notify;
    use tokio::time::sleep;

    use super::*;

    const BOUND: Duration = Duration::from_mins(1);

    fn supervisor() -> (Arc<Supervisor>, CancellationToken) {
        (
            Arc::new(Supervisor::new(TaskTracker::new())),
            CancellationToken::new(),
        )
    }

    #[tokio::test]
    async fn a_task_that_panics_is_named() {
        let (supervisor, stop) = supervisor();
        let shop = "a.myshopify.com".parse().unwrap();
        supervisor.spawn(
            TaskName::of_shop("refresh", &shop),
            BOUND,
            &stop,
            |_, _| async {
                tokio::task::yield_now().await;
                panic!("an invariant does not hold");
            },
        );
        let failure = supervisor.failed().await;
        assert_eq!(failure, "the task refresh of a.myshopify.com panicked");
    }

    #[tokio::test]
    async fn a_task_that_ends_by_itself_is_named_and_one_that_was_told_to_is_not() {
        let (supervisor, stop) = supervisor();
        let own_stop = stop.child_token();
        supervisor.spawn(
            TaskName::of_daemon("tail"),
            BOUND,
            &own_stop,
            |_, stop| async move {
                stop.cancelled().await;
            },
        );
        own_stop.cancel();
        supervisor.tracker.close();
        supervisor.tracker.wait().await;
        assert_eq!(*supervisor.failure.borrow(), None);
        supervisor.spawn(TaskName::of_daemon("intake"), BOUND, &stop, |_, _| async {});
        assert_eq!(supervisor.failed().await, "the task intake ended by itself");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_hangs_in_work_is_named_until_it_goes_on() {
        let (supervisor, stop) = supervisor();
        let go_on = Arc::new(Notify::new());
        let (until, name) = (Arc::clone(&go_on), TaskName::of_daemon("intake"));
        supervisor.spawn(name, BOUND, &stop, |heartbeat, stop| async move {
            heartbeat.work(until.notified()).await;
            stop.cancelled().await;
        });
        sleep(BOUND).await;
        assert_eq!(supervisor.hanging(), None);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(supervisor.hanging().as_deref(), Some("intake"));
        go_on.notify_one();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(supervisor.hanging(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_waits_for_work_or_gives_signs_does_not_hang() {
        let (supervisor, stop) = supervisor();
        supervisor.spawn(
            TaskName::of_daemon("idle"),
            BOUND,
            &stop,
            |heartbeat, _| async move {
                heartbeat.work(async {}).await;
                pending::<()>().await;
            },
        );
        supervisor.spawn(
            TaskName::of_daemon("busy"),
            BOUND,
            &stop,
            |heartbeat, _| async move {
                let work = async {
                    loop {
                        sleep(BOUND / 2).await;
                        heartbeat.beat();
                    }
                };
                heartbeat.work(work).await;
            },
        );
        supervisor.spawn(
            TaskName::of_daemon("cut"),
            BOUND,
            &stop,
            |heartbeat, _| async move {
                let work = heartbeat.work(pending::<()>());
                let cut = tokio::time::timeout(BOUND / 2, work).await;
                assert!(cut.is_err());
                pending::<()>().await;
            },
        );
        for _ in 0..10 {
            sleep(BOUND).await;
            assert_eq!(supervisor.hanging(), None);
        }
    }
}
