//! Every bound of the realtime side in one place: its unit, why it is there, and what happens at it.

use std::time::Duration;

/// Bytes of one client message, all its fragments together, of one POST, and of a packet's attachments together;
/// the `maxPayload` announced to clients. More closes a WebSocket with 1009 as soon as it is declared, before it is
/// read; a POST is answered 413. The answer to a GET has no more either, unless one packet alone has.
pub const MESSAGE_BYTES_MAX: usize = 1_000_000;

/// Connections in all. The next upgrade is refused with 503, so that clients come back later.
pub const CONNECTIONS_MAX: usize = 10_000;

/// Connections of one address, of one /64 for IPv6. The next is refused with 503, too. The address is the last hop
/// that is no trusted proxy.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 256;

/// Socket.IO packets a connection may send in a minute, and how many of them at once. Further events are
/// dropped and answered `RATE_LIMITED`; a further CONNECT closes the transport.
pub const MESSAGES_PER_MINUTE_MAX: u32 = 600;

/// Joins with `since` kept of one session. A client that comes back and was not sent all of an earlier one is told to
/// load again.
pub const BACKFILLS_KEPT_MAX: usize = 16;

/// Joins and leaves in a minute, and how many of them at once, that are written down so that a session is recovered with
/// its rooms. One more is answered `LIMIT_REACHED` and does nothing; the rooms that are held stay recoverable. A page
/// that lists a hundred orders may follow each of them.
pub const DURABLE_JOINS_PER_MINUTE_MAX: u32 = 120;

/// Bytes of what is written down of one session: its rooms and the joins with `since`, of which the oldest go first. A
/// join for which there is no room is answered `LIMIT_REACHED`. A thousand rooms by their numbers fit.
pub const SESSION_BYTES_MAX: usize = 64 * 1024;

/// Days for which the rooms of a session are kept after the last join or leave. A client that comes back later is
/// told to load again. The daemon keeps them for as long as its log, and a day.
pub const SESSION_DAYS: u16 = 8;

/// Time that a socket has to end when its client has come back on another connection. Then nobody waits any longer.
pub const TAKEOVER_MAX: Duration = Duration::from_secs(5);

/// Time from one Engine.IO pong to the next ping.
pub const PING_INTERVAL: Duration = Duration::from_secs(25);

/// Time a client has for its pong. A later one finds the transport gone.
pub const PING_TIMEOUT: Duration = Duration::from_mins(1);

/// Time from a pong to the next ping where a WebSocket carries no Engine.IO.
pub const PLAIN_PING_INTERVAL: Duration = Duration::from_secs(30);

/// Time a client there has for its pong. A later one finds the connection gone.
pub const PLAIN_PONG_TIMEOUT: Duration = Duration::from_secs(5);

/// Messages a client there may send in a minute, and how many of them at once. Further ones are dropped and answered
/// `RATE_LIMITED`.
pub const PLAIN_MESSAGES_PER_MINUTE_MAX: u32 = 100;

/// Time for which events may be put together at a client's wish. More is refused.
pub const BATCH_MAX: Duration = Duration::from_secs(10);

/// Events put together. With one more they are sent before their time.
pub const BATCH_EVENTS_MAX: usize = 256;

/// Time a WebSocket that probes a session may take to take it over. Then it is closed; the session goes on polling.
pub const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time a long poll waits for something to say. Then it is answered with a noop, before anything between client
/// and server loses patience with it.
pub const POLL_MAX: Duration = Duration::from_secs(25);

/// Time a long poll waits while a WebSocket probes its session. Then it is answered with a noop: the client changes
/// over only once no poll is open, and would otherwise ask and be answered in a circle.
pub const NOOP_PAUSE: Duration = Duration::from_millis(100);

/// Requests handed to one polling session and not yet looked at. Further ones wait.
pub const POLL_REQUESTS_MAX: usize = 4;

/// Time a transport may be open without being in a namespace. Then it is closed.
pub const NO_NAMESPACE_MAX: Duration = Duration::from_secs(45);

