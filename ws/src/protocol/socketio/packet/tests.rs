//! Packets: the protocol's own examples, and malformed ones that others fell for.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn event(
    namespace: &str,
    id: Option<u64>,
    name: &str,
    args: &Value,
    attachments: u8,
) -> SocketIoPacket {
    let args = args.as_array().unwrap().clone();
    let content = PacketContent::Event {
        id,
        name: name.to_owned(),
        args,
        attachments,
    };
    SocketIoPacket {
        namespace: namespace.to_owned(),
        content,
    }
}

#[test]
fn the_vectors_of_the_protocol_read_and_write() {
    let packet = |namespace: &str, content| SocketIoPacket {
        namespace: namespace.to_owned(),
        content,
    };
    let token = json!({"token": "x"}).as_object().cloned();
    let vectors = [
        ("0", packet("/", PacketContent::Connect(None))),
        (
            r#"0/oda,{"token":"x"}"#,
            packet("/oda", PacketContent::Connect(token)),
        ),
        ("1/oda,", packet("/oda", PacketContent::Disconnect)),
        (
            r#"2["a",1,"b"]"#,
            event("/", None, "a", &json!([1, "b"]), 0),
        ),
        (
            r#"2/oda,12["a"]"#,
            event("/oda", Some(12), "a", &json!([]), 0),
        ),
        (
            r#"3/oda,12[{"ok":true}]"#,
            packet(
                "/oda",
                PacketContent::Ack {
                    id: 12,
                    args: vec![json!({"ok": true})],
                    attachments: 0,
                },
            ),
        ),
        (
            r#"4/x,{"message":"no"}"#,
            packet("/x", PacketContent::ConnectError(json!({"message": "no"}))),
        ),
        (
            r#"51-["a",{"_placeholder":true,"num":0}]"#,
            event(
                "/",
                None,
                "a",
                &json!([{"_placeholder": true, "num": 0}]),
                1,
            ),
        ),
        (
            "62-/oda,7[]",
            packet(
                "/oda",
                PacketContent::Ack {
                    id: 7,
                    args: vec![],
                    attachments: 2,
                },
            ),
        ),
    ];
    for (text, packet) in vectors {
        assert_eq!(SocketIoPacket::parse(text), Ok(packet.clone()), "{text}");
        assert_eq!(packet.encode(), text);
    }
}

#[test]
fn a_query_is_no_part_of_the_namespace() {
    assert_eq!(
        SocketIoPacket::parse("0/oda?token=x,{}").unwrap().namespace,
        "/oda"
    );
    assert_eq!(
        SocketIoPacket::parse("0/oda?token=x").unwrap().namespace,
        "/oda"
    );
}

#[test]
fn malformed_packets_are_refused() {
    let hostile = [
        "",
        "7",
        "abc",
        "é",
        "2",
        "2{}",
        "2[]",
        "2abc[\"a\"]",
        "2[1]",
        "2[{}]",
        "2[null]",
        "2[[\"a\"]]",
        "2[\"a\"",
        "2\"a\"",
        "2[\"a\"]x",
        "0[]",
        "0\"x\"",
        "01x",
        "1{}",
        "1/oda,[]",
        "3[]",
        "312{}",
        "3/oda,[]",
        "4",
        "4[]",
        "412",
        "5[\"a\"]",
        "5-[\"a\"]",
        "50-[\"a\"]",
        "511-[\"a\"]",
        "5-1-[\"a\"]",
        "51.5-[\"a\"]",
        "5999999999999999999999-[\"a\"]",
        "51",
        "51-",
        "5",
        "2/oda",
        "2/oda,",
        "299999999999999999999[\"a\"]",
        "2/oda,-1[\"a\"]",
    ];
    for text in hostile {
        assert_eq!(
            SocketIoPacket::parse(text),
            Err(SocketIoPacketError),
            "{text}"
        );
    }
}

#[test]
fn names_reserved_by_the_libraries_are_refused_and_error_is_not_one() {
    for name in RESERVED {
        assert_eq!(
            SocketIoPacket::parse(&format!("2[\"{name}\"]")),
            Err(SocketIoPacketError),
            "{name}"
        );
    }
    assert!(SocketIoPacket::parse("2[\"error\"]").is_ok());
}

#[test]
fn a_placeholder_names_one_of_the_attachments() {
    for number in [
        "1",
        "-1",
        "0.5",
        "\"0\"",
        "\"splice\"",
        "{}",
        "null",
        "1e300",
    ] {
        let text = format!(r#"51-["a",{{"deep":[{{"_placeholder":true,"num":{number}}}]}}]"#);
        assert_eq!(
            SocketIoPacket::parse(&text),
            Err(SocketIoPacketError),
            "{text}"
        );
    }
    assert!(
        SocketIoPacket::parse(r#"2["a",{"_placeholder":true,"num":"x"}]"#).is_ok(),
        "without attachments it is plain data"
    );
}

#[test]
fn ten_attachments_are_taken_and_eleven_are_not() {
    assert!(SocketIoPacket::parse("510-[\"a\"]").is_ok());
    assert!(SocketIoPacket::parse("511-[\"a\"]").is_err());
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("2[\"a\",{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(SocketIoPacket::parse(&deep), Err(SocketIoPacketError));
    assert_eq!(
        SocketIoPacket::parse(&format!("0/{}", "n".repeat(NAMESPACE_BYTES_MAX))),
        Err(SocketIoPacketError)
    );
}

#[test]
fn a_frame_made_for_many_is_the_packet() {
    let packet = event("/oda", None, "a\"b", &json!([{"x": 1}]), 0);
    assert_eq!(
        super::event("/oda", "a\"b", "{\"x\":1}", None),
        packet.encode()
    );
    assert_eq!(super::event("/", "a", "1", Some("z")), r#"2["a",1,"z"]"#);
}

proptest! {
    #[test]
    fn nothing_panics(text: String, start in "[0-6][0-9/,a-z\\[\\]{}\"-]{0,20}") {
        let _ = SocketIoPacket::parse(&text);
        let _ = SocketIoPacket::parse(&start);
    }

    #[test]
    fn what_is_written_reads_back(
        namespace in "(/|/[a-z]{1,10})",
        id in prop::option::of(0..1_000_000_000_000_000_u64),
        name in "[^\u{0}]{0,20}",
        text: String,
        attachments in 0..=ATTACHMENTS_MAX,
    ) {
        prop_assume!(!RESERVED.contains(&name.as_str()));
        let packet = event(&namespace, id, &name, &json!([text, 1, null, {"k": [true]}]), attachments);
        prop_assert_eq!(SocketIoPacket::parse(&packet.encode()), Ok(packet));
    }
}
