//! Runs, asked for and followed, and what they had to put right.

use schemas::Role;
use serde_json::{Value, json};

use crate::{TestDaemon, Token, eventually};

/// The resources that have runs.
pub const RESOURCES: [&str; 4] = ["products", "inventory", "orders", "customers"];

impl TestDaemon {
    /// Asks for a run: status and answer.
    pub async fn begins(&self, wish: &Value) -> (u16, Value) {
        self.posts("runs", wish, &Token::of(Role::Admin)).await
    }

    /// Asks for a run until none is in its way; its id.
    pub async fn begins_when_it_can(&self, resource: &str, kind: &str) -> Value {
        eventually(
            &format!("a {kind} run of {resource} is taken"),
            async || {
                let (status, answer) = self
                    .begins(&json!({ "resource": resource, "kind": kind }))
                    .await;
                assert!([202, 409].contains(&status), "{answer}");
                (status == 202).then(|| answer["runId"].clone())
            },
        )
        .await
    }

    /// Waits until a run is over; how it went.
    pub async fn ends(&self, id: &Value) -> Value {
        eventually("the run is over", async || {
            let run = self
                .runs()
                .await
                .into_iter()
                .find(|run| run["runId"] == *id)?;
            (run["state"] != "running").then_some(run)
        })
        .await
    }

    /// Waits until there is none.
    pub async fn has_no_run_under_way(&self) {
        eventually("no run is under way", async || {
            (!self
                .runs()
                .await
                .iter()
                .any(|run| run["state"] == "running"))
            .then_some(())
        })
        .await;
    }

    /// A full run from beginning to end.
    pub async fn compares(&self, resource: &str) -> Value {
        let (status, begun) = self
            .begins(&json!({ "resource": resource, "kind": "full" }))
            .await;
        assert_eq!(status, 202, "{begun}");
        self.ends(&begun["runId"]).await
    }

    /// A full run of everything at once, from beginning to end, by resource.
    pub async fn compares_everything(&self) -> Vec<Value> {
        let mut begun = Vec::new();
        for resource in RESOURCES {
            begun.push(self.begins_when_it_can(resource, "full").await);
        }
        let mut runs = Vec::new();
        for id in &begun {
            runs.push(self.ends(id).await);
        }
        assert!(
            runs.iter().all(|run| run["state"] == "completed"),
            "{runs:#?}"
        );
        runs
    }

    /// What full runs had to put right, the latest first.
    pub async fn drift(&self) -> Vec<Value> {
        self.list("drift", &Token::of(Role::Admin)).await
    }
}
