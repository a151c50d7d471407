//! A RabbitMQ node of the test's own, to be filled, killed and looked into.
//!
//! Its name, ports, cookie and folder are its own, and so is its port mapper; all of it ends with the value.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tempfile::TempDir;

use crate::{eventually, free_address};

/// The script of Debian's package that becomes the node itself, past the one that goes to another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The script that administrators have, likewise.
const CONTROL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";
/// AMQP's number for "keep it on disk".
const PERSISTENT: u8 = 2;
/// Messages whose confirmation is waited for together.
const AT_ONCE: usize = 100;

/// A certificate that vouches for itself.
const CERTIFICATE: &str = "\
[req]
distinguished_name = name
x509_extensions = more
prompt = no
[name]
CN = localhost
[more]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost
";

/// A RabbitMQ broker for one test.
pub struct TestBroker {
    folder: TempDir,
    /// Of clients, of the port mapper, between nodes, and of clients with TLS.
    ports: [String; 4],
    mapper: Child,
    node: Option<Child>,
}

/// A message that is published.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// By which it finds its queues.
    pub routing_key: String,
    /// The message's `message_id`.
    pub id: Option<String>,
    /// The body, which usually is JSON.
    pub body: String,
}

/// A message that was found in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The message's `message_id`.
    pub id: Option<String>,
    /// What stockd says of it.
    pub reason: Option<String>,
    /// The body, as it was published.
    pub body: String,
}

impl TestBroker {
    /// Starts a broker and waits until it takes connections.
    pub async fn starts() -> Self {
        let ports = [(); 4].map(|()| free_address().rsplit_once(':').unwrap().1.to_owned());
        let mapper = Command::new("epmd")
            .args(["-address", "127.0.0.1", "-port", &ports[1]])
            .stdin(Stdio::null())
            .spawn()
            .expect("install rabbitmq-server first: make needs");
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certified(folder.path());
        let (certificate, key) = (path("certificate.pem"), path("key.pem"));
        let tls = format!(
            "listeners.ssl.1 = 127.0.0.1:{}\nssl_options.certfile = {}\nssl_options.keyfile = {}\n",
            ports[3],
            certificate.display(),
            key.display()
        );
        std::fs::write(path("rabbitmq.conf"), tls).unwrap();
        let mut broker = Self {
            folder,
            ports,
            mapper,
            node: None,
        };
        broker.comes_back().await;
        broker
    }

    /// Starts again where it was, and waits until it takes clients.
    pub async fn comes_back(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let node = self
            .script(SERVER)
            // Then the script becomes the node: what is killed is the node.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.node = Some(node);
        eventually("the broker takes clients", async || {
            self.connects().await.ok()
        })
        .await;
    }

