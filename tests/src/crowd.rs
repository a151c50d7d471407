//! Many clients at once that come back whenever they are cut off, as socket.io-client does, with what it would bring.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::eventually;

type CrowdSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Pause before the next attempt to connect, as a client with little patience.
const PAUSE: Duration = Duration::from_millis(200);

/// Clients in `/oda` that listen to everything in stock.
pub struct Crowd {
    members: Vec<Arc<Member>>,
    orders: watch::Sender<(u64, CrowdOrder)>,
    _at_work: JoinSet<()>,
}

#[derive(Debug, Clone, Copy)]
enum CrowdOrder {
    /// The client hangs up.
    Drop,
    /// Connect anew, and leave the old connection open and unread.
    Leave,
}

#[derive(Default)]
struct Member {
    ids: Mutex<Vec<String>>,
    /// The offset of the answer to its subscription.
    began: Mutex<Option<String>>,
    back: AtomicUsize,
    lost: AtomicUsize,
}

impl Crowd {
    /// Connects one client for each token and waits until all have subscribed.
    pub async fn gathers(address: &str, tokens: Vec<String>) -> Self {
        let (orders, heard) = watch::channel((0, CrowdOrder::Drop));
        let (mut at_work, mut members) = (JoinSet::new(), Vec::new());
        for token in tokens {
            let member = Arc::<Member>::default();
            members.push(Arc::clone(&member));
            let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
            at_work.spawn(listen(url, token, member, heard.clone()));
        }
        let crowd = Self {
            members,
            orders,
            _at_work: at_work,
        };
        eventually("the crowd has subscribed", async || {
            crowd
                .members
                .iter()
                .all(|member| member.began.lock().unwrap().is_some())
                .then_some(())
        })
        .await;
        crowd
    }

    /// All hang up, and come back.
    pub fn hangs_up(&self) {
        self.orders
            .send_modify(|(turn, order)| (*turn, *order) = (*turn + 1, CrowdOrder::Drop));
    }

    /// All connect anew while the daemon still believes in their old connections.
    pub fn leaves_ghosts(&self) {
        self.orders
            .send_modify(|(turn, order)| (*turn, *order) = (*turn + 1, CrowdOrder::Leave));
    }

    /// Waits until all were recovered so often.
    pub async fn is_back(&self, times: usize) {
        eventually("the crowd is back", async || {
            let all = self
                .members
                .iter()
                .all(|member| member.back.load(Ordering::SeqCst) >= times);
            all.then_some(())
        })
        .await;
    }

    /// How often somebody came back and was not recovered.
    pub fn lost(&self) -> usize {
        self.members
            .iter()
            .map(|member| member.lost.load(Ordering::SeqCst))
            .sum()
    }

    /// Waits until all have heard the last of these, and compares what each heard since it subscribed.
    pub async fn heard(&self, logged: &[String]) {
        eventually("the crowd has heard the last", async || {
            let heard = |member: &Arc<Member>| member.ids.lock().unwrap().last() == logged.last();
            self.members.iter().all(heard).then_some(())
        })
        .await;
        for (number, member) in self.members.iter().enumerate() {
            let began = member.began.lock().unwrap().clone().unwrap();
            let due: Vec<&String> = logged
                .iter()
                .filter(|id| sequence(id) > sequence(&began))
                .collect();
            let heard = member.ids.lock().unwrap();
            assert_eq!(heard.iter().collect::<Vec<_>>(), due, "member {number}");
        }
    }
}

fn sequence(offset: &str) -> u64 {
    offset.split_once('.').unwrap().1.parse().unwrap()
}

async fn listen(
    url: String,
    token: String,
    member: Arc<Member>,
    mut orders: watch::Receiver<(u64, CrowdOrder)>,
) {
    let (mut pid, mut offset, mut ghosts) = (Value::Null, Value::Null, Vec::new());
    loop {
        let Ok((mut socket, _)) = tokio_tungstenite::connect_async(url.as_str()).await else {
            sleep(PAUSE).await;
            continue;
        };
        let mut auth = json!({ "token": token });
        if pid.is_string() {
            auth["pid"] = pid.clone();
        }
        if offset.is_string() {
            auth["offset"] = offset.clone();
        }
        if socket
            .send(Message::text(format!("40/oda,{auth}")))
            .await
            .is_err()
        {
            continue;
        }
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                Ok(()) = orders.changed() => break,
            };
            let Some(Ok(message)) = message else { break };
            let Ok(text) = message.to_text() else {
                continue;
            };
            hear(text, &mut socket, &member, &mut pid, &mut offset).await;
        }
        if let CrowdOrder::Leave = orders.borrow_and_update().1 {
            ghosts.push(socket);
        } else {
            drop(socket);
            sleep(PAUSE).await;
        }
    }
}

async fn hear(
    text: &str,
    socket: &mut CrowdSocket,
    member: &Member,
    pid: &mut Value,
    offset: &mut Value,
) {
    if text == "2" {
        let _ = socket.send(Message::text("3")).await;
    } else if let Some(greeting) = text.strip_prefix("40/oda,") {
        let greeting: Value = serde_json::from_str(greeting).unwrap();
        if pid.is_string() {
            let recovered = *pid == greeting["pid"];
            (if recovered {
                &member.back
            } else {
                &member.lost
            })
            .fetch_add(1, Ordering::SeqCst);
        } else {
            let _ = socket
                .send(Message::text(r#"42/oda,1["subscribe:inventory",{}]"#))
                .await;
        }
        *pid = greeting["pid"].clone();
    } else if let Some(answer) = text.strip_prefix("43/oda,1") {
        let answer: Value = serde_json::from_str(answer).unwrap();
        *member.began.lock().unwrap() = answer[0]["offset"].as_str().map(str::to_owned);
    } else if let Some(event) = text.strip_prefix("42/oda,") {
        let event: Value = serde_json::from_str(event).unwrap();
        *offset = event.as_array().unwrap().last().unwrap().clone();
        if event[0].as_str().unwrap().starts_with("inventory:")
            && let Some(id) = event[1]["id"].as_str()
        {
            member.ids.lock().unwrap().push(id.to_owned());
        }
    }
}
