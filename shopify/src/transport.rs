//! The way to Shopify and back: HTTP in production, a script or a simulation elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response};

/// Largest answer taken, in bytes once unpacked. 250 rows with everything we ask for are below 1 MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest time until there is a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for a request with its whole answer. Shopify itself gives up after 10 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time for a file, from the request to its last byte: whoever reads it may be slow.
const FILE_TIMEOUT: Duration = Duration::from_hours(12);

/// Longest time until the next piece of a file.
const PIECE_TIMEOUT: Duration = Duration::from_mins(1);

/// Carries one request and brings one answer. It neither retries nor follows redirects nor logs.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a request and waits for the whole answer, whatever its status.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;

    /// Sends a request and hands over the answer before its body has come, for bodies too large to be held.
    async fn open(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Box<dyn Body>>, TransportError> {
        Ok(self
            .send(request)
            .await?
            .map(|body| Box::new(Some(body)) as Box<dyn Body>))
    }
}

/// An answer's body, a piece at a time, as fast as it is asked for.
#[async_trait]
pub trait Body: Send {
    /// The next piece; `None` when the body came to its proper end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError>;
}

/// A body that came as a whole.
#[async_trait]
impl Body for Option<Bytes> {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        Ok(self.take())
    }
}

/// Why there is no answer. Whether the request was carried out is then unknown.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection: the request was not carried out.
    #[error("no connection to Shopify: check the network, the name server and the firewall")]
    Connect(#[source] TransportCause),
    /// No complete answer in time.
    #[error("Shopify did not answer in time")]
    Timeout,
    /// The answer ended early or could not be unpacked.
    #[error("the connection to Shopify broke")]
    Broken(#[source] TransportCause),
    /// No certificates, or no cryptography.
    #[error("TLS cannot be set up: install the distribution's package ca-certificates")]
    Tls(#[source] TransportCause),
    /// The answer is too long.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

type TransportCause = Box<dyn std::error::Error + Send + Sync>;

/// HTTPS by reqwest and rustls, with the operating system's certificates and HTTP keep-alive.
#[derive(Debug, Clone)]
pub struct HttpTransport(reqwest::Client);

impl HttpTransport {
    /// A pool of connections, shared by all shops.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> Result<Self, TransportError> {
        reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            // The token must not follow a redirect to another host.
            .redirect(reqwest::redirect::Policy::none())
            // Proxies would come out of the environment, which only the configuration reads.
            .no_proxy()
            .retry(reqwest::retry::never())
            .user_agent(concat!("stockd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| TransportError::Tls(error.into()))
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(failure)?;
        let mut answer = self.0.execute(request).await.map_err(failure)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(TransportError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    async fn open(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Box<dyn Body>>, TransportError> {
        let mut request = reqwest::Request::try_from(request).map_err(failure)?;
        *request.timeout_mut() = Some(FILE_TIMEOUT);
        let answer = tokio::time::timeout(PIECE_TIMEOUT, self.0.execute(request)).await;
        let mut answer = answer
            .map_err(|_| TransportError::Timeout)?
            .map_err(failure)?;
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let mut response = Response::new(Box::new(Pieces(answer)) as Box<dyn Body>);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

struct Pieces(reqwest::Response);

#[async_trait]
impl Body for Pieces {
    async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        let piece = tokio::time::timeout(PIECE_TIMEOUT, self.0.chunk()).await;
        piece.map_err(|_| TransportError::Timeout)?.map_err(failure)
    }
}

fn failure(error: reqwest::Error) -> TransportError {
    let error = error.without_url();
    match () {
        () if error.is_connect() => TransportError::Connect(error.into()),
        () if error.is_timeout() => TransportError::Timeout,
        () => TransportError::Broken(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Sends one request to a server that answers with these bytes and hangs up.
    async fn answered_with(answer: Vec<u8>) -> Result<Response<Bytes>, TransportError> {
        let (transport, address, serve) = server(answer).await;
        let request = Request::post(address)
            .body(Bytes::from_static(b"{}"))
            .unwrap();
        tokio::join!(transport.send(request), serve).0
    }

    /// The same, and the answer's body is read piece by piece.
    async fn streamed(answer: Vec<u8>) -> Result<(u16, Vec<u8>), TransportError> {
        let (transport, address, serve) = server(answer).await;
        let request = Request::get(address).body(Bytes::new()).unwrap();
        let read = async {
            let mut response = transport.open(request).await?;
            let mut body = Vec::new();
            while let Some(piece) = response.body_mut().chunk().await? {
                body.extend_from_slice(&piece);
            }
            Ok((response.status().as_u16(), body))
        };
        tokio::join!(read, serve).0
    }

    async fn server(answer: Vec<u8>) -> (HttpTransport, String, impl Future<Output = ()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/admin", listener.local_addr().unwrap());
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            // The client may have hung up by then.
            let _ = stream.write_all(&answer).await;
        };
        (HttpTransport::new().unwrap(), address, serve)
    }

    #[tokio::test]
    async fn an_answer_comes_back_with_its_status_and_headers() {
        let answer =
            b"HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 4\r\n\r\nbusy".to_vec();
        let response = answered_with(answer).await.unwrap();
        assert_eq!(
            (
                response.status().as_u16(),
                &response.headers()["retry-after"]
            ),
            (503, &"2".parse().unwrap())
        );
        assert_eq!(response.body(), "busy");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let answer =
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
                .to_vec();
        assert_eq!(answered_with(answer).await.unwrap().status(), 302);
    }

    #[tokio::test]
    async fn a_file_may_be_longer_than_an_answer_and_not_shorter_than_it_says() {
        let length = ANSWER_BYTES_MAX + 1;
        let mut answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + length, b'x');
        let (status, body) = streamed(answer.clone()).await.unwrap();
        assert_eq!((status, body.len()), (200, length));
        answer.pop();
        assert!(matches!(
            streamed(answer).await,
            Err(TransportError::Broken(_))
        ));
        let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec();
        assert!(matches!(
            streamed(chunked).await,
            Err(TransportError::Broken(_))
        ));
    }

    #[tokio::test]
    async fn a_file_that_moved_is_not_followed() {
        let answer =
            b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
                .to_vec();
        assert_eq!(streamed(answer).await.unwrap(), (307, Vec::new()));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(answer.len() + ANSWER_BYTES_MAX + 1, b' ');
        assert!(matches!(
            answered_with(answer).await,
            Err(TransportError::TooLong)
        ));
    }

    #[tokio::test]
    async fn a_broken_and_a_refused_connection_are_told_apart_without_the_address() {
        let broken = answered_with(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_vec())
            .await
            .unwrap_err();
        assert!(matches!(broken, TransportError::Broken(_)));
        let request = Request::post("http://127.0.0.1:1/secret")
            .body(Bytes::new())
            .unwrap();
        let refused = HttpTransport::new()
            .unwrap()
            .send(request)
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, TransportError::Connect(cause) if !cause.to_string().contains("secret"))
        );
    }
}