    /// One of its scripts, with an environment of this node's own.
    fn script(&self, script: &str) -> Command {
        let (folder, [clients, mapper, nodes, _]) = (self.folder.path(), &self.ports);
        let path = std::env::split_paths("/usr/sbin:/usr/bin:/sbin:/bin");
        let mut command = Command::new(script);
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", folder)
            .env("ERL_EPMD_PORT", mapper)
            .env("RABBITMQ_NODENAME", format!("stockd-{clients}@localhost"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", clients)
            .env("RABBITMQ_DIST_PORT", nodes)
            .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", folder.join("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"))
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"));
        command
    }

    /// Its administrator runs `rabbitmqctl` with these arguments.
    pub fn is_told(&self, arguments: &[&str]) {
        let ran = self
            .script(CONTROL)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }

    /// Its administrator makes a durable queue with that argument.
    pub async fn has_queue(&self, name: &str, argument: &str, value: AMQPValue) {
        let (_connection, channel) = self.connects().await.unwrap();
        let mut arguments = FieldTable::default();
        arguments.insert(argument.into(), value);
        channel
            .queue_declare(name.into(), QueueDeclareOptions::durable(), arguments)
            .await
            .unwrap();
    }

    /// Ends in the middle of whatever it is doing.
    pub fn killed(&mut self) {
        let mut node = self.node.take().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
    }

    /// Its address, as `[amqp]` takes it.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.ports[0])
    }

    /// Its address with TLS.
    pub fn tls_url(&self) -> String {
        format!("amqps://guest:guest@localhost:{}/%2f", self.ports[3])
    }

    /// What vouches for it there, a PEM file.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Sends these, in order, until the broker has said of each that it has it. One that it was asked to take while it
    /// was killed is sent again, under the same name.
    pub async fn takes(&self, exchange: &str, messages: &[Sent]) {
        for group in messages.chunks(AT_ONCE) {
            let mut left: Vec<&Sent> = group.iter().collect();
            eventually("the broker has the messages", async || {
                left = self.tries(exchange, &left).await;
                left.is_empty().then_some(())
            })
            .await;
        }
    }

    /// Takes everything out of a queue.
    pub async fn empties(&self, queue: &str) -> Vec<Found> {
        let (_connection, channel) = self.connects().await.unwrap();
        let mut found = Vec::new();
        let get = async || {
            channel
                .basic_get(queue.into(), BasicGetOptions { no_ack: true })
                .await
                .unwrap()
        };
        while let Some(message) = get().await {
            let headers = message.properties.headers().as_ref();
            let reason = headers
                .and_then(|headers| headers.inner().get("x-stockd-reason"))
                .cloned();
            found.push(Found {
                id: message
                    .properties
                    .message_id()
                    .as_ref()
                    .map(ToString::to_string),
                reason: reason.and_then(|reason| reason.as_long_string().map(ToString::to_string)),
                body: String::from_utf8_lossy(&message.data).into_owned(),
            });
        }
        found
    }

    /// How many messages wait in a queue and were not given out.
    pub async fn waiting(&self, queue: &str) -> u32 {
        let (_connection, channel) = self.connects().await.unwrap();
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await
            .unwrap()
            .message_count()
    }

    async fn connects(&self) -> lapin::Result<(Connection, Channel)> {
        let connection = Connection::connect(&self.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }

    /// Sends these; those of which the broker did not say that it has them.
    async fn tries<'m>(&self, exchange: &str, messages: &[&'m Sent]) -> Vec<&'m Sent> {
        let Ok((_connection, channel)) = self.connects().await else {
            return messages.to_vec();
        };
        if channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .is_err()
        {
            return messages.to_vec();
        }
        let mut sent = Vec::with_capacity(messages.len());
        for message in messages {
            let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
            if let Some(id) = &message.id {
                properties = properties.with_message_id(ShortString::from(id.as_str()));
            }
            let (exchange, key) = (exchange.into(), message.routing_key.as_str().into());
            let options = BasicPublishOptions {
                mandatory: true,
                ..BasicPublishOptions::default()
            };
            let body = message.body.as_bytes();
            sent.push(
                channel
                    .basic_publish(exchange, key, options, body, properties)
                    .await,
            );
        }
        let mut left = Vec::new();
        for (message, sent) in messages.iter().zip(sent) {
            let confirmed = match sent {
                Ok(confirming) => matches!(confirming.await, Ok(lapin::Confirmation::Ack(None))),
                Err(_) => false,
            };
            left.extend((!confirmed).then_some(*message));
        }
        left
    }
}

/// Makes `certificate.pem` and `key.pem` in that folder, for localhost and good for two days.
pub(crate) fn certified(folder: &Path) {
    std::fs::write(folder.join("certificate.cnf"), CERTIFICATE).unwrap();
    let certified = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-config",
            "certificate.cnf",
        ])
        .args(["-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(certified.unwrap().success());
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        for child in self.node.iter_mut().chain([&mut self.mapper]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = File::open(self.folder.path().join("log")).and_then(std::io::read_to_string);
            let log = log.unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            crate::aside(&format!(
                "--- the broker's last words\n{}\n---",
                lines[lines.len().saturating_sub(20)..].join("\n")
            ));
        }
    }
}
