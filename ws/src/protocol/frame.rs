//! WebSocket frames (RFC 6455) as a server needs them: masked frames in, unmasked frames out. Bytes
//! in, messages out, no I/O.
//!
//! Extensions are never negotiated, so every reserved bit is a violation.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A message of a client, assembled from its fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    /// A whole binary message.
    Binary(Bytes),
    /// The client closes, with its status code if it gave one.
    Close(Option<u16>),
    /// A ping, to be answered with a pong of the same payload.
    Ping(Bytes),
    /// An answer to a ping, or an unasked one.
    Pong,
    /// A whole text message, which is valid UTF-8.
    Text(String),
}

/// How a client broke the protocol. Nothing after it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameViolation {
    /// A close frame with one byte of payload, or with a code that must not be sent.
    #[error("a close frame has an invalid status code")]
    CloseCode,
    /// A continuation without a message, or a new message inside another.
    #[error("a fragment is out of turn")]
    Continuation,
    /// A control frame that is fragmented or longer than 125 bytes.
    #[error("a control frame is fragmented or too long")]
    Control,
    /// A length not written in the shortest form.
    #[error("a length is not in its shortest form")]
    Length,
    /// An opcode that RFC 6455 does not define.
    #[error("an opcode is reserved")]
    Opcode,
    /// A reserved bit without an extension.
    #[error("a reserved bit is set")]
    Reserved,
    /// More bytes than one message may have.
    #[error("a message is too big")]
    TooBig,
    /// Client frames must be masked.
    #[error("a client frame is not masked")]
    Unmasked,
    /// Text or a close reason that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
}

impl FrameViolation {
    /// The status code to close the connection with.
    pub fn close_code(self) -> u16 {
        match self {
            Self::TooBig => CLOSE_TOO_BIG,
            Self::Utf8 => CLOSE_NOT_UTF8,
            _ => CLOSE_PROTOCOL,
        }
    }
}

/// The server goes away; the client may come back.
pub const CLOSE_GOING_AWAY: u16 = 1001;
/// The frames break RFC 6455.
pub const CLOSE_PROTOCOL: u16 = 1002;
/// A text that is not UTF-8.
pub const CLOSE_NOT_UTF8: u16 = 1007;
/// The frames are valid, but what they carry breaks a rule of this server.
pub const CLOSE_POLICY: u16 = 1008;
/// More bytes than one message may have.
pub const CLOSE_TOO_BIG: u16 = 1009;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

const CONTROL_BYTES_MAX: usize = 125;

/// Takes the bytes of a client in pieces of any size, and returns the messages in them.
///
/// It holds at most one message of bounded size. Memory grows with the bytes that arrive, not with
/// the length that a header promises, and none is held between messages.
#[derive(Debug)]
pub struct FrameDecoder {
    message_bytes_max: usize,
    header: [u8; 14],
    header_len: usize,
    frame: Option<FrameHeader>,
    /// The opcode of the message whose fragments are being read; `None` between messages.
    kind: Option<u8>,
    message: Vec<u8>,
    control: Vec<u8>,
}

/// A frame whose payload is being read.
#[derive(Debug, Clone, Copy)]
struct FrameHeader {
    fin: bool,
    opcode: u8,
    left: usize,
    /// The mask, rotated so that its first byte is the next to use.
    mask: [u8; 4],
}

impl FrameHeader {
    fn is_control(self) -> bool {
        self.opcode & 0x8 != 0
    }
}

