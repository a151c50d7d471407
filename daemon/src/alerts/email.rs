//! Mails: one to each recipient, so that a mailbox that is gone keeps nothing from the others.
//!
//! Each step has its own time, as RFC 5321 wants it: a server that scans a mail for long has taken it all the same.

use std::time::Duration;

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail as From, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::{Address, Message as Mail};
use tokio::time::timeout;

use super::message::{AlertMessage, Style};
use super::outlet::{SendRefusal, Sending};
use crate::config::{Security, Smtp};
use crate::limits::{
    ALERT_LINES_MAX, ALERT_TIMEOUT, SMTP_COMMAND_TIMEOUT, SMTP_DATA_TIMEOUT, SMTP_MAIL_TIMEOUT,
};

const LETTER: Style = Style {
    heading: ["", ""],
    bullet: "  ",
    lines_max: ALERT_LINES_MAX,
};

/// A mail server and whom it is to reach.
pub(super) struct MailRoute {
    server: Smtp,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    to: Vec<Address>,
}

impl MailRoute {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(
        server: Smtp,
        password: Option<String>,
        to: Vec<Address>,
    ) -> Result<Self, smtp::Error> {
        let secured = server.security != Security::None;
        let tls = secured
            .then(|| TlsParameters::new(server.host.clone()))
            .transpose()?;
        let credentials = server
            .user
            .clone()
            .zip(password)
            .map(|(user, password)| Credentials::new(user, password));
        Ok(Self {
            server,
            tls,
            credentials,
            to,
        })
    }

    pub(super) fn recipients(&self) -> usize {
        self.to.len()
    }

    /// Sends it to one of them.
    pub(super) async fn send(
        &self,
        message: &AlertMessage,
        recipient: usize,
        sending: &Sending<'_>,
    ) -> Result<(), SendRefusal> {
        let Some(to) = self.to.get(recipient) else {
            return Ok(());
        };
        let mail = self.mail(message, to, sending);
        let mail = mail.map_err(|problem| {
            SendRefusal::Never(format!("no mail can be made of it: {problem}"))
        })?;
        hand_over(&mail, self.connect().await?).await
    }

    fn mail(
        &self,
        message: &AlertMessage,
        to: &Address,
        sending: &Sending<'_>,
    ) -> Result<Mail, lettre::error::Error> {
        let from = &self.server.from;
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Mail::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(message.subject())
            .date(sending.at.into())
            .message_id(Some(format!("<{}@{}>", sending.id, from.email.domain())))
            // Nobody's holiday notice is to answer it (RFC 3834).
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .singlepart(
                SinglePart::builder()
                    .header(ContentType::TEXT_PLAIN)
                    .body(message.text(sending.zone, &LETTER)),
            )
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendRefusal> {
        let Smtp {
            host,
            security,
            from,
            ..
        } = &self.server;
        let us = ClientId::Domain(from.email.domain().to_owned());
        let wrapped = self.tls.clone().filter(|_| *security == Security::Tls);
        let server = (host.as_str(), self.server.port());
        let connecting =
            AsyncSmtpConnection::connect_tokio1(server, Some(ALERT_TIMEOUT), &us, wrapped, None);
        let mut connection = in_time(SMTP_COMMAND_TIMEOUT, connecting, unconnected).await?;
        if let Some(tls) = self.tls.clone().filter(|_| *security == Security::Starttls) {
            in_time(
                SMTP_COMMAND_TIMEOUT,
                connection.starttls(tls, &us),
                unconnected,
            )
            .await?;
        }
        if let Some(credentials) = &self.credentials {
            let log_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials);
            in_time(SMTP_COMMAND_TIMEOUT, log_in, unconnected).await?;
        }
        Ok(connection)
    }
}

/// Gives a mail to a server that has let us in.
async fn hand_over(mail: &Mail, mut connection: AsyncSmtpConnection) -> Result<(), SendRefusal> {
    let parameters = parameters(mail, &connection)?;
    let envelope = mail.envelope();
    let from = connection.command(From::new(envelope.from().cloned(), parameters));
    in_time(SMTP_COMMAND_TIMEOUT, from, untaken).await?;
    for to in envelope.to() {
        let to = connection.command(Rcpt::new(to.clone(), Vec::new()));
        in_time(SMTP_COMMAND_TIMEOUT, to, untaken).await?;
    }
    in_time(SMTP_DATA_TIMEOUT, connection.command(Data), untaken).await?;
    in_time(
        SMTP_MAIL_TIMEOUT,
        connection.message(&mail.formatted()),
        untaken,
    )
    .await?;
    // Whether the server says goodbye is nobody's concern, and nothing waits for it.
    Ok(())
}

