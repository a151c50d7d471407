//! Finds bare line feeds in the heads of requests, which hyper's parser takes for line ends.
//!
//! RFC 9112, section 2.2, ends lines with CR LF. A proxy that follows it and a server that takes less disagree where a
//! head ends, which is how requests are smuggled past proxies.

/// Bytes of a line that are looked at; no header that matters here is longer.
const LINE_BYTES: usize = 64;

/// Follows the bytes that a client sends, from head to head.
#[derive(Debug)]
pub(super) struct HeadWatch {
    place: HeadPart,
    line: Vec<u8>,
    /// Whether the line is longer than what is kept of it.
    is_cut: bool,
    /// Its last two bytes.
    end: [u8; 2],
    /// Whether a line of this head has come: empty lines before it are passed over, as the RFC advises.
    begun: bool,
    body: u64,
    /// Whether the bytes behind this head cannot be followed by its length.
    is_last: bool,
}

/// Where the next byte belongs.
#[derive(Debug)]
enum HeadPart {
    Head,
    /// That many bytes of a body are still to come.
    Body(u64),
    /// Nothing further is looked at.
    Unwatched,
}

/// Whether the edge must close the connection after that request: what follows its head is chunked or no HTTP, so that
/// the watch would not find the next head.
pub(super) fn is_last(headers: &http::HeaderMap) -> bool {
    let upgrade = headers.get(http::header::UPGRADE);
    headers.contains_key(http::header::TRANSFER_ENCODING)
        || upgrade.is_some_and(|protocol| is_websocket(protocol.as_bytes()))
}

impl HeadWatch {
    pub(super) fn new() -> Self {
        Self {
            place: HeadPart::Head,
            line: Vec::new(),
            is_cut: false,
            end: [0; 2],
            begun: false,
            body: 0,
            is_last: false,
        }
    }

    /// Looks at bytes before hyper does, and writes NUL over what no head may have. Hyper refuses a NUL wherever it
    /// stands in a head and answers 400, so nothing has to be told to it from the side.
    pub(super) fn watch(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match &mut self.place {
                HeadPart::Unwatched => return,
                HeadPart::Body(left) => {
                    let taken =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.place = HeadPart::Head;
                    }
                    bytes = &mut bytes[taken..];
                }
                HeadPart::Head => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (line, rest) = bytes.split_at_mut(end.map_or(bytes.len(), |end| end + 1));
                    self.keep(line);
                    if end.is_some() && !self.end_line() {
                        *line.last_mut().unwrap_or(&mut 0) = 0;
                        self.place = HeadPart::Unwatched;
                    }
                    bytes = rest;
                }
            }
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LINE_BYTES - self.line.len();
        self.is_cut |= part.len() > room;
        self.line.extend_from_slice(&part[..room.min(part.len())]);
        self.end = match *part {
            [.., before, last] => [before, last],
            [last] => [self.end[1], last],
            [] => self.end,
        };
    }

    /// Takes the line that has ended; `false` when it must not stand in a head.
    fn end_line(&mut self) -> bool {
        let (is_cut, end) = (
            std::mem::take(&mut self.is_cut),
            std::mem::take(&mut self.end),
        );
        let is_good = end == *b"\r\n" && (self.line == b"\r\n" || self.take_header(is_cut));
        if is_good && self.line == b"\r\n" && std::mem::take(&mut self.begun) {
            self.place = match std::mem::take(&mut self.body) {
                _ if self.is_last => HeadPart::Unwatched,
                0 => HeadPart::Head,
                body => HeadPart::Body(body),
            };
        }
        self.line.clear();
        is_good
    }

    /// Notes what a line says of the body; `false` when its length cannot be told.
    fn take_header(&mut self, is_cut: bool) -> bool {
        self.begun = true;
        let Some(colon) = self.line.iter().position(|byte| *byte == b':') else {
            return true;
        };
        let (name, value) = (&self.line[..colon], self.line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding")
            || (name.eq_ignore_ascii_case(b"upgrade") && is_websocket(value))
        {
            self.is_last = true;
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            match length {
                Some(length) if !is_cut => self.body = length,
                // Hyper might read a number here where this does not.
                _ => return false,
            }
        }
        true
    }
}

fn is_websocket(protocol: &[u8]) -> bool {
    protocol
        .windows(b"websocket".len())
        .any(|word| word.eq_ignore_ascii_case(b"websocket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hyper is given of these bytes when they come in parts of that size.
    fn watched(text: &str, step: usize) -> String {
        let mut watch = HeadWatch::new();
        let mut bytes = text.as_bytes().to_vec();
        bytes.chunks_mut(step).for_each(|part| watch.watch(part));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_bare_line_feed_in_a_head_is_written_over_and_one_in_a_body_is_not() {
        let long = "x".repeat(200);
        let post = "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\na\nb\n";
        let good = [
            post.to_owned(),
            format!("\r\n\r\n{post}{post}GET / HTTP/1.1\r\nLong: {long}\r\n\r\n"),
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nupgrade: WebSocket\r\n\r\n\n\n\n".to_owned(),
        ];
        let bad = [
            (
                "GET / HTTP/1.1\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\0Host: a\r\n\r\n",
            ),
            ("\nGET / HTTP/1.1\r\n\r\n", "\0GET / HTTP/1.1\r\n\r\n"),
            (
                "GET / HTTP/1.1\r\nHost: a\r\n\n",
                "GET / HTTP/1.1\r\nHost: a\r\n\0",
            ),
            (
                "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n\n",
                "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n\0",
            ),
            (
                "A\r\nContent-Length: 0x4\r\n\r\n",
                "A\r\nContent-Length: 0x4\r\0\r\n",
            ),
        ];
        for step in [1, 2, 3, 7, 1_000] {
            for good in &good {
                assert_eq!(watched(good, step), *good, "{step}");
            }
            for (sent, seen) in bad {
                assert_eq!(watched(sent, step), seen, "{step}");
                let after = format!("{post}{sent}");
                assert_eq!(watched(&after, step), format!("{post}{seen}"), "{step}");
            }
            let end = format!("GET / HTTP/1.1\r\nLong: {long}\n\r\n");
            assert_eq!(watched(&end, step), end.replace("x\n", "x\0"), "{step}");
        }
    }

    #[test]
    fn no_head_is_read_otherwise_for_how_it_was_cut() {
        let letters = ["a", ":", "\r", "\n", "\r\n", "Content-Length: 3\r\n"];
        let mut heads = vec![String::new()];
        for _ in 0..5 {
            heads = heads
                .iter()
                .flat_map(|head| letters.map(|letter| format!("{head}{letter}")))
                .collect();
            for head in &heads {
                let whole = watched(head, 1_000);
                assert!((1..4).all(|step| watched(head, step) == whole), "{head:?}");
            }
        }
    }
}
