//! Mails: one to each recipient, so that a mailbox that is gone keeps nothing from the others.

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message as Mail};

use super::message::{Message, Style};
use super::outlet::{Refusal, Sending};
use crate::config::{Security, Smtp};
use crate::limits::{ALERT_LINES_MAX, ALERT_TIMEOUT};

const LETTER: Style = Style { heading: ["", ""], bullet: "  ", lines_max: ALERT_LINES_MAX };

/// A mail server and whom it is to reach.
pub(super) struct Post {
    server: Smtp,
    tls: Option<TlsParameters>,
    credentials: Option<Credentials>,
    to: Vec<Address>,
}

impl Post {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(super) fn new(server: Smtp, password: Option<String>, to: Vec<Address>) -> Result<Self, smtp::Error> {
        let secured = server.security != Security::None;
        let tls = secured.then(|| TlsParameters::new(server.host.clone())).transpose()?;
        let credentials =
            server.user.clone().zip(password).map(|(user, password)| Credentials::new(user, password));
        Ok(Self { server, tls, credentials, to })
    }

    pub(super) fn recipients(&self) -> usize {
        self.to.len()
    }

    /// Sends it to one of them.
    pub(super) async fn send(
        &self,
        message: &Message,
        recipient: usize,
        sending: &Sending<'_>,
    ) -> Result<(), Refusal> {
        let Some(to) = self.to.get(recipient) else { return Ok(()) };
        let mail = self.mail(message, to, sending);
        let mail = mail.map_err(|problem| Refusal::Never(format!("no mail can be made of it: {problem}")))?;
        let mut connection = self.connect().await.map_err(|error| unconnected(&error))?;
        let sent = connection.send(mail.envelope(), &mail.formatted()).await;
        // Whether the server says goodbye is nobody's concern, and nothing waits for it.
        drop(connection);
        sent.map(drop).map_err(|error| untaken(&error))
    }

    fn mail(
        &self,
        message: &Message,
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

    async fn connect(&self) -> Result<AsyncSmtpConnection, smtp::Error> {
        let Smtp { host, security, from, .. } = &self.server;
        let us = ClientId::Domain(from.email.domain().to_owned());
        let wrapped = self.tls.clone().filter(|_| *security == Security::Tls);
        let server = (host.as_str(), self.server.port());
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(ALERT_TIMEOUT), &us, wrapped, None).await?;
        if let Some(tls) = self.tls.clone().filter(|_| *security == Security::Starttls) {
            connection.starttls(tls, &us).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }
}

/// What is wrong before the mail was shown is wrong with the server or with us, so it can be put right.
fn unconnected(error: &smtp::Error) -> Refusal {
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
    Refusal::Later(reason, None)
}

/// What a server says of the mail itself. Its words may name mailboxes, so only the code is told.
fn untaken(error: &smtp::Error) -> Refusal {
    match error.status() {
        Some(code) if error.is_permanent() => Refusal::Never(format!("the mail server answered {code}")),
        Some(code) => Refusal::Later(format!("the mail server answered {code}"), None),
        None if error.is_client() => {
            Refusal::Never("the mail server takes no addresses beyond ASCII".to_owned())
        }
        None => Refusal::Later("the connection to the mail server broke".to_owned(), None),
    }
}
