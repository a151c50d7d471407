//! The session's steps: who may say what when, what belongs together, and what ends it.

use std::time::Duration;

use serde_json::json;

use super::*;

const NOW: Duration = Duration::from_secs(1);
const BYTES_MAX: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Main,
    Custom,
}

impl NamespaceId for Room {
    fn parse(name: &str) -> Option<Self> {
        [Self::Main, Self::Custom]
            .into_iter()
            .find(|room| room.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Main => "/",
            Self::Custom => "/custom",
        }
    }
}

fn session() -> SocketIoSession<Room> {
    SocketIoSession::new(NamespaceId::parse, 5, BYTES_MAX)
}

fn admitted() -> SocketIoSession<Room> {
    let mut session = session();
    session.admit(Room::Custom);
    session
}

type Outcome = Result<Option<SessionStep<Room>>, CloseReason>;

fn receive(session: &mut SocketIoSession<Room>, text: &str) -> Outcome {
    session.receive(NOW, TransportMessage::Text(text))
}

fn attach(session: &mut SocketIoSession<Room>, bytes: &'static [u8]) -> Outcome {
    session.receive(NOW, TransportMessage::Binary(Bytes::from_static(bytes)))
}

fn call(id: Option<u64>, args: &Value, attachments: &[&'static [u8]]) -> ClientCall {
    let attachments = attachments
        .iter()
        .map(|bytes| Bytes::from_static(bytes))
        .collect();
    ClientCall {
        id,
        name: "a".to_owned(),
        args: args.as_array().unwrap().clone(),
        attachments,
    }
}

#[test]
fn a_client_connects_asks_and_leaves() {
    let mut session = session();
    let auth = json!({"token": "x"}).as_object().cloned();
    assert_eq!(
        receive(&mut session, r#"0/custom,{"token":"x"}"#),
        Ok(Some(SessionStep::Connect(Room::Custom, auth)))
    );
    session.admit(Room::Custom);
    let asked = SessionStep::Event(Room::Custom, call(Some(3), &json!([1]), &[]));
    assert_eq!(
        receive(&mut session, r#"2/custom,3["a",1]"#),
        Ok(Some(asked))
    );
    assert_eq!(
        receive(&mut session, "1/custom,"),
        Ok(Some(SessionStep::Left(Room::Custom)))
    );
    assert_eq!(
        receive(&mut session, r#"2/custom,["a"]"#),
        Err(CloseReason::Malformed)
    );
}

#[test]
fn one_connection_is_in_several_namespaces_and_leaving_one_leaves_the_other() {
    let mut session = admitted();
    assert_eq!(
        receive(&mut session, "0"),
        Ok(Some(SessionStep::Connect(Room::Main, None)))
    );
    session.admit(Room::Main);
    assert_eq!(
        receive(&mut session, "1/custom"),
        Ok(Some(SessionStep::Left(Room::Custom)))
    );
    let asked = SessionStep::Event(Room::Main, call(None, &json!([]), &[]));
    assert_eq!(receive(&mut session, r#"2["a"]"#), Ok(Some(asked)));
    assert_eq!(session.deadline(), None);
}

#[test]
fn an_unknown_namespace_is_refused_in_the_words_of_node() {
    for (connect, name) in [
        ("0/nope,", "/nope"),
        ("0/nope", "/nope"),
        ("0/nope?x=1,{}", "/nope"),
        ("0/__proto__", "/__proto__"),
    ] {
        let Ok(Some(SessionStep::Send(refusal))) = receive(&mut session(), connect) else {
            panic!("{connect}")
        };
        assert_eq!(
            refusal.encode(),
            format!(r#"4{name},{{"message":"Invalid namespace"}}"#)
        );
    }
}

#[test]
fn what_is_out_of_turn_ends_the_session() {
    for text in [
        r#"2["a"]"#,
        r#"2/custom,["a"]"#,
        "1",
        "31[]",
        "4{}",
        "abc",
        "2{}",
        r#"2abc["a"]"#,
        "",
    ] {
        assert_eq!(
            receive(&mut session(), text),
            Err(CloseReason::Malformed),
            "{text}"
        );
    }
    for text in [
        "0/custom,",
        r#"4/custom,{"message":"x"}"#,
        r#"2/nope,["a"]"#,
        "1/nope,",
        r#"2/custom,["disconnect"]"#,
    ] {
        assert_eq!(
            receive(&mut admitted(), text),
            Err(CloseReason::Malformed),
            "{text}"
        );
    }
    assert_eq!(
        attach(&mut admitted(), b"x"),
        Err(CloseReason::Malformed),
        "bytes that nobody announced"
    );
}

#[test]
fn an_event_comes_when_its_last_attachment_is_there() {
    let mut session = admitted();
    let args = json!([{"_placeholder": true, "num": 1}, {"_placeholder": true, "num": 0}]);
    let text = r#"52-/custom,9["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    assert_eq!(receive(&mut session, text), Ok(None));
    assert_eq!(attach(&mut session, b"one"), Ok(None));
    let whole = SessionStep::Event(Room::Custom, call(Some(9), &args, &[b"one", b"two"]));
    assert_eq!(attach(&mut session, b"two"), Ok(Some(whole)));
    assert!(
        receive(&mut session, r#"2/custom,["a"]"#).is_ok(),
        "the session goes on"
    );

    assert_eq!(receive(&mut session, text), Ok(None));
    assert_eq!(
        receive(&mut session, r#"2/custom,["a"]"#),
        Err(CloseReason::Malformed),
        "text where bytes are due"
    );
}

#[test]
fn attachments_have_a_bound_together() {
    let mut session = admitted();
    assert_eq!(receive(&mut session, r#"52-/custom,["a"]"#), Ok(None));
    assert_eq!(attach(&mut session, &[0; BYTES_MAX]), Ok(None));
    assert_eq!(attach(&mut session, &[0]), Err(CloseReason::Malformed));
}

#[test]
fn an_event_whose_namespace_was_left_while_it_arrived_is_nobodys() {
    let mut session = admitted();
    session.admit(Room::Main);
    assert_eq!(receive(&mut session, r#"51-/custom,["a"]"#), Ok(None));
    session.dismiss(NOW, Room::Custom);
    assert_eq!(attach(&mut session, b"x"), Ok(None));
    assert!(matches!(
        receive(&mut session, r#"2["a"]"#),
        Ok(Some(SessionStep::Event(..)))
    ));
}

#[test]
fn what_was_asked_is_acknowledged_once() {
    let mut session = admitted();
    let (first, second) = (
        session.ask(Room::Custom).unwrap(),
        session.ask(Room::Custom).unwrap(),
    );
    assert_ne!(first, second);
    let answer = SessionStep::Acknowledged(Room::Custom, second, vec![json!(1)], vec![]);
    assert_eq!(
        receive(&mut session, &format!("3/custom,{second}[1]")),
        Ok(Some(answer))
    );
    assert_eq!(
        receive(&mut session, &format!("3/custom,{second}[1]")),
        Ok(None)
    );

    let args = vec![json!({"_placeholder": true, "num": 0})];
    let text = format!("61-/custom,{first}{}", json!(args));
    assert_eq!(receive(&mut session, &text), Ok(None));
    let bytes = Bytes::from_static(b"x");
    let answer = SessionStep::Acknowledged(Room::Custom, first, args, vec![bytes]);
    assert_eq!(attach(&mut session, b"x"), Ok(Some(answer)));
}

#[test]
fn acknowledgements_nobody_asked_for_mean_nothing() {
    let mut session = admitted();
    session.admit(Room::Main);
    let asked = session.ask(Room::Main).unwrap();
    assert_eq!(receive(&mut session, "3/custom,7[1]"), Ok(None));
    assert_eq!(
        receive(&mut session, &format!("3/custom,{asked}[1]")),
        Ok(None),
        "asked elsewhere"
    );
    assert_eq!(receive(&mut session, "61-/custom,7[]"), Ok(None));
    assert_eq!(attach(&mut session, b"x"), Ok(None));
    session.dismiss(NOW, Room::Main);
    session.admit(Room::Main);
    assert_eq!(
        receive(&mut session, &format!("3{asked}[1]")),
        Ok(None),
        "asked before it left"
    );
    assert!(matches!(
        receive(&mut session, r#"2/custom,["a"]"#),
        Ok(Some(SessionStep::Event(..)))
    ));
}

#[test]
fn a_client_that_never_acknowledges_is_asked_no_more() {
    let mut session = admitted();
    assert!((0..ACKS_WAITING_MAX).all(|_| session.ask(Room::Custom).is_some()));
    assert_eq!(session.ask(Room::Custom), None);
}

#[test]
fn too_many_messages_are_refused_until_a_moment_has_passed() {
    let mut session = admitted();
    let mut too_many =
        |now| match session.receive(now, TransportMessage::Text(r#"2/custom,1["a"]"#)) {
            Ok(Some(SessionStep::Excess(..))) => true,
            Ok(Some(SessionStep::Event(..))) => false,
            other => panic!("{other:?}"),
        };
    assert!((0..5).all(|_| !too_many(NOW)));
    assert!(too_many(NOW));
    assert!(
        !too_many(NOW + Duration::from_secs(12)),
        "one in a fifth of a minute"
    );
    assert!(too_many(NOW + Duration::from_secs(12)));
    let text = r#"51-/custom,["a"]"#;
    assert!(matches!(
        receive(&mut session, text),
        Ok(Some(SessionStep::Excess(..)))
    ));
    assert_eq!(
        attach(&mut session, b"x"),
        Ok(None),
        "its attachment is passed over"
    );
}

#[test]
fn who_connects_too_often_is_put_out() {
    let mut session = session();
    for _ in 0..5 {
        assert!(receive(&mut session, "0/nope,").is_ok());
    }
    assert_eq!(
        receive(&mut session, "0/nope,"),
        Err(CloseReason::TooManyConnects)
    );
}

#[test]
fn a_connection_in_no_namespace_is_closed_after_45_seconds() {
    let seconds = Duration::from_secs;
    let mut lonely = session();
    assert_eq!(
        (lonely.deadline(), lonely.tick(seconds(44))),
        (Some(seconds(45)), Ok(()))
    );
    assert_eq!(lonely.tick(seconds(45)), Err(CloseReason::NoNamespace));

    let mut left = admitted();
    assert_eq!(left.deadline(), None);
    left.dismiss(seconds(5), Room::Custom);
    left.dismiss(seconds(9), Room::Main);
    assert_eq!(left.tick(seconds(50)), Err(CloseReason::NoNamespace));
}
