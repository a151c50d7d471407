//! The queue against a bucket like Shopify's, with time that stands still until it is moved.

use tokio::task::JoinSet;

use super::*;

fn status(maximum_available: f64, currently_available: f64, restore_rate: f64) -> ThrottleStatus {
    ThrottleStatus {
        maximum_available,
        currently_available,
        restore_rate,
    }
}

/// A queue that knows its bucket: so much is left of 2,000 points, refilled by 100 a second.
async fn pace_with(left: f64) -> Arc<CallPacer> {
    let pace = Arc::new(CallPacer::default());
    let first = pace.admit(Priority::Sync, 1.0).await.unwrap();
    first.settle(Some(1.0), status(2000.0, left, 100.0));
    pace
}

async fn seconds_to_admit(pace: &Arc<CallPacer>, cost: f64) -> f64 {
    let start = Instant::now();
    let _permit = pace.admit(Priority::Read, cost).await.unwrap();
    start.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_until_its_whole_cost_is_there() {
    let pace = pace_with(100.0).await;
    assert!((seconds_to_admit(&pace, 100.0).await).abs() < 0.002);
    assert!((seconds_to_admit(&pace, 752.0).await - 7.52).abs() < 0.002);
}

#[tokio::test(start_paused = true)]
async fn a_call_dearer_than_the_bucket_goes_when_the_bucket_is_full() {
    let pace = pace_with(1_000.0).await;
    assert!((seconds_to_admit(&pace, 5_000.0).await - 10.0).abs() < 0.002);
}

#[tokio::test(start_paused = true)]
async fn what_matters_more_overtakes_what_matters_less() {
    let pace = pace_with(0.0).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = JoinSet::new();
    for name in [
        "sync 1",
        "sync 2",
        "read",
        "command 1",
        "command 2",
        "sync 3",
    ] {
        let priority = match &name[..4] {
            "comm" => Priority::Command,
            "read" => Priority::Read,
            _ => Priority::Sync,
        };
        let (pace, order) = (Arc::clone(&pace), Arc::clone(&order));
        calls.spawn(async move {
            let _permit = pace.admit(priority, 50.0).await.unwrap();
            order.lock().unwrap().push(name);
        });
        tokio::task::yield_now().await;
    }
    calls.join_all().await;
    assert_eq!(
        *order.lock().unwrap(),
        [
            "command 1",
            "command 2",
            "read",
            "sync 1",
            "sync 2",
            "sync 3"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn syncs_leave_slots_to_commands() {
    let pace = pace_with(2_000.0).await;
    let mut syncs = Vec::new();
    for _ in 0..4 {
        syncs.push(pace.admit(Priority::Sync, 1.0).await.unwrap());
    }
    let fifth = tokio::time::timeout(Duration::from_mins(1), pace.admit(Priority::Sync, 1.0)).await;
    assert!(fifth.is_err());
    let mut commands = Vec::new();
    for _ in 0..4 {
        commands.push(pace.admit(Priority::Command, 1.0).await.unwrap());
    }
    let ninth =
        tokio::time::timeout(Duration::from_mins(1), pace.admit(Priority::Command, 1.0)).await;
    assert!(ninth.is_err());
    syncs.clear();
    assert!(
        tokio::time::timeout(Duration::from_secs(1), pace.admit(Priority::Sync, 1.0))
            .await
            .is_err()
    );
    commands.clear();
    pace.admit(Priority::Sync, 1.0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn until_the_bucket_is_known_calls_go_one_by_one() {
    let pace = Arc::new(CallPacer::default());
    let first = pace.admit(Priority::Sync, 10.0).await.unwrap();
    let waited =
        tokio::time::timeout(Duration::from_mins(1), pace.admit(Priority::Command, 10.0)).await;
    assert!(waited.is_err());
    first.settle(Some(10.0), status(2000.0, 1990.0, 100.0));
    pace.admit(Priority::Command, 10.0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_gives_up_holds_nobody_up() {
    let pace = pace_with(0.0).await;
    let gave_up = tokio::time::timeout(
        Duration::from_secs(1),
        pace.admit(Priority::Command, 1_000.0),
    )
    .await;
    assert!(gave_up.is_err());
    assert!(seconds_to_admit(&pace, 100.0).await < 0.002);
    let _ = pace.admit(Priority::Sync, 1.0).await.unwrap();
    pace.admit(Priority::Sync, 1.0).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_goes_while_shopify_asks_to_rest() {
    let pace = pace_with(2_000.0).await;
    pace.rest(Duration::from_millis(2_500));
    pace.rest(Duration::from_millis(500));
    assert!((seconds_to_admit(&pace, 1.0).await - 2.5).abs() < 0.002);
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_does_not_raise_the_account() {
    let pace = pace_with(1_000.0).await;
    let first = pace.admit(Priority::Read, 400.0).await.unwrap();
    let second = pace.admit(Priority::Read, 500.0).await.unwrap();
    // Shopify answered the first before it saw the second; its answer arrives last.
    second.settle(Some(500.0), status(2000.0, 100.0, 100.0));
    first.settle(Some(400.0), status(2000.0, 600.0, 100.0));
    assert!(seconds_to_admit(&pace, 500.0).await > 3.9);
}

#[tokio::test(start_paused = true)]
async fn another_user_of_the_bucket_is_noticed_while_calls_overlap() {
    let pace = pace_with(1_000.0).await;
    let first = pace.admit(Priority::Read, 100.0).await.unwrap();
    let _second = pace.admit(Priority::Read, 300.0).await.unwrap();
    // Somebody took 550; whether our second call is in this figure already is not to be known.
    first.settle(Some(100.0), status(2000.0, 350.0, 100.0));
    assert!((seconds_to_admit(&pace, 100.0).await - 0.5).abs() < 0.002);
}

#[tokio::test(start_paused = true)]
async fn figures_without_sense_are_not_believed() {
    let pace = pace_with(1_000.0).await;
    for odd in [
        status(0.0, 0.0, 0.0),
        status(f64::NAN, 1.0, 100.0),
        status(2000.0, 100.0, -5.0),
    ] {
        pace.admit(Priority::Read, 1.0)
            .await
            .unwrap()
            .settle(Some(1.0), odd);
    }
    assert!(seconds_to_admit(&pace, 900.0).await < 0.002);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_refuses() {
    let pace = pace_with(0.0).await;
    let mut waiting = JoinSet::new();
    for _ in 0..WAITING_MAX {
        let pace = Arc::clone(&pace);
        waiting.spawn(async move { pace.admit(Priority::Sync, 1_000.0).await.map(drop).is_ok() });
    }
    while pace.account().waiting.len() < WAITING_MAX {
        tokio::task::yield_now().await;
    }
    assert!(pace.admit(Priority::Command, 1.0).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn syncs_make_headway_however_many_reads_wait() {
    let pace = pace_with(0.0).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut calls = JoinSet::new();
    let ask = |priority, cost: f64| {
        let (pace, order) = (Arc::clone(&pace), Arc::clone(&order));
        async move {
            let _permit = pace.admit(priority, cost).await.unwrap();
            order.lock().unwrap().push((priority, cost));
        }
    };
    for _ in 0..200 {
        calls.spawn(ask(Priority::Read, 50.0));
    }
    for _ in 0..10 {
        calls.spawn(ask(Priority::Sync, 250.0));
    }
    calls.join_all().await;
    let order = order.lock().unwrap();
    let points = |priority, calls: usize| -> f64 {
        order[..calls]
            .iter()
            .filter(|(of, _)| *of == priority)
            .map(|(_, cost)| cost)
            .sum()
    };
    // Every quarter of the points is a sync's, give or take a page.
    for calls in [40, 80, 120] {
        let (reads, syncs) = (points(Priority::Read, calls), points(Priority::Sync, calls));
        assert!(
            (reads / 3.0 - syncs).abs() <= 250.0,
            "{reads} points of reads, {syncs} of syncs"
        );
    }
}
