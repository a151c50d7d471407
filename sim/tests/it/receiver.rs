//! A receiver of webhooks that keeps what it got and can be told to refuse.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub(crate) struct Delivery {
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Bytes,
}

impl Delivery {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

pub(crate) struct Receiver {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
    got: mpsc::Receiver<Delivery>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!(
            "http://{}/webhooks",
            listener.local_addr().expect("an address")
        );
        let (sender, got) = mpsc::channel(10_000);
        let status = Arc::new(AtomicU16::new(200));
        let answered = status.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answered) = (sender.clone(), answered.clone());
                connections.spawn(async move {
                    let service = service_fn(|request| take(request, &sender, &answered));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            url,
            status,
            got,
            _tasks: tasks,
        }
    }

    /// Every delivery gets this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) async fn next(&mut self) -> Delivery {
        let next = tokio::time::timeout(Duration::from_secs(10), self.got.recv());
        next.await
            .expect("a delivery within ten seconds")
            .expect("an open receiver")
    }

    /// The next delivery of a topic; others before it are dropped.
    pub(crate) async fn next_of(&mut self, topic: &str) -> Delivery {
        loop {
            let delivery = self.next().await;
            if delivery.header("x-shopify-topic") == topic {
                return delivery;
            }
        }
    }
}

async fn take(
    request: Request<Incoming>,
    sender: &mpsc::Sender<Delivery>,
    status: &AtomicU16,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| {
        (
            name.as_str().to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let headers = headers.collect();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let _ = sender.send(Delivery { headers, body }).await;
    let answer = Response::builder()
        .status(status.load(Ordering::SeqCst))
        .body(Full::default());
    Ok(answer.expect("a valid status"))
}
