//! Every bound of the daemon in one place: its unit, its reason, and what happens when it is reached.

use std::time::Duration;

use store::SessionQuota;

/// Bytes of a webhook's body, counted while it streams in; more is answered 413. Shopify's largest bodies, a
/// product with 100 variants or an order with hundreds of lines, stay below one MiB.
pub const WEBHOOK_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Bytes of a command's body, counted likewise; more is answered 413. A reserve of 100 lines has a fifth of it.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;
/// Bytes of all bodies that are being read at a time, of every route: none of them is verified before it is whole. Beyond
/// it the largest body of the address that holds most is answered 503 and forgotten, so that small ones always fit.
pub const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Time for a webhook's body to arrive; then 408. Shopify itself gives up after 5 s.
pub const WEBHOOK_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at a time that carry HTTP, on all listeners together; further ones are answered 503 and closed, but for
/// [`CONNECTIONS_KEPT`]. WebSockets are counted by themselves.
pub const CONNECTIONS_MAX: usize = 12_000;
/// Connections beyond these, on which only webhooks and those who ask how we are get served. Beyond them whoever has sent
/// no request for longest makes room.
pub const CONNECTIONS_KEPT: usize = 256;
/// How many of these one address may have, beyond those it may have anyway.
pub const CONNECTIONS_KEPT_PER_ADDRESS: usize = 32;
/// Time to send a whole header on such a connection; then it is closed. Shopify sends it at once.
pub const KEPT_HEADER_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections that one address may have beyond two for each of its sockets, which is what those that poll need. A proxy
/// of ours may have any number, and each of its clients so many requests at a time.
pub const CONNECTIONS_PER_ADDRESS_SPARE: usize = 64;
/// Bytes of a request's header, and what is read ahead of its body; more is answered 431.
pub const HEADER_BYTES_MAX: usize = 32 * 1024;
/// Time to send a request's whole header; then the connection is closed. Also ends idle connections.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Time to answer a request, its body's arrival included; then 408.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a client to take an answer that it is slow to read; then the connection is closed. One that reads nothing at
/// all is closed after [`ws::limits::WRITE_STALL_MAX`].
pub const ANSWER_TIMEOUT: Duration = Duration::from_mins(2);
/// Time for which what a client still sends is read away when its connection ends, so that it gets its answer.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes that are read away then; beyond them the connection is reset. The rest of a body that is refused is less.
pub const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Time for open requests and sockets to end after SIGTERM; then they are cut. With [`WRITER_TIMEOUT`] it makes the ten
/// seconds that are promised.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(8);
/// Time for the store's writer to end after that; what it had acknowledged is on disk whether it ends or not.
pub const WRITER_TIMEOUT: Duration = Duration::from_secs(2);
/// Shops that are not configured and whose webhooks are logged, once each; those of further ones are refused in silence.
pub const STRANGERS_LOGGED_MAX: usize = 64;
/// Deliveries that are applied as they arrive, at a time; further ones go to the inbox, which is quicker, until there are fewer.
pub const DELIVERIES_APPLIED_MAX: usize = 2_048;
/// Deliveries read and applied in one go: many of the writer's transactions, so that it seldom waits for the next ones.
pub const INTAKE_GROUP: usize = 1_000;
/// Times that a delivery may fail to be applied, while others succeed, before it is set aside as unreadable.
pub const APPLY_TRIES_MAX: u32 = 5;
/// Pause after the store failed.
pub const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How often problems are looked at that were quiet for a while and still stand.
pub const PROBLEMS_CHECK_PAUSE: Duration = Duration::from_mins(1);
/// Longest pause before a store that gave no answer is asked again which one it is; the first is [`SHOPIFY_PAUSE`].
pub const IDENTITY_PAUSE_MAX: Duration = Duration::from_mins(5);
/// Records read again in one go.
pub const REFRESH_GROUP: usize = 50;
/// How long a record that is due to be read again may wait unnoticed.
pub const REFRESH_PAUSE: Duration = Duration::from_millis(500);
/// Pause after Shopify failed, before its next record or page is asked for.
pub const SHOPIFY_PAUSE: Duration = Duration::from_secs(5);
/// Times that a run's page may fail before the run does.
pub const PAGE_TRIES_MAX: u32 = 12;
/// Time for Shopify to confirm what a webhook says of the app; then it is asked again after [`CONFIRM_PAUSE`].
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// Least time between two such questions of a shop: its webhooks can be replayed as often as somebody likes. What asks for
/// one in between waits, and one answer serves them all.
pub const CONFIRM_PAUSE: Duration = Duration::from_mins(1);
/// Least time between two warnings that webhooks carry times to come; those in between are counted.
pub const AHEAD_LOG_PAUSE: Duration = Duration::from_mins(1);
/// How often webhook subscriptions and scopes are looked at; after a failure first [`SHOPIFY_PAUSE`], then doubling.
pub const SUBSCRIPTIONS_PAUSE: Duration = Duration::from_hours(1);
/// Times that a full run's bulk operation may come to nothing before the run does.
pub const BULK_TRIES_MAX: u32 = 4;
/// Pause before a bulk operation is asked for again; doubles up to [`BULK_PAUSE_MAX`].
pub const BULK_PAUSE_MIN: Duration = Duration::from_millis(500);
/// See [`BULK_PAUSE_MIN`]. Shopify's advice is a minute for large ones, and it tells when one has ended.
pub const BULK_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Days for which an app sees orders that may not read all, less one for what happens meanwhile.
pub const ORDERS_VISIBLE_DAYS: i64 = 59;
/// Records asked after in one go.
pub const BULK_ROWS: usize = 500;
/// Missing records that a full run asks after, whatever their share.
pub const MISSING_ALWAYS: usize = 20;
/// Requests of people that may wait for a resource's runs; the next one waits for a place.
pub const RUN_REQUESTS_MAX: usize = 16;
/// How often the clock is looked at while a run is not due yet: it may have been set.
pub const SCHEDULE_CHECK_PAUSE: Duration = Duration::from_secs(30);
/// Seconds by which windows of quick runs overlap: Shopify's search index lags behind its records.
pub const WINDOW_OVERLAP_SECONDS: i64 = 120;
/// Least time between two reports of a run's progress: four a second.
pub const PROGRESS_PAUSE: Duration = Duration::from_millis(250);
/// Messages that the broker gives out before the first of them is acknowledged; how large each may be, it decides. So many
/// unreadable ones may wait for a broker that takes none; then the others wait, too.
pub const AMQP_PREFETCH: u16 = 500;
/// Messages put into the log in one go.
pub const AMQP_GROUP: usize = 250;
/// Time for the broker to answer, be it to a connection with everything declared on it.
pub const AMQP_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause before the broker is connected to again; doubles up to [`AMQP_PAUSE_MAX`].
pub const AMQP_PAUSE_MIN: Duration = Duration::from_millis(500);
/// See [`AMQP_PAUSE_MIN`].
pub const AMQP_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Sessions of realtime clients that are kept: of one user, whose tabs and devices of a week they are, and of all. The
/// oldest make room; whoever comes back with one of these is told to load again.
pub const SESSION_QUOTA: SessionQuota = SessionQuota {
    owner_records: 1_000,
    owner_bytes: 4 * 1024 * 1024,
    records: 200_000,
    bytes: 256 * 1024 * 1024,
};
/// Snapshots that are made or on their way to readers at the same time. One of all levels that may be asked for has about
/// seven megabytes; who asks while so many are held by slow readers is told to try again.
pub const SNAPSHOTS_MAX: usize = 12;
/// Time for which figures that anybody may ask for are told again before they are made anew.
pub const FIGURES_TIME: Duration = Duration::from_secs(1);
/// Rooms, or ids, in one list of a request. More are refused: each is looked up by itself.
pub const LIST_ITEMS_MAX: usize = 100;
/// Log entries handed to the realtime side in one go.
pub const TAIL_GROUP: usize = 1_000;
/// Records in one REST answer, and how many when nothing is said.
pub const PAGE_RECORDS_MAX: usize = 1_000;
/// See [`PAGE_RECORDS_MAX`].
pub const PAGE_RECORDS_DEFAULT: usize = 100;
/// Users, and rooms, listed of those who are connected; the counts are of all.
pub const PRESENCE_LISTED_MAX: usize = 1_000;
/// How long a task may work without a sign of life before it counts as hanging: then `/readyz` answers 503 and systemd's
/// watchdog is told nothing more. Shopify's slowest answers, with their retries, are well below it.
pub const TASK_WORK_MAX: Duration = Duration::from_mins(5);
/// The same for one step of a run, such as a page that Shopify answers at the twelfth try ([`PAGE_TRIES_MAX`]).
pub const RUN_STEP_MAX: Duration = Duration::from_mins(30);
/// The same for one alert, above all that a mail server may take ([`SMTP_MAIL_TIMEOUT`]).
pub const ALERT_WORK_MAX: Duration = Duration::from_mins(30);
/// How often what is too old is forgotten.
pub const PRUNE_PAUSE: Duration = Duration::from_hours(1);
/// Hours for which a body that could not be read is kept.
pub const UNREADABLE_HOURS: i64 = 72;
/// Days for which runs are kept.
pub const RUNS_DAYS: i64 = 365;
/// Outbox messages on their way to Shopify at a time, per shop: twice what its limits let through in a second.
pub const OUTBOX_IN_FLIGHT_MAX: usize = 8;
/// How often reservations are looked through for those that have run out, when no command is given.
pub const OUTBOX_PAUSE: Duration = Duration::from_secs(1);
/// How long commands are gathered before they are looked at: under load, the least time between two looks.
pub const OUTBOX_GATHER: Duration = Duration::from_millis(50);
/// Pause before the same outbox message is sent again; doubles up to [`RESEND_PAUSE_MAX`].
pub const RESEND_PAUSE_MIN: Duration = Duration::from_millis(500);
/// See [`RESEND_PAUSE_MIN`].
pub const RESEND_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Hours for which Shopify knows a key again is 24; a message older than this is sent no more.
pub const RESEND_HOURS_MAX: i64 = 23;
/// How long the answer to a command in a strict shop waits for Shopify's; then it says how far the command is.
pub const STRICT_WAIT_MAX: Duration = Duration::from_secs(25);
/// Least time between two looks at how far it is.
pub const STRICT_CHECK_PAUSE: Duration = Duration::from_millis(25);
/// Reservations released at a time when all of them are.
pub const RELEASES_AT_A_TIME: usize = 64;
/// Lines written out in a mail for each kind of alert and shop; the rest is counted.
pub const ALERT_LINES_MAX: usize = 50;
/// Characters of such a line; the rest is cut.
pub const ALERT_LINE_CHARS_MAX: usize = 300;
/// Events in one alert to a program; the rest goes into the next one.
pub const ALERT_EVENTS_MAX: usize = 100;
/// Time for an alert to be taken by a chat or a program, and to reach a mail server; then it is sent again.
pub const ALERT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a mail server to answer a command. This and the next two are what RFC 5321 (4.5.3.2) asks a client to wait: who
/// gives up earlier sends a mail twice that was taken.
pub const SMTP_COMMAND_TIMEOUT: Duration = Duration::from_mins(5);
/// Time for it to ask for the mail after DATA.
pub const SMTP_DATA_TIMEOUT: Duration = Duration::from_mins(2);
/// Time for it to take the mail: 3 minutes for its text, which is one block, and 10 for the answer to the final dot.
pub const SMTP_MAIL_TIMEOUT: Duration = Duration::from_mins(13);
/// Pause before an alert is sent again; doubles up to [`ALERT_PAUSE_MAX`], for as long as it takes.
pub const ALERT_PAUSE_MIN: Duration = Duration::from_secs(1);
/// See [`ALERT_PAUSE_MIN`].
pub const ALERT_PAUSE_MAX: Duration = Duration::from_mins(5);
/// Longest time for which a receiver of alerts may ask us to stay away.
pub const ALERT_RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// How long alerts are gathered before they are looked at: the least time between two messages of a channel.
pub const ALERTS_GATHER: Duration = Duration::from_secs(1);
/// How often quiet hours are looked at again while they last: clocks are changed twice a year.
pub const ALERTS_QUIET_CHECK: Duration = Duration::from_mins(10);
/// How often a channel's place is written down while nothing concerns it.
pub const ALERTS_KEEP_PAUSE: Duration = Duration::from_mins(1);
