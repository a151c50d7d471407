//! An echo server for the official test suites of Engine.IO and Socket.IO, on the same code as the daemon's. Never shipped.
//!
//! `cargo run -p ws --example protocol_suite`, then `npm test` in the `test-suite` folder of `socketio/engine.io-protocol`
//! and of `socketio/socket.io-protocol`. Both expect it on port 3000 of `localhost`, whichever address that is.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use schemas::Entropy;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;
use ws::connection::{ConnectionAcceptor, HandshakeOutcome, ProtocolDriver, SendQueue};
use ws::protocol::engine::{self, TransportMessage};
use ws::protocol::frame;
use ws::protocol::socketio::{
    NamespaceId, PacketContent, SessionStep, SocketIoPacket, SocketIoSession,
};
use ws::{CloseReason, HubOptions, ListenerPolicy};

const PORT: u16 = 3000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = HubOptions {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        ..HubOptions::default()
    };
    let entropy = Arc::new(Entropy::from_system().map_err(io::Error::other)?);
    let suite = Arc::new(Suite {
        engine: ConnectionAcceptor::new(options.clone(), Arc::clone(&entropy)),
        socket: ConnectionAcceptor::new(options, Arc::clone(&entropy)),
        entropy,
        tasks: TaskTracker::new(),
    });
    let (four, six) = tokio::join!(
        suite.listen((Ipv4Addr::LOCALHOST, PORT).into()),
        suite.listen((Ipv6Addr::LOCALHOST, PORT).into())
    );
    four.and(six)
}

/// The two servers of the official suites.
struct Suite {
    engine: ConnectionAcceptor<Echo>,
    socket: ConnectionAcceptor<SocketIoDriver>,
    entropy: Arc<Entropy>,
    tasks: TaskTracker,
}

