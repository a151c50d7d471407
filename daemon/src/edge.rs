//! The edge: accepts connections, bounds how many and how slow, and hands requests to the routes.
//!
//! `warp::serve` has no header or idle timeout and sets no TCP_NODELAY, so the accept loop is ours and
//! `warp::service` stands behind it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service as _;
use warp::Filter;
use ws::limits::UNSENT_BYTES_MAX;

use crate::{limits, routes};

/// A connection, whatever carries it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Where connections come from: a TCP socket, or a simulated network.
#[async_trait]
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// Waits for the next connection.
    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)>;
}

#[async_trait]
impl Listener for tokio::net::TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        // An event is small and somebody waits for it.
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        Ok((stream, peer))
    }
}

/// The other end of a request's connection; every request carries it as an extension.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Accepts connections and serves the routes on them until told to stop; every connection is a task of `tasks`.
pub async fn serve<L, F>(mut listener: L, routes: F, tasks: TaskTracker, stop: CancellationToken)
where
    L: Listener,
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
    F::Future: Send,
{
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&mut listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let (routes, stop) = (routes.clone(), stop.clone());
        tasks.spawn(async move {
            connection(stream, peer, routes, stop).await;
            drop(place);
        });
    }
}

async fn accept<L: Listener>(
    listener: &mut L,
    places: &Arc<Semaphore>,
) -> Option<(L::Stream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            // Out of file descriptors, or the peer is gone already: neither is a reason to stop.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection<S, F>(stream: S, peer: SocketAddr, routes: F, stop: CancellationToken)
where
    S: Stream,
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
    F::Future: Send,
{
    let service = warp::service(routes);
    let answer = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answer = service.clone().call(request);
        async move {
            let answer = tokio::time::timeout(limits::REQUEST_TIMEOUT, answer).await;
            answer.unwrap_or_else(|_| Ok(routes::late()))
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that hangs up or talks nonsense is its own affair.
        tracing::debug!(%peer, %error, "connection ended");
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn the_kernel_takes_little_for_whoever_never_reads() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = Listener::accept(&mut listener).await.unwrap();
        let mut taken = 0;
        while timeout(Duration::from_millis(500), stream.writable()).await.is_ok() {
            taken += stream.try_write(&[0; 16 * 1024]).unwrap_or(0);
        }
        // What the other side's kernel takes on top is its own affair.
        assert!(taken < 1_000_000, "{taken} bytes");
    }
}
