//! One of those that are compared, in a process of its own, and how it is told what happens.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command};

use anyhow::Context as _;
use bench::Process;

use crate::crowd::Dialect;

/// A server that takes part in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A thread that writes frames to sockets.
    Bare,
    /// Socket.IO on Bun with its engine.
    BunEngine,
    /// uWebSockets' publish, through Bun.
    BunPublish,
    /// Socket.IO's own server, on Node.
    Node,
    /// The Rust crate socketioxide.
    Socketioxide,
    /// The crate `ws` of this workspace.
    Stockd,
}

impl Peer {
    pub(crate) const ALL: [Self; 6] = [
        Self::Bare,
        Self::Node,
        Self::BunEngine,
        Self::Socketioxide,
        Self::BunPublish,
        Self::Stockd,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::BunEngine => "bun-engine",
            Self::BunPublish => "bun-publish",
            Self::Node => "node",
            Self::Socketioxide => "socketioxide",
            Self::Stockd => "stockd",
        }
    }

    pub(crate) fn is_script(self) -> bool {
        matches!(self, Self::BunEngine | Self::BunPublish | Self::Node)
    }

    pub(crate) fn dialect(self) -> Dialect {
        match self {
            Self::Bare | Self::BunPublish => Dialect::Raw,
            Self::BunEngine | Self::Node | Self::Socketioxide => Dialect::SocketIo,
            Self::Stockd => Dialect::Oda,
        }
    }

    /// `scripts` holds the scripts and the packages they use.
    fn command(self, scripts: &Path) -> anyhow::Result<Command> {
        let own = std::env::current_exe()?;
        let beside = |name: &str| {
            own.parent()
                .map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
        };
        let script = |programme: &str, name: &str| {
            let mut command = Command::new(programme);
            command.arg(scripts.join(name)).current_dir(scripts);
            command
        };
        let bun = scripts.join("node_modules/.bin/bun").display().to_string();
        Ok(match self {
            Self::Bare => {
                let mut command = Command::new(&own);
                command.arg("serve");
                command
            }
            Self::BunEngine => script(&bun, "socketio.mjs"),
            Self::BunPublish => script(&bun, "publish.mjs"),
            Self::Node => script("node", "socketio.mjs"),
            Self::Socketioxide => Command::new(beside("socketioxide")),
            Self::Stockd => Command::new(beside("examples/fanout")),
        })
    }
}

/// A running server with its control connection.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) port: u16,
    control: TcpStream,
    /// Held open, so that it may complain.
    _output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) fn start(peer: Peer, scripts: &Path) -> anyhow::Result<Self> {
        let mut command = peer.command(scripts)?;
        let (process, output) = Process::piped(&mut command)
            .with_context(|| format!("{} cannot be started", peer.name()))?;
        let mut output = BufReader::new(output);
        let mut ports = String::new();
        output.read_line(&mut ports)?;
        let (port, control) = ports
            .trim()
            .split_once(' ')
            .context("it does not say where it listens")?;
        let control = TcpStream::connect(("127.0.0.1", control.parse()?))?;
        control.set_nodelay(true)?;
        Ok(Self {
            process,
            port: port.parse()?,
            control,
            _output: output,
        })
    }

    /// Lets so many events happen in that room, in frames of that many bytes.
    pub(crate) fn tell(
        &mut self,
        room: &str,
        events: u64,
        bytes: usize,
        first: u64,
    ) -> anyhow::Result<()> {
        Ok(self
            .control
            .write_all(format!("{room} {events} {bytes} {first}\n").as_bytes())?)
    }

    /// How many connections and users are there; only ours says so.
    pub(crate) fn attendees(&mut self) -> anyhow::Result<(usize, usize)> {
        self.control.write_all(b"attendees\n")?;
        let mut answer = String::new();
        BufReader::new(&self.control).read_line(&mut answer)?;
        let (connections, users) = answer.trim().split_once(' ').context("no answer")?;
        Ok((connections.parse()?, users.parse()?))
    }
}