impl FrameDecoder {
    /// A decoder of messages with at most that many bytes.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            header: [0; 14],
            header_len: 0,
            frame: None,
            kind: None,
            message: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Takes bytes off the front of `input` until a message is complete; `None` when more input is needed.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<ClientMessage>, FrameViolation> {
        loop {
            let Some(mut frame) = self.frame else {
                let Some(frame) = self.read_header(input)? else {
                    return Ok(None);
                };
                self.frame = Some(frame);
                continue;
            };
            let (payload, rest) = input.split_at(frame.left.min(input.len()));
            *input = rest;
            // A control frame may stand between the fragments of a message, so it has a buffer of its own.
            let into = if frame.is_control() {
                &mut self.control
            } else {
                &mut self.message
            };
            into.extend(
                payload
                    .iter()
                    .zip(frame.mask.iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
            // Keeps the mask in step with the payload, wherever the input was cut.
            frame.mask.rotate_left(payload.len() % 4);
            frame.left -= payload.len();
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            self.frame = None;
            if let Some(message) = self.finish(frame)? {
                return Ok(Some(message));
            }
        }
    }

    fn read_header(&mut self, input: &mut &[u8]) -> Result<Option<FrameHeader>, FrameViolation> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            self.header[self.header_len] = *byte;
            self.header_len += 1;
            if self.header_len == 2 {
                self.check_start()?;
            }
            let extended = match self.header[1] & 0x7F {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            if self.header_len >= 2 && self.header_len == 2 + extended + 4 {
                self.header_len = 0;
                return self.check_header(extended).map(Some);
            }
        }
        Ok(None)
    }

    /// Checks the first two bytes of a header, before the rest arrives.
    fn check_start(&self) -> Result<(), FrameViolation> {
        let [first, second, ..] = self.header;
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
        if first & 0x70 != 0 {
            return Err(FrameViolation::Reserved);
        }
        match opcode {
            CONTINUATION if self.kind.is_none() => return Err(FrameViolation::Continuation),
            TEXT | BINARY if self.kind.is_some() => return Err(FrameViolation::Continuation),
            CLOSE | PING | PONG if !fin || usize::from(second & 0x7F) > CONTROL_BYTES_MAX => {
                return Err(FrameViolation::Control);
            }
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG => {}
            _ => return Err(FrameViolation::Opcode),
        }
        if second & 0x80 == 0 {
            Err(FrameViolation::Unmasked)
        } else {
            Ok(())
        }
    }

    fn check_header(&mut self, extended: usize) -> Result<FrameHeader, FrameViolation> {
        let (lengths, mask) = self.header[2..6 + extended].split_at(extended);
        let length = match extended {
            0 => u64::from(self.header[1] & 0x7F),
            _ => lengths
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        let shortest = match extended {
            0 => true,
            2 => length > 125,
            _ => length > 0xFFFF,
        };
        // The highest bit must be 0, says RFC 6455, section 5.2.
        if !shortest || length >> 63 != 0 {
            return Err(FrameViolation::Length);
        }
        let frame = FrameHeader {
            fin: self.header[0] & 0x80 != 0,
            opcode: self.header[0] & 0x0F,
            left: usize::try_from(length).map_err(|_| FrameViolation::TooBig)?,
            mask: [mask[0], mask[1], mask[2], mask[3]],
        };
        if !frame.is_control() {
            // Refused by the declared length, before any of it is read.
            if frame.left > self.message_bytes_max.saturating_sub(self.message.len()) {
                return Err(FrameViolation::TooBig);
            }
            self.kind = self.kind.or(Some(frame.opcode));
        }
        Ok(frame)
    }

    fn finish(&mut self, frame: FrameHeader) -> Result<Option<ClientMessage>, FrameViolation> {
        if frame.is_control() {
            let payload = std::mem::take(&mut self.control);
            return Ok(Some(match frame.opcode {
                PING => ClientMessage::Ping(payload.into()),
                PONG => ClientMessage::Pong,
                _ => ClientMessage::Close(close_code(&payload)?),
            }));
        }
        if !frame.fin {
            return Ok(None);
        }
        // Taken and not cleared: a connection keeps no memory between messages.
        let payload = std::mem::take(&mut self.message);
        Ok(Some(match self.kind.take() {
            Some(TEXT) => {
                ClientMessage::Text(String::from_utf8(payload).map_err(|_| FrameViolation::Utf8)?)
            }
            _ => ClientMessage::Binary(payload.into()),
        }))
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameViolation> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        [_] => return Err(FrameViolation::CloseCode),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(FrameViolation::CloseCode);
    }
    std::str::from_utf8(reason).map_err(|_| FrameViolation::Utf8)?;
    Ok(Some(code))
}

/// A whole text message, ready to be written to any number of clients.
pub fn text(text: &str) -> Bytes {
    encode(TEXT, text.as_bytes())
}

/// A whole text message around a long text that many clients are sent: in pieces, so that `shared`
/// is not copied for each.
pub fn text_around(before: &str, shared: Bytes, after: &'static str) -> [Bytes; 3] {
    let mut begin = header(
        TEXT,
        before.len() + shared.len() + after.len(),
        before.len(),
    );
    begin.put_slice(before.as_bytes());
    [begin.freeze(), shared, Bytes::from_static(after.as_bytes())]
}

/// A whole binary message.
pub fn binary(payload: &[u8]) -> Bytes {
    encode(BINARY, payload)
}

/// A ping of at most 125 bytes of payload.
pub fn ping(payload: &[u8]) -> Bytes {
    encode(PING, payload)
}

/// The answer to a ping, with the ping's payload.
pub fn pong(payload: &[u8]) -> Bytes {
    encode(PONG, payload)
}

/// A close frame. Without a code it is empty, which is the answer to an empty one.
pub fn close(code: Option<u16>) -> Bytes {
    encode(
        CLOSE,
        &code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec()),
    )
}

fn encode(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = header(opcode, payload.len(), payload.len());
    frame.put_slice(payload);
    frame.freeze()
}

/// The header of a frame with `payload_len` bytes of payload, in a buffer with room for `room` of
/// them.
fn header(opcode: u8, payload_len: usize, room: usize) -> BytesMut {
    let mut frame = BytesMut::with_capacity(room + 10);
    frame.put_u8(0x80 | opcode);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(short @ 0..=125), _) => frame.put_u8(short),
        (_, Ok(medium)) => {
            frame.put_u8(126);
            frame.put_u16(medium);
        }
        _ => {
            frame.put_u8(127);
            frame.put_u64(payload_len as u64);
        }
    }
    frame
}

/// The kind of a message that this server made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A binary message of this server.
    Binary,
    /// A text message of this server.
    Text,
}

/// The messages in whole frames of this server, for a transport without frames. Control frames are
/// left out.
pub fn messages(mut frames: &[u8]) -> impl Iterator<Item = (MessageKind, &[u8])> {
    std::iter::from_fn(move || {
        loop {
            let (opcode, payload, rest) = take_frame(frames)?;
            frames = rest;
            match opcode {
                BINARY => return Some((MessageKind::Binary, payload)),
                TEXT => return Some((MessageKind::Text, payload)),
                _ => {}
            }
        }
    })
}

/// Whether these frames end with a whole one.
pub fn is_whole(mut frames: &[u8]) -> bool {
    while let Some((_, _, rest)) = take_frame(frames) {
        frames = rest;
    }
    frames.is_empty()
}

/// The opcode and the payload of the first frame, and the bytes after it; `None` when it is not
/// whole.
fn take_frame(frames: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = frames.split_first()?;
    let (length, rest) = match rest.split_first()? {
        (126, rest) => rest
            .split_first_chunk()
            .map(|(length, rest)| (u16::from_be_bytes(*length).into(), rest))?,
        (127, rest) => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        (short, rest) => (u64::from(*short), rest),
    };
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((first & 0x0F, payload, rest))
}

#[cfg(test)]
mod tests;