impl Suite {
    async fn listen(self: &Arc<Self>, address: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let suite = Arc::clone(self);
            let service = service_fn(move |request| {
                let suite = Arc::clone(&suite);
                async move { Ok::<_, Infallible>(suite.answer(request, peer).await.map(Full::new)) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            self.tasks.spawn(connection);
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Bytes> {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        match uri.path() {
            "/engine.io/" => {
                self.go(
                    self.engine.handshake(
                        method,
                        uri,
                        headers,
                        peer,
                        &ListenerPolicy::default(),
                        |_| Echo,
                    ),
                    request,
                )
                .await
            }
            "/socket.io/" => {
                let sockets = |_| SocketIoDriver {
                    session: SocketIoSession::new(NamespaceId::parse, 1000, 1_000_000),
                    entropy: Arc::clone(&self.entropy),
                    greeting: None,
                };
                self.go(
                    self.socket.handshake(
                        method,
                        uri,
                        headers,
                        peer,
                        &ListenerPolicy::default(),
                        sockets,
                    ),
                    request,
                )
                .await
            }
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    async fn go<T: ProtocolDriver>(
        &self,
        knock: HandshakeOutcome<T>,
        request: Request<Incoming>,
    ) -> Response<Bytes> {
        match knock {
            HandshakeOutcome::Answer(response) => response,
            HandshakeOutcome::Open(response, task) => {
                self.tasks.spawn(task.run());
                response
            }
            HandshakeOutcome::Poll(poll) => poll.answer().await,
            HandshakeOutcome::Post(post) => {
                match Limited::new(request, post.bytes_max()).collect().await {
                    Ok(body) => post.answer(body.to_bytes()).await,
                    Err(_) => post.too_large(),
                }
            }
            HandshakeOutcome::Upgrade(response, upgrade) => {
                self.tasks.spawn(async move {
                    let Ok(upgraded) = hyper::upgrade::on(request).await else {
                        return;
                    };
                    if let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() {
                        upgrade.run(parts.io.into_inner(), parts.read_buf).await;
                    }
                });
                response
            }
        }
    }
}

fn status(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// Engine.IO that says what it hears.
struct Echo;

impl ProtocolDriver for Echo {
    fn receive(
        &mut self,
        _now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        out.push(match message {
            TransportMessage::Binary(bytes) => frame::binary(&bytes),
            TransportMessage::Text(text) => {
                frame::text(&engine::EnginePacket::Message(text).encode())
            }
        });
        Ok(())
    }

    fn may_receive(&self) -> bool {
        true
    }

    fn work(&mut self, _now: Duration, _out: &mut SendQueue) -> Result<(), CloseReason> {
        Ok(())
    }

    fn deadline(&self, _now: Duration) -> Option<Duration> {
        None
    }
}

/// The suite's namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Main,
    Custom,
}

impl NamespaceId for Place {
    fn parse(name: &str) -> Option<Self> {
        [Self::Main, Self::Custom]
            .into_iter()
            .find(|place| place.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Main => "/",
            Self::Custom => "/custom",
        }
    }
}

/// Socket.IO that says what it hears.
struct SocketIoDriver {
    session: SocketIoSession<Place>,
    entropy: Arc<Entropy>,
    /// What is said after a moment.
    greeting: Option<(Duration, Bytes)>,
}

/// The suite listens anew for each packet, and misses one that it reads together with the one before.
const MOMENT: Duration = Duration::from_millis(10);

impl SocketIoDriver {
    fn connect(
        &mut self,
        now: Duration,
        place: Place,
        auth: Option<Map<String, Value>>,
        out: &mut SendQueue,
    ) {
        self.session.admit(place);
        let sid = Map::from_iter([("sid".to_owned(), json!(self.entropy.uuid()))]);
        out.push(packet(place, PacketContent::Connect(Some(sid))));
        let args = vec![auth.unwrap_or_default().into()];
        let auth = PacketContent::Event {
            id: None,
            name: "auth".to_owned(),
            args,
            attachments: 0,
        };
        self.greeting = Some((now + MOMENT, packet(place, auth)));
    }
}

impl ProtocolDriver for SocketIoDriver {
    fn receive(
        &mut self,
        now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        match self.session.receive(now, message)? {
            Some(SessionStep::Connect(place, auth)) => self.connect(now, place, auth, out),
            Some(SessionStep::Event(place, call)) => {
                let attachments = u8::try_from(call.attachments.len()).unwrap_or_default();
                let content = match (call.name.as_str(), call.id) {
                    ("message", None) => {
                        let name = "message-back".to_owned();
                        PacketContent::Event {
                            id: None,
                            name,
                            args: call.args,
                            attachments,
                        }
                    }
                    ("message-with-ack", Some(id)) => PacketContent::Ack {
                        id,
                        args: call.args,
                        attachments,
                    },
                    _ => return Ok(()),
                };
                out.push(packet(place, content));
                out.extend(call.attachments.iter().map(|bytes| frame::binary(bytes)));
            }
            Some(SessionStep::Send(packet)) => out.push(packet.frame()),
            Some(
                SessionStep::Acknowledged(..) | SessionStep::Excess(..) | SessionStep::Left(_),
            )
            | None => {}
        }
        Ok(())
    }

    fn may_receive(&self) -> bool {
        true
    }

    fn work(&mut self, now: Duration, out: &mut SendQueue) -> Result<(), CloseReason> {
        if let Some((_, greeting)) = self.greeting.take_if(|(due, _)| *due <= now) {
            out.push(greeting);
        }
        self.session.tick(now)
    }

    fn deadline(&self, _now: Duration) -> Option<Duration> {
        self.greeting
            .as_ref()
            .map(|(due, _)| *due)
            .into_iter()
            .chain(self.session.deadline())
            .min()
    }
}

fn packet(place: Place, content: PacketContent) -> Bytes {
    SocketIoPacket {
        namespace: place.as_str().to_owned(),
        content,
    }
    .frame()
}
