//! One HTTP connection that is kept open, and asks one thing at a time.

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A client of the daemon or of the pretend store.
pub struct Client {
    address: String,
    token: String,
    sender: SendRequest<Full<Bytes>>,
    /// Ends with the client.
    _connection: JoinSet<hyper::Result<()>>,
}

impl Client {
    /// Connects to `host:port`. The token goes along with every request.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: &str, token: &str) -> anyhow::Result<Self> {
        Self::over(TcpStream::connect(address).await?, address, token).await
    }

    /// The same over a connection to it that is there.
    ///
    /// # Errors
    /// When it breaks.
    pub async fn over(stream: TcpStream, address: &str, token: &str) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        Ok(Self {
            address: address.to_owned(),
            token: token.to_owned(),
            sender,
            _connection: tasks,
        })
    }

    /// Sends a request: the answer's status and body.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let answer = self.answer(method, path, body).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// Sends a request whose answer is of no interest but for its length in bytes.
    ///
    /// # Errors
    /// When the connection breaks or the answer is not 200.
    pub async fn drain(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<usize> {
        let answer = self.answer(method, path, body).await?;
        anyhow::ensure!(
            answer.status() == StatusCode::OK,
            "{path}: {}",
            answer.status()
        );
        let (mut body, mut bytes) = (answer.into_body(), 0);
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, Bytes::len);
        }
        Ok(bytes)
    }

    /// What is read there.
    ///
    /// # Errors
    /// When it is not answered with JSON and 200.
    pub async fn read(&mut self, path: &str) -> anyhow::Result<Value> {
        let (status, body) = self.send(Method::GET, path, Bytes::new()).await?;
        anyhow::ensure!(status == StatusCode::OK, "{path}: {status}");
        serde_json::from_slice(&body).with_context(|| format!("{path} is not JSON"))
    }

    /// Posts something that must be taken.
    ///
    /// # Errors
    /// When it is not.
    pub async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<()> {
        let (status, answer) = self
            .send(Method::POST, path, body.to_string().into())
            .await?;
        anyhow::ensure!(
            status.is_success(),
            "{path}: {status} {}",
            String::from_utf8_lossy(&answer)
        );
        Ok(())
    }

    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address)
            .header(CONTENT_TYPE, "application/json");
        if !self.token.is_empty() {
            // The daemon's name for it, and the store's.
            request = request
                .header(AUTHORIZATION, format!("Bearer {}", self.token))
                .header("X-Shopify-Access-Token", &self.token);
        }
        self.sender.ready().await?;
        Ok(self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?)
    }
}
