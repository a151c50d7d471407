//! A program that is called over HTTP: it keeps every request and answers as it is told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens until it is dropped.
pub struct Receiver {
    address: String,
    desk: Arc<Mutex<ReceiverDesk>>,
    _serving: JoinSet<()>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path of the request.
    pub path: String,
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body of the request.
    pub body: String,
    /// What it was answered.
    pub answered: u16,
}

#[derive(Default)]
struct ReceiverDesk {
    answers: VecDeque<u16>,
    received: Vec<Received>,
}

impl Receiver {
    /// Answers 200 to everything.
    pub async fn opens() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let desk = Arc::<Mutex<ReceiverDesk>>::default();
        let (mut serving, kept) = (JoinSet::new(), Arc::clone(&desk));
        serving.spawn(async move {
            let mut talking = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talking.spawn(talk(stream, Arc::clone(&kept)));
            }
        });
        Self {
            address,
            desk,
            _serving: serving,
        }
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Answers the next requests like this, one after the other.
    pub fn answers(&self, statuses: impl IntoIterator<Item = u16>) {
        self.desk.lock().unwrap().answers.extend(statuses);
    }

    /// Every request so far.
    pub fn received(&self) -> Vec<Received> {
        self.desk.lock().unwrap().received.clone()
    }
}

async fn talk(stream: TcpStream, desk: Arc<Mutex<ReceiverDesk>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        stream
            .read_line(&mut line)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let answered = {
            let mut desk = desk.lock().unwrap();
            let answered = desk.answers.pop_front().unwrap_or(200);
            desk.received.push(Received {
                path,
                headers,
                body,
                answered,
            });
            answered
        };
        let wait = if answered == 429 {
            "retry-after: 1\r\n"
        } else {
            ""
        };
        let answer = format!("HTTP/1.1 {answered} as told\r\n{wait}content-length: 2\r\n\r\nok");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}
