//! Frames as RFC 6455 shows them, and as only an attacker would send them.

use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let unmasked = encode(first & 0x0F, payload);
    let header = unmasked.len() - payload.len();
    let mut frame = unmasked[..header].to_vec();
    frame[0] = first;
    frame[1] |= 0x80;
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

fn decode_all(bytes: &[u8], pieces: usize) -> Result<Vec<ClientMessage>, FrameViolation> {
    let mut decoder = FrameDecoder::new(100_000);
    let mut messages = Vec::new();
    for mut piece in bytes.chunks(pieces.max(1)) {
        while let Some(message) = decoder.decode(&mut piece)? {
            messages.push(message);
        }
    }
    Ok(messages)
}

fn violation(bytes: &[u8]) -> FrameViolation {
    decode_all(bytes, bytes.len()).unwrap_err()
}

#[test]
fn the_vectors_of_the_rfc_read_and_write() {
    let hello = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(
        decode_all(&hello, 1),
        Ok(vec![ClientMessage::Text("Hello".to_owned())])
    );
    assert_eq!(
        &text("Hello")[..],
        [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    );
    assert_eq!(
        &pong(b"Hello")[..],
        [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
    );
    assert_eq!(&close(Some(1001))[..], [0x88, 0x02, 0x03, 0xe9]);
    assert_eq!(&encode(BINARY, &[0; 256])[..4], [0x82, 0x7e, 0x01, 0x00]);
    assert_eq!(
        &encode(BINARY, &vec![0; 65_536])[..10],
        [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]
    );
}

#[test]
fn control_frames_come_between_fragments() {
    let bytes = [
        masked(0x01, b"Hel"),
        masked(0x89, b"?"),
        masked(0x00, b""),
        masked(0x8a, b""),
        masked(0x80, b"lo"),
    ];
    let messages = decode_all(&bytes.concat(), 1).unwrap();
    let text = ClientMessage::Text("Hello".to_owned());
    assert_eq!(
        messages,
        [
            ClientMessage::Ping(Bytes::from_static(b"?")),
            ClientMessage::Pong,
            text
        ]
    );
}

#[test]
fn a_character_may_be_split_over_fragments_but_not_cut_off() {
    let euro = "€".as_bytes();
    let whole = [masked(0x01, &euro[..1]), masked(0x80, &euro[1..])].concat();
    assert_eq!(
        decode_all(&whole, 1),
        Ok(vec![ClientMessage::Text("€".to_owned())])
    );
    assert_eq!(violation(&masked(0x81, &euro[..2])), FrameViolation::Utf8);
    assert_eq!(
        violation(&masked(0x81, b"\xed\xa0\x80")),
        FrameViolation::Utf8
    );
}

#[test]
fn hostile_frames_are_violations() {
    assert_eq!(violation(&text("not masked")), FrameViolation::Unmasked);
    for bit in [0x40, 0x20, 0x10] {
        assert_eq!(
            violation(&masked(0x81 | bit, b"")),
            FrameViolation::Reserved
        );
    }
    for opcode in [0x3, 0x7, 0xb, 0xf] {
        assert_eq!(
            violation(&masked(0x80 | opcode, b"")),
            FrameViolation::Opcode
        );
    }
    assert_eq!(violation(&masked(0x89, &[0; 126])), FrameViolation::Control);
    assert_eq!(violation(&masked(0x09, b"")), FrameViolation::Control);
    assert_eq!(violation(&masked(0x80, b"")), FrameViolation::Continuation);
    assert_eq!(
        violation(&[masked(0x01, b"a"), masked(0x81, b"b")].concat()),
        FrameViolation::Continuation
    );
    assert_eq!(
        violation(&[0x82, 0xfe, 0, 5, 0, 0, 0, 0]),
        FrameViolation::Length
    );
    assert_eq!(
        violation(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
        FrameViolation::Length
    );
    assert_eq!(
        violation(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        FrameViolation::Length
    );
}

#[test]
fn a_message_too_big_is_refused_when_it_is_promised_not_when_it_is_there() {
    let mut promised = &[0x82, 0xff, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0][..];
    let refused = FrameDecoder::new(100_000).decode(&mut promised);
    assert_eq!(refused, Err(FrameViolation::TooBig));
    assert_eq!(FrameViolation::TooBig.close_code(), 1009);

    let parts = [
        masked(0x02, &vec![0; 60_000]),
        masked(0x00, &vec![0; 40_000]),
        masked(0x80, &[0]),
    ];
    assert_eq!(violation(&parts.concat()), FrameViolation::TooBig);
    let fits = [
        masked(0x02, &vec![0; 60_000]),
        masked(0x80, &vec![0; 40_000]),
    ]
    .concat();
    assert_eq!(decode_all(&fits, 7).unwrap().len(), 1);
}

#[test]
fn close_frames_carry_only_codes_that_may_be_sent() {
    let code = |code: u16| decode_all(&masked(0x88, &code.to_be_bytes()), 1);
    for good in [1000, 1001, 1011, 3000, 4999] {
        assert_eq!(code(good), Ok(vec![ClientMessage::Close(Some(good))]));
    }
    for bad in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        assert_eq!(code(bad), Err(FrameViolation::CloseCode), "{bad}");
    }
    assert_eq!(
        decode_all(&masked(0x88, b""), 1),
        Ok(vec![ClientMessage::Close(None)])
    );
    assert_eq!(violation(&masked(0x88, b"x")), FrameViolation::CloseCode);
    assert_eq!(
        violation(&masked(0x88, b"\x03\xe8\xff")),
        FrameViolation::Utf8
    );
}

proptest! {
    #[test]
    fn nothing_panics_and_pieces_do_not_matter(bytes: Vec<u8>, pieces in 1..20_usize) {
        prop_assert_eq!(decode_all(&bytes, pieces), decode_all(&bytes, bytes.len()));
    }

    #[test]
    fn what_a_client_sends_arrives_however_it_is_cut(
        texts in prop::collection::vec((".{0,200}", prop::collection::vec(0..200_usize, 0..4)), 1..5),
        pieces in 1..50_usize,
    ) {
        let mut bytes = Vec::new();
        for (text, cuts) in &texts {
            let mut rest = text.as_bytes();
            let mut opcode = TEXT;
            for cut in cuts {
                let (part, after) = rest.split_at((*cut).min(rest.len()));
                bytes.extend(masked(opcode, part));
                (rest, opcode) = (after, CONTINUATION);
            }
            bytes.extend(masked(0x80 | opcode, rest));
        }
        let expected: Vec<_> = texts.into_iter().map(|(text, _)| ClientMessage::Text(text)).collect();
        prop_assert_eq!(decode_all(&bytes, pieces), Ok(expected));
    }
}
