//! Many clients in one thread: they join, answer pings and look at what arrives, as cheaply as can be, because they
//! share the processors with what is measured.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tokio::time::Instant;

/// Clients that connect at a time.
const WAVE: usize = 256;
/// For how long joining may take.
const JOIN_MAX: Duration = Duration::from_mins(2);
/// Bytes of the buffer for one read.
const READ_BYTES: usize = 1024 * 1024;

/// How one speaks with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Our native contract.
    Oda,
    /// WebSocket, and the rooms' names.
    Raw,
    /// Socket.IO with a `join` event.
    SocketIo,
}

/// Clients of one server.
pub(crate) struct Crowd {
    name: &'static str,
    dialect: Dialect,
    address: SocketAddr,
    poll: Poll,
    events: Events,
    clients: Vec<CrowdClient>,
    joined: usize,
    buffer: Vec<u8>,
}

struct CrowdClient {
    stream: TcpStream,
    name: String,
    rooms: String,
    stage: CrowdStage,
    /// What was read of a frame that is not complete.
    rest: Vec<u8>,
    /// The number of the event it heard last.
    last: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CrowdStage {
    Connecting,
    Upgrading,
    Greeted,
    Joined,
}

impl Crowd {
    /// Nobody yet; they will be called that, with a number each.
    pub(crate) fn new(name: &'static str, dialect: Dialect, port: u16) -> anyhow::Result<Self> {
        Ok(Self {
            name,
            dialect,
            address: ([127, 0, 0, 1], port).into(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            clients: Vec::new(),
            joined: 0,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// How many have joined.
    pub(crate) fn len(&self) -> usize {
        self.joined
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// So many more, each in the rooms of its number: their names, with a blank between them.
    pub(crate) fn join(
        &mut self,
        more: usize,
        rooms: impl Fn(usize) -> String,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + JOIN_MAX;
        let all = self.clients.len() + more;
        while self.joined < all {
            while self.clients.len() < all && self.clients.len() - self.joined < WAVE {
                let index = self.clients.len();
                let mut stream = TcpStream::connect(self.address)?;
                self.poll
                    .registry()
                    .register(&mut stream, Token(index), Interest::WRITABLE)?;
                let name = format!("{}-{index}", self.name);
                let (rooms, stage) = (rooms(index), CrowdStage::Connecting);
                self.clients.push(CrowdClient {
                    stream,
                    name,
                    rooms,
                    stage,
                    rest: Vec::new(),
                    last: None,
                });
            }
            self.look(Duration::from_millis(100), |_| ())?;
            anyhow::ensure!(
                Instant::now() < deadline,
                "only {} of {all} clients came in",
                self.joined
            );
        }
        Ok(())
    }

    /// They read no more: what is sent to them stays where it is.
    pub(crate) fn fall_silent(&mut self) -> anyhow::Result<()> {
        for client in &mut self.clients {
            self.poll.registry().deregister(&mut client.stream)?;
        }
        Ok(())
    }

    /// Waits no longer than that for something to arrive, and hands over the number of each event. An event that comes
    /// to somebody twice or too late is an error.
    pub(crate) fn look(
        &mut self,
        patience: Duration,
        mut heard: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        let Self {
            dialect,
            poll,
            events,
            clients,
            joined,
            buffer,
            ..
        } = self;
        match poll.poll(events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in &*events {
            let client = &mut clients[event.token().0];
            if client.stage == CrowdStage::Connecting {
                client.stage = CrowdStage::Upgrading;
                client.stream.set_nodelay(true)?;
                poll.registry().reregister(
                    &mut client.stream,
                    event.token(),
                    Interest::READABLE,
                )?;
                client.write(dialect.request().as_bytes())?;
                continue;
            }
            let before = client.stage;
            client
                .read(*dialect, buffer, &mut heard)
                .with_context(|| format!("{} when {:?}", client.name, client.stage))?;
            *joined +=
                usize::from(before != CrowdStage::Joined && client.stage == CrowdStage::Joined);
        }
        Ok(())
    }
}

impl CrowdClient {
    fn read(
        &mut self,
        dialect: Dialect,
        buffer: &mut [u8],
        heard: &mut impl FnMut(u64),
    ) -> anyhow::Result<()> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => anyhow::bail!("closed by the server"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if self.rest.is_empty() {
                let taken = self.take(dialect, &buffer[..read], heard)?;
                self.rest.extend_from_slice(&buffer[taken..read]);
            } else {
                let mut rest = std::mem::take(&mut self.rest);
                rest.extend_from_slice(&buffer[..read]);
                let taken = self.take(dialect, &rest, heard)?;
                rest.drain(..taken);
                self.rest = rest;
            }
            // One that gave less than was asked for has no more; the next edge tells of it.
            if read < buffer.len() {
                return Ok(());
            }
        }
    }

    /// Takes what is whole: how many bytes.
    fn take(
        &mut self,
        dialect: Dialect,
        bytes: &[u8],
        heard: &mut impl FnMut(u64),
    ) -> anyhow::Result<usize> {
        let mut rest = bytes;
        if self.stage == CrowdStage::Upgrading {
            let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(0);
            };
            anyhow::ensure!(rest.starts_with(b"HTTP/1.1 101"), "no upgrade");
            rest = &rest[end + 4..];
            self.stage = CrowdStage::Greeted;
            if dialect == Dialect::Raw {
                self.say(&self.rooms.clone())?;
            }
        }
        while let Some((payload, after)) = frame(rest) {
            rest = after;
            if self.stage == CrowdStage::Joined
                && let Some(number) = number(payload)
            {
                anyhow::ensure!(
                    self.last.is_none_or(|last| last < number),
                    "an event out of order"
                );
                self.last = Some(number);
                heard(number);
            } else {
                self.converse(dialect, payload)?;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn converse(&mut self, dialect: Dialect, payload: &[u8]) -> anyhow::Result<()> {
        let join = || {
            let ids: Vec<&str> = self
                .rooms
                .split(' ')
                .filter_map(|room| room.strip_prefix("location:"))
                .collect();
            match ids.as_slice() {
                [] => r#"42/oda,1["subscribe:notifications",{}]"#.to_owned(),
                ids => format!(
                    r#"42/oda,1["subscribe:inventory",{{"locationIds":[{}]}}]"#,
                    ids.join(",")
                ),
            }
        };
        if matches!(
            (dialect, payload),
            (Dialect::Raw, b"joined") | (_, [b'4', b'3', ..])
        ) {
            self.stage = CrowdStage::Joined;
        }
        match (dialect, payload) {
            (_, b"2") => self.say("3"),
            (Dialect::Raw, _) => Ok(()),
            (Dialect::Oda, [b'0', ..]) => {
                self.say(&format!(r#"40/oda,{{"token":"{}"}}"#, self.name))
            }
            (Dialect::Oda, [b'4', b'0', ..]) => self.say(&join()),
            (Dialect::SocketIo, [b'0', ..]) => {
                self.say(&format!(r#"40{{"token":"{}"}}"#, self.name))
            }
            (Dialect::SocketIo, [b'4', b'0', ..]) => {
                self.say(&format!(r#"421["join","{}"]"#, self.rooms))
            }
            (_, [b'4', b'4', ..]) => anyhow::bail!("not let in"),
            _ => Ok(()),
        }
    }

    /// A text frame; its mask is zero, which changes nothing.
    fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126);
        let length = length.context("what clients say is short")?;
        self.write(&[&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat())
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        // So little always fits.
        Ok(self.stream.write_all(bytes)?)
    }
}

impl Dialect {
    fn request(self) -> &'static str {
        match self {
            Self::Raw => {
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            }
            Self::Oda | Self::SocketIo => {
                "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            }
        }
    }
}

/// The first frame's payload, and what follows the frame.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *bytes {
        [_, 127, ref rest @ ..] => {
            let (length, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*length).try_into().ok()?, rest)
        }
        [_, 126, a, b, ref rest @ ..] => (usize::from(u16::from_be_bytes([a, b])), rest),
        [_, length @ ..=125, ref rest @ ..] => (usize::from(length), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The number between `n=` and `;`, which every event has.
fn number(payload: &[u8]) -> Option<u64> {
    let mut rest = payload;
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let digits = rest.get(equals + 1..)?;
        if equals > 0 && rest[equals - 1] == b'n' {
            let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
            return str::from_utf8(&digits[..end]).ok()?.parse().ok();
        }
        rest = digits;
    }
}
