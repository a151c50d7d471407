//! A mail server: takes mails, with TLS or without, or is away, busy, or silent at the worst moment.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::broker::certified;
use crate::free_address;

/// A server at an address that stays the same while it comes and goes.
pub struct MailServer {
    address: String,
    desk: Arc<Mutex<MailDesk>>,
    serving: JoinSet<()>,
    security: &'static str,
    tls: Option<(TempDir, TlsAcceptor)>,
}

/// A mail that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Address of the recipient.
    pub to: String,
    /// Headers and text of the mail.
    pub text: String,
}

/// How the server answers mails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mood {
    /// Takes them, but none to `gone@…`.
    #[default]
    Kind,
    /// Has no time now: 451.
    Busy,
    /// Takes them and never says so.
    Silent,
}

#[derive(Default)]
struct MailDesk {
    mood: Mood,
    mails: Vec<Mail>,
    refused: usize,
}

impl Mail {
    /// The value of a header.
    pub fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(&start))
            .unwrap()
    }
}

impl MailServer {
    /// A server that refuses connections.
    pub fn away() -> Self {
        let (address, desk, serving) = (free_address(), Arc::default(), JoinSet::new());
        Self {
            address,
            desk,
            serving,
            security: "none",
            tls: None,
        }
    }

    /// One that takes mails over TLS only, secured as `security` of `[alerts.smtp]` says.
    pub async fn secured(security: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certified(folder.path());
        let certificate =
            CertificateDer::from_pem_file(folder.path().join("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key);
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let mut server = Self {
            security,
            tls: Some((folder, acceptor)),
            ..Self::away()
        };
        server.comes_back().await;
        server
    }

    /// What vouches for it, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.tls.as_ref().unwrap().0.path().join("certificate.pem")
    }

    /// One that takes mails.
    pub async fn opens() -> Self {
        let mut server = Self::away();
        server.comes_back().await;
        server
    }

    /// Takes mails from now on.
    pub async fn comes_back(&mut self) {
        let (listener, desk) = (
            TcpListener::bind(&self.address).await.unwrap(),
            Arc::clone(&self.desk),
        );
        let (security, tls) = (
            self.security,
            self.tls.as_ref().map(|(_, acceptor)| acceptor.clone()),
        );
        self.serving.spawn(async move {
            let mut talking = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                talking.spawn(meet(stream, security, tls.clone(), Arc::clone(&desk)));
            }
        });
    }

    /// Meets mails like this from now on.
    pub fn is(&self, mood: Mood) {
        self.desk.lock().unwrap().mood = mood;
    }

    /// The mails that it accepted.
    pub fn mails(&self) -> Vec<Mail> {
        self.desk.lock().unwrap().mails.clone()
    }

    /// How many it had no time for.
    pub fn refused(&self) -> usize {
        self.desk.lock().unwrap().refused
    }

    /// The lines of `[alerts.smtp]` for it.
    pub fn settings(&self) -> String {
        let (address, port) = self.address.split_once(':').unwrap();
        let host = if self.tls.is_some() {
            "localhost"
        } else {
            address
        };
        let from = "stockd <stock@shop.example>";
        format!(
            "[alerts.smtp]\nhost = \"{host}\"\nport = {port}\nsecurity = \"{}\"\nfrom = \"{from}\"\n",
            self.security
        )
    }
}

async fn meet(
    stream: TcpStream,
    security: &str,
    tls: Option<TlsAcceptor>,
    desk: Arc<Mutex<MailDesk>>,
) -> Option<()> {
    const GREETING: &[u8] = b"220 mail.example\r\n";
    let mut stream = BufReader::new(stream);
    let Some(tls) = tls else {
        stream.write_all(GREETING).await.ok()?;
        return talk(stream, desk).await;
    };
    if security == "starttls" {
        stream.write_all(GREETING).await.ok()?;
        while !line(&mut stream).await?.eq_ignore_ascii_case("STARTTLS") {
            stream
                .write_all(b"250-mail.example\r\n250 STARTTLS\r\n")
                .await
                .ok()?;
        }
        stream.write_all(b"220 go on\r\n").await.ok()?;
    }
    let mut stream = BufReader::new(tls.accept(stream.into_inner()).await.ok()?);
    if security == "tls" {
        stream.write_all(GREETING).await.ok()?;
    }
    talk(stream, desk).await
}

async fn talk<S>(mut stream: BufReader<S>, desk: Arc<Mutex<MailDesk>>) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut to = String::new();
    loop {
        let line = line(&mut stream).await?;
        let mood = desk.lock().unwrap().mood;
        let answer = match line.get(..4)?.to_ascii_uppercase().as_str() {
            "EHLO" => "250-mail.example\r\n250 8BITMIME",
            "RCPT" if line.contains("gone@") => "550 nobody of that name",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1)?.to_owned();
                "250 yes"
            }
            "DATA" if mood == Mood::Busy => {
                desk.lock().unwrap().refused += 1;
                "451 later"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut text = String::new();
                loop {
                    let line = self::line(&mut stream).await?;
                    if line == "." {
                        break;
                    }
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push('\n');
                }
                desk.lock().unwrap().mails.push(Mail {
                    to: std::mem::take(&mut to),
                    text,
                });
                if mood == Mood::Silent {
                    std::future::pending::<()>().await;
                }
                "250 taken"
            }
            _ => "250 yes",
        };
        stream
            .write_all(format!("{answer}\r\n").as_bytes())
            .await
            .ok()?;
    }
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
