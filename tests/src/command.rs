//! Commands over each door, and what became of them.

use schemas::Role;
use serde_json::{Value, json};

use crate::binary::{Ended, stockd_ends};
use crate::{Client, Mirror, Spot, TestDaemon, TestShop, Token, eventually};

/// What a door says when it does not carry a command out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRefusal {
    /// The error's code, for programs.
    pub code: String,
    /// The error's sentence, for people.
    pub message: String,
    /// Which field is to blame.
    pub field: Option<String>,
    /// Whether the same may succeed later.
    pub retryable: bool,
}

impl CommandRefusal {
    /// Reads the `error` of an answer, which must be whole.
    pub fn of(answer: &Value) -> Self {
        let error = &answer["error"];
        let text = |key: &str| error[key].as_str().map(str::to_owned);
        let whole = || panic!("no refusal: {answer}");
        Self {
            code: text("code").unwrap_or_else(whole),
            message: text("message").unwrap_or_else(whole),
            field: text("field"),
            retryable: error["retryable"].as_bool().unwrap(),
        }
    }
}

/// What a level should be, counted beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedLevel {
    /// Units that may be sold.
    pub available: i64,
    /// What open orders have taken.
    pub committed: i64,
    /// Units in reservations.
    pub reserved: i64,
    /// What lies there, whatever for.
    pub on_hand: i64,
}

impl ExpectedLevel {
    /// Of a level in the shop's truth, or of one in the mirror.
    pub fn of(level: &Value) -> Self {
        let quantities = if level["quantities"].is_object() {
            &level["quantities"]
        } else {
            level
        };
        let units = |value: &Value| value.as_i64().unwrap();
        Self {
            available: units(&level["available"]),
            committed: units(&quantities["committed"]),
            reserved: units(&quantities["reserved"]),
            on_hand: units(&quantities["on_hand"]),
        }
    }

    /// So many are held, or given back when negative.
    pub fn reserve(&mut self, units: i64) {
        self.available -= units;
        self.reserved += units;
    }

    /// Adds units, or takes them away when negative.
    pub fn adjust(&mut self, units: i64) {
        self.available += units;
        self.on_hand += units;
    }

    /// So many may be sold from now on.
    pub fn set(&mut self, available: i64) {
        self.adjust(available - self.available);
    }

    /// So many were counted.
    pub fn count(&mut self, on_hand: i64) {
        self.adjust(on_hand - self.on_hand);
    }

    /// So many held ones leave the shelf.
    pub fn sell_held(&mut self, units: i64) {
        self.reserved -= units;
        self.on_hand -= units;
    }
}

impl Spot {
    /// A command's payload about this spot, with a reason and these fields besides.
    pub fn asks(&self, mut fields: Value) -> Value {
        for (field, value) in [
            ("inventoryItemId", &self.item),
            ("locationId", &self.location),
            ("reason", &"of the tests".to_owned()),
        ] {
            fields[field] = json!(value);
        }
        fields
    }
}

impl TestShop {
    /// What it believes of a spot.
    pub async fn level_at(&self, spot: &Spot) -> ExpectedLevel {
        ExpectedLevel::of(&self.level(spot).await)
    }
}

impl Client {
    /// What was said about commands so far: (id, state), in order.
    pub fn commands(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let events = self.events("command:updated").into_iter();
        events
            .map(|(_, event)| {
                (
                    text(&event["data"]["commandId"]),
                    text(&event["data"]["state"]),
                )
            })
            .collect()
    }
}