/// Takes one step of the conversation, for which the server has that time.
async fn in_time<T>(
    limit: Duration,
    step: impl Future<Output = Result<T, smtp::Error>>,
    refusal: impl Fn(&smtp::Error) -> SendRefusal,
) -> Result<T, SendRefusal> {
    match timeout(limit, step).await {
        Ok(taken) => taken.map_err(|error| refusal(&error)),
        Err(_) => Err(SendRefusal::Later(
            "the mail server does not answer in time".to_owned(),
            None,
        )),
    }
}

/// What a server must be told of a mail that is not all ASCII.
fn parameters(
    mail: &Mail,
    server: &AsyncSmtpConnection,
) -> Result<Vec<MailParameter>, SendRefusal> {
    let can = |extension| server.server_info().supports_feature(extension);
    let mut parameters = Vec::new();
    let envelope = mail.envelope();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !can(Extension::SmtpUtfEight) {
            return Err(SendRefusal::Never(
                "the mail server takes no addresses beyond ASCII".to_owned(),
            ));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !mail.formatted().is_ascii() && can(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

/// What is wrong before the mail was shown is wrong with the server or with us, so it can be put right.
fn unconnected(error: &smtp::Error) -> SendRefusal {
    let reason = match error.status() {
        Some(code) => format!("the mail server lets us not in ({code}): check user and password"),
        None if error.is_tls() => {
            "TLS with the mail server fails: check its certificate and alerts.smtp.host".to_owned()
        }
        None if error.is_client() => {
            "the mail server has no STARTTLS, or no way to log in that we know: check alerts.smtp.security"
                .to_owned()
        }
        None => "the mail server cannot be reached".to_owned(),
    };
    SendRefusal::Later(reason, None)
}

/// What a server says of the mail itself. Its words may name mailboxes, so only the code is told.
fn untaken(error: &smtp::Error) -> SendRefusal {
    match error.status() {
        Some(code) if error.is_permanent() => {
            SendRefusal::Never(format!("the mail server answered {code}"))
        }
        Some(code) => SendRefusal::Later(format!("the mail server answered {code}"), None),
        None => SendRefusal::Later("the connection to the mail server broke".to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use lettre::transport::smtp::client::AsyncTokioStream;
    use tokio::io::{
        AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream,
        ReadBuf, duplex,
    };
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;

    /// A connection within this process: where time is paused, a socket of the kernel would look like idleness.
    #[derive(Debug)]
    struct Wire(DuplexStream);

    impl AsyncRead for Wire {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Wire {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }

    impl AsyncTokioStream for Wire {
        fn peer_addr(&self) -> io::Result<SocketAddr> {
            Ok(SocketAddr::from(([127, 0, 0, 1], 25)))
        }
    }

    /// A mail server that takes so long to answer one of the commands (`.` is the end of the mail).
    async fn serve(wire: DuplexStream, slow: &'static str, pause: Duration) {
        let mut wire = BufReader::new(wire);
        wire.write_all(b"220 mail.example\r\n").await.unwrap();
        let (mut line, mut in_mail) = (String::new(), false);
        while wire.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            let said = std::mem::take(&mut line);
            if in_mail && said != ".\r\n" {
                continue;
            }
            if said.starts_with(slow) {
                sleep(pause).await;
            }
            in_mail = said.starts_with("DATA");
            let answer: &[u8] = if in_mail {
                b"354 go on\r\n"
            } else {
                b"250 yes\r\n"
            };
            if wire.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_server_may_take_as_long_over_each_step_as_rfc_5321_allows_and_no_longer() {
        // RFC 5321, 4.5.3.2: five minutes for a command, two for DATA, ten for the end of the mail.
        for (slow, seconds, is_taken) in [
            (".", 40, true),
            (".", 10 * 60, true),
            (".", 24 * 3_600, false),
            ("MAIL", 299, true),
            ("MAIL", 301, false),
            ("RCPT", 299, true),
            ("DATA", 119, true),
            ("DATA", 121, false),
        ] {
            let (ours, theirs) = duplex(4_096);
            let mut server = JoinSet::new();
            server.spawn(serve(theirs, slow, Duration::from_secs(seconds)));
            let us = ClientId::Domain("shop.example".to_owned());
            let connection = AsyncSmtpConnection::connect_with_transport(Box::new(Wire(ours)), &us)
                .await
                .unwrap();
            let mail = Mail::builder()
                .from("stock@shop.example".parse().unwrap())
                .to("buyers@shop.example".parse().unwrap())
                .body("Sold out".to_owned())
                .unwrap();
            assert_eq!(
                hand_over(&mail, connection).await.is_ok(),
                is_taken,
                "{slow} after {seconds} s"
            );
        }
    }
}