/// Time a write may go without moving a byte. Then the transport is dropped; the client comes back and goes on
/// from its offset.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// Time for the goodbye: the close frame, and reading away what the client still sends, so that it arrives.
pub const CLOSE_LINGER: Duration = Duration::from_secs(1);

/// Time one question to the `EventSource` may take. A request is answered `UNAVAILABLE`; a reader that was catching
/// up is closed and comes back.
pub const SOURCE_DEADLINE: Duration = Duration::from_secs(10);

/// Time between two attempts to verify a token whose keys are being fetched.
pub const KEYS_PAUSE: Duration = Duration::from_millis(500);

/// Time one command may take. Then it is answered `UNAVAILABLE`, and may have been carried out all the same.
pub const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// Bytes of frames held for one connection while it writes. Above it nothing is added and nothing is read; one
/// answer or one page of the log may cross it.
pub const OUT_BYTES_MAX: usize = 64 * 1024;

/// Bytes that the kernel holds of what was not yet sent to one client. Above it a write waits. Without it the kernel
/// takes megabytes for whoever never reads, and a thousand of those put all connections of a machine under pressure.
pub const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Sockets, times the events for them, that the publisher writes to from its own thread, one after the other: a few
/// milliseconds. The others are left to their tasks.
pub const SERVED_AT_ONCE_MAX: usize = 1024;

/// Bytes given to one write: some tens of microseconds of copying. A snapshot has megabytes, and sixty of them written
/// whole kept everybody else waiting for a tenth of a second.
pub const WRITE_BYTES_MAX: usize = 128 * 1024;

/// Frames given to one vectored write. More are written by the next one.
pub const FRAMES_PER_WRITE_MAX: usize = 64;

/// Bytes taken by one read. The buffer is on the stack of the task.
pub const READ_BYTES_MAX: usize = 4096;

/// Requests of one socket that wait for the one under way. Above it the connection is not read from.
pub const REQUESTS_WAITING_MAX: usize = 16;

/// Ephemeral events that wait for one socket. The oldest makes room.
pub const EPHEMERAL_WAITING_MAX: usize = 32;

/// Log entries kept in memory for readers that are a little behind; the others ask the `EventSource`.
pub const RING_ENTRIES_MAX: usize = 16_384;

/// Bytes of the entries in the ring, their frames included. The oldest entries make room.
pub const RING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Entries of the ring that one socket looks at while it holds the lock. Publishing waits for the lock.
pub const RING_ENTRIES_PER_LOOK: usize = 1024;

/// Log entries asked of the `EventSource` at once, per shop.
pub const REPLAY_PAGE_ENTRIES: usize = 64;

/// Levels in one snapshot. More are answered `TOO_LARGE`.
pub const SNAPSHOT_LEVELS_MAX: usize = 20_000;

/// Sockets of one user, all tabs and devices together. One more has its transport closed, so that clients come back
/// later; a socket that was recovered counts once.
pub const SOCKETS_PER_USER_MAX: usize = 100;

/// Rooms one socket may be in. A join that would exceed it is answered `TOO_LARGE` and joins nothing.
pub const ROOMS_PER_SOCKET_MAX: usize = 1024;

/// Ids in one list of a request. More are answered `TOO_LARGE`.
pub const IDS_PER_LIST_MAX: usize = 500;

/// Acknowledgements that a client may owe. No further ones are asked for.
pub const ACKS_WAITING_MAX: usize = 64;

/// Binary attachments of one packet, as socket.io-parser has it. More are malformed.
pub const ATTACHMENTS_MAX: u8 = 10;

/// Bytes of a namespace's name. A longer one is malformed.
pub const NAMESPACE_BYTES_MAX: usize = 128;

/// Origins of foreign pages that are logged, each once. Further ones are only counted.
pub const REFUSED_ORIGINS_LOGGED_MAX: usize = 64;

/// Characters of an origin that are logged. The rest is cut.
pub const REFUSED_ORIGIN_CHARS_MAX: usize = 200;

/// Time between two warnings about the same limit or fault. What happens in between is counted and told by the next one.
pub const WARNING_PAUSE: Duration = Duration::from_mins(1);