impl TestDaemon {
    /// Gives a command over REST: status and answer.
    pub async fn asked_to(&self, kind: &str, payload: &Value, token: &Token) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}/api/v1/inventory/{kind}", self.url()))
            .json(payload);
        let answer = request.bearer_auth(self.token(token)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Gives a command over REST that is taken; its answer.
    pub async fn takes(&self, kind: &str, payload: &Value) -> Value {
        let (status, answer) = self.asked_to(kind, payload, &Token::of(Role::Staff)).await;
        assert_eq!(status, 200, "{kind} {payload}: {answer}");
        answer
    }

    /// Gives a command over REST that is refused.
    pub async fn refuses(&self, kind: &str, payload: &Value) -> CommandRefusal {
        let (status, answer) = self.asked_to(kind, payload, &Token::of(Role::Staff)).await;
        assert!(status >= 400, "{kind} {payload}: {answer}");
        CommandRefusal::of(&answer)
    }

    /// Runs `stockd` with these arguments and this daemon's address.
    pub async fn told(&self, args: &[String], token: &Token) -> Ended {
        let door = [
            "--url".to_owned(),
            self.url(),
            "--token".to_owned(),
            self.token(token),
        ];
        let args = [args, &door].concat();
        let run = move || stockd_ends(&args.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    }

    /// Every command, newest first.
    pub async fn commands(&self) -> Vec<Value> {
        self.pages("commands", "before").await
    }

    async fn pages(&self, list: &str, parameter: &str) -> Vec<Value> {
        let (mut all, mut place) = (Vec::new(), String::new());
        loop {
            let (status, page) = self
                .asked(
                    &format!("{list}?limit=1000{place}"),
                    &Token::of(Role::Admin),
                )
                .await;
            assert_eq!(status, 200, "{page}");
            all.extend(page["data"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => place = format!("&{parameter}={next}"),
                None => return all,
            }
        }
    }

    /// How many commands are in a state.
    pub async fn commands_in(&self, state: &str) -> usize {
        self.commands()
            .await
            .iter()
            .filter(|command| command["state"] == state)
            .count()
    }

    /// Waits until no command is under way; all of them, newest first.
    pub async fn settles(&self) -> Vec<Value> {
        eventually("every command is settled", async || {
            let commands = self.commands().await;
            let open =
                |command: &Value| command["state"] == "accepted" || command["state"] == "sending";
            (!commands.iter().any(open)).then_some(commands)
        })
        .await
    }

    /// Waits until no command is under way and the quiet store agrees; the commands, newest first.
    pub async fn comes_to_rest(&self, shop: &TestShop) -> Vec<Value> {
        let commands = self.settles().await;
        self.nothing_is_pending().await;
        shop.falls_quiet().await;
        Mirror::becomes_exact(self, shop).await;
        commands
    }

    /// The open reservations.
    pub async fn reservations(&self) -> Vec<Value> {
        self.pages("reservations", "after").await
    }

    /// A reservation, open or not.
    pub async fn reservation(&self, id: &str) -> Value {
        let (status, reservation) = self
            .asked(&format!("reservations/{id}"), &Token::of(Role::Admin))
            .await;
        assert_eq!(status, 200, "{reservation}");
        reservation
    }

    /// Waits until nothing is pending at any level.
    pub async fn nothing_is_pending(&self) {
        eventually("nothing is pending", async || {
            let levels = self.list("levels", &Token::of(Role::Admin)).await;
            levels
                .iter()
                .all(|level| level["pending"] == 0)
                .then_some(())
        })
        .await;
    }
}

/// The arguments of `stockd inventory` that say the same as a payload; `None` where it has no words for it.
pub fn arguments(kind: &str, payload: &Value) -> Option<Vec<String>> {
    let mut arguments = vec!["inventory".to_owned(), kind.to_owned()];
    for (field, value) in payload
        .as_object()?
        .iter()
        .filter(|(_, value)| !value.is_null())
    {
        let flag = match field.as_str() {
            "inventoryItemId" => "item",
            "locationId" => "location",
            "reservationId" => "reservation",
            "ttlSeconds" => "ttl",
            "idempotencyKey" => "key",
            "orderId" => "order",
            "items" => return None,
            field => field,
        };
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        arguments.push(format!("--{flag}={value}"));
    }
    Some(arguments)
}
