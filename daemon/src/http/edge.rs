//! The edge: accepts connections, bounds how many and how slow, and hands requests to the routes.
//!
//! `warp::serve` has no header or idle timeout and sets no TCP_NODELAY, so the accept loop is ours and
//! `warp::service` stands behind it.

mod carrier;
mod head;
mod places;
mod target;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;
use tracing::Instrument as _;
use warp::Filter;
use warp::reply::Response;
use ws::limits::UNSENT_BYTES_MAX;
use ws::{IpNetwork, ListenerPolicy};

pub(crate) use self::carrier::Carrier;
pub(crate) use self::places::ConnectionPlaces;
use self::places::{AddressPlace, ConnectionPlace};
use self::target::RequestTarget;
use crate::limits;
use crate::spans;
use crate::supervisor::Heartbeat;

/// A connection, whatever carries it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Where connections come from: a TCP socket, or a simulated network.
#[async_trait]
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// Waits for the next connection.
    async fn accept(&mut self) -> io::Result<(Self::Stream, Peer)>;
}

#[async_trait]
impl Listener for tokio::net::TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        // An event is small and somebody waits for it.
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        let peer = Peer {
            address,
            unix_user: None,
        };
        Ok((stream, peer))
    }
}

/// The other end of a request's connection; every request carries it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address; that of this machine where it came by the control socket.
    pub address: SocketAddr,
    /// The number of the Unix user who came by the control socket.
    pub unix_user: Option<u32>,
}

/// What is sent to a connection that has no place. Nothing of its request was read.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\
                          Cache-Control: no-store\r\nContent-Length: 0\r\n\r\n";

/// One listener: how many may come in by it, and which of them are proxies of ours.
#[derive(Clone)]
pub(crate) struct Edge {
    /// Those of all listeners.
    pub(crate) places: Arc<ConnectionPlaces>,
    pub(crate) entrance: ListenerPolicy,
}

impl Edge {
    /// Accepts connections and serves the routes on them until told to stop; every connection is a task of `tasks`.
    pub(crate) async fn serve<L, F>(
        self,
        mut listener: L,
        routes: F,
        tasks: TaskTracker,
        heartbeat: Heartbeat,
        stop: CancellationToken,
    ) where
        L: Listener,
        F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
        F::Extract: warp::Reply,
        F::Future: Send,
    {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (mut stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already: neither is a reason to stop.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let ip = peer.address.ip();
            // Whoever comes by the control socket shares its one address with others.
            let is_counted = peer.unix_user.is_none() && !self.is_proxy(ip);
            let client = is_counted.then_some(ip);
            let Some(place) = heartbeat.work(async { self.places.take(client) }).await else {
                // What the kernel does not take at once is not worth waiting for.
                let _ = stream.write(NO_PLACE).now_or_never();
                continue;
            };
            let connection =
                self.clone()
                    .connection(stream, peer, place, routes.clone(), stop.clone());
            tasks.spawn(connection.instrument(spans::connection(peer.address)));
        }
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.entrance
            .trusted_proxies
            .iter()
            .any(|network: &IpNetwork| network.contains(address))
    }

    async fn connection<S, F>(
        self,
        stream: S,
        peer: Peer,
        place: ConnectionPlace,
        routes: F,
        stop: CancellationToken,
    ) where
        S: Stream,
        F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
        F::Extract: warp::Reply,
        F::Future: Send,
    {
        let (service, is_kept) = (warp::service(routes), place.is_kept());
        let place = &place;
        let edge = &self;
        let answer = service_fn(move |mut request: Request<Incoming>| {
            place.hold();
            let judged = edge.judge(&mut request, peer.address, is_kept);
            let is_last = is_kept || judged.is_err() || head::is_last(request.headers());
            request.extensions_mut().insert(peer);
            let mut service = service.clone();
            async move {
                let mut answer = match judged {
                    Err(refusal) => refusal,
                    // Its place is taken while it is answered.
                    Ok(_place) => {
                        let answer =
                            tokio::time::timeout(limits::REQUEST_TIMEOUT, service.call(request))
                                .await;
                        answer.unwrap_or_else(|_| Ok(super::late()))?
                    }
                };
                finish(&mut answer, is_last);
                Ok::<_, Infallible>(answer)
            }
        });
        let header_timeout = if is_kept {
            limits::KEPT_HEADER_TIMEOUT
        } else {
            limits::HEADER_TIMEOUT
        };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_header_size(limits::HEADER_BYTES_MAX)
            .max_buf_size(limits::HEADER_BYTES_MAX)
            .serve_connection(TokioIo::new(Carrier::new(stream)), answer)
            .with_upgrades();
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = place.evicted() => return,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // A client that hangs up or talks nonsense is its own affair.
            tracing::debug!(peer = %peer.address, %error, "connection ended");
        }
    }

    /// Lets a request by, or gives the answer to one that the routes are not to see.
    #[expect(
        clippy::result_large_err,
        reason = "the answer is given once, and a box would be one more thing to free"
    )]
    fn judge(
        &self,
        request: &mut Request<Incoming>,
        peer: SocketAddr,
        is_kept: bool,
    ) -> Result<Option<AddressPlace>, Response> {
        match target::check(request) {
            Ok(RequestTarget::Path) => {}
            Ok(RequestTarget::Server) => return Err(super::allowed("GET, HEAD, POST, OPTIONS")),
            Err(problem) => {
                tracing::debug!(%peer, %problem, "Refused a request");
                return Err(super::malformed(&problem.to_string()));
            }
        }
        if super::is_kept_for(request.uri().path()) {
            return Ok(None);
        }
        if is_kept {
            return Err(super::crowded());
        }
        // A proxy's connections are not counted by address, so the requests of its clients are. Where it does not say
        // whose they are, there is nothing to count by.
        let client = self.entrance.address_of(peer.ip(), request.headers());
        if !self.is_proxy(peer.ip()) || self.is_proxy(client) {
            return Ok(None);
        }
        self.places
            .take_request(client)
            .map(Some)
            .ok_or_else(super::crowded)
    }
}

/// What every answer says beside what it is about.
fn finish(answer: &mut Response, is_last: bool) {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    let headers = answer.headers_mut();
    // What is answered depends on who asks and changes by the second: no cache may keep it.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // Texts that others sent are never taken for a page or a script, whatever they look like.
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if is_last {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

#[cfg(test)]
mod tests;
