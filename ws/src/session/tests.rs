//! The session's steps: who may say what when, heartbeats, and what ends it.

use serde_json::json;

use super::*;

const NOW: Duration = Duration::from_secs(1);

fn session() -> Session {
    Session::new(Duration::from_secs(25), Duration::from_mins(1), 5)
}

fn admitted() -> Session {
    let mut session = session();
    session.admit(Namespace::Oda);
    session
}

fn receive(session: &mut Session, text: &str) -> Result<Option<Step>, Ending> {
    session.receive(NOW, Incoming::Text(text))
}

#[test]
fn a_client_connects_asks_and_leaves() {
    let mut session = session();
    let auth = json!({"token": "x"}).as_object().cloned();
    let connect = Step::Connect { namespace: Namespace::Oda, auth };
    assert_eq!(receive(&mut session, r#"40/oda,{"token":"x"}"#), Ok(Some(connect)));
    session.admit(Namespace::Oda);
    let call = Call { id: Some(3), name: "a".to_owned(), args: vec![json!(1)] };
    assert_eq!(receive(&mut session, r#"42/oda,3["a",1]"#), Ok(Some(Step::Request(Namespace::Oda, call))));
    assert_eq!(receive(&mut session, "41/oda,"), Ok(Some(Step::Left(Namespace::Oda))));
    assert_eq!(receive(&mut session, r#"42/oda,["a"]"#), Err(Ending::Malformed));
}

#[test]
fn an_unknown_namespace_is_refused_in_the_words_of_node() {
    let refusal = r#"44/nope,{"message":"Invalid namespace"}"#.to_owned();
    assert_eq!(receive(&mut session(), "40/nope,"), Ok(Some(Step::Send(refusal))));
}

#[test]
fn what_is_out_of_turn_ends_the_session() {
    for text in [
        r#"42["a"]"#,
        r#"42/oda,["a"]"#,
        "41",
        "431[]",
        "44{}",
        "2",
        "2probe",
        "5",
        "0{}",
        "4abc",
        "42{}",
        "",
        "x",
    ] {
        assert_eq!(receive(&mut session(), text), Err(Ending::Malformed), "{text}");
    }
    for text in ["40/oda,", r#"44/oda,{"message":"x"}"#] {
        assert_eq!(receive(&mut admitted(), text), Err(Ending::Malformed), "{text}");
    }
    assert_eq!(receive(&mut session(), "1"), Err(Ending::Goodbye));
    assert_eq!(session().receive(NOW, Incoming::Binary), Err(Ending::Malformed));
}

#[test]
fn a_binary_event_is_refused_when_its_last_attachment_is_there() {
    let mut session = admitted();
    let text = r#"452-/oda,9["a",{"_placeholder":true,"num":1}]"#;
    assert_eq!(receive(&mut session, text), Ok(None));
    assert_eq!(session.receive(NOW, Incoming::Binary), Ok(None));
    let Ok(Some(Step::Refuse(Namespace::Oda, call, error))) = session.receive(NOW, Incoming::Binary) else {
        panic!("not refused");
    };
    assert_eq!((call.id, error.code), (Some(9), ErrorCode::InvalidPayload));
    assert!(receive(&mut session, r#"42/oda,["a"]"#).is_ok(), "the session goes on");

    assert_eq!(receive(&mut session, text), Ok(None));
    assert_eq!(receive(&mut session, "3"), Err(Ending::Malformed), "text where bytes are due");
}

#[test]
fn acknowledgements_nobody_asked_for_mean_nothing() {
    let mut session = admitted();
    assert_eq!(receive(&mut session, "43/oda,7[1]"), Ok(None));
    assert_eq!(receive(&mut session, "461-/oda,7[]"), Ok(None));
    assert_eq!(session.receive(NOW, Incoming::Binary), Ok(None));
    assert!(matches!(receive(&mut session, r#"42/oda,["a"]"#), Ok(Some(Step::Request(..)))));
}

#[test]
fn too_many_messages_are_refused_until_a_moment_has_passed() {
    let mut session = admitted();
    let mut ask = |now| match session.receive(now, Incoming::Text(r#"42/oda,1["a"]"#)) {
        Ok(Some(Step::Refuse(_, _, error))) => Some(error.code),
        Ok(Some(Step::Request(..))) => None,
        other => panic!("{other:?}"),
    };
    assert!((0..5).all(|_| ask(NOW).is_none()));
    assert_eq!(ask(NOW), Some(ErrorCode::RateLimited));
    assert_eq!(ask(NOW + Duration::from_secs(12)), None, "one in a fifth of a minute");
    assert_eq!(ask(NOW + Duration::from_secs(12)), Some(ErrorCode::RateLimited));
}

#[test]
fn who_knocks_too_often_is_put_out() {
    let mut session = session();
    for _ in 0..5 {
        assert!(receive(&mut session, "40/nope,").is_ok());
    }
    assert_eq!(receive(&mut session, "40/nope,"), Err(Ending::Pushy));
}

#[test]
fn a_transport_in_no_namespace_is_closed_after_45_seconds() {
    let seconds = Duration::from_secs;
    let mut lonely = session();
    assert_eq!(lonely.tick(seconds(25), true), Ok(Some(Step::Send("2".to_owned()))));
    assert_eq!(lonely.deadline(), seconds(45));
    assert_eq!(lonely.tick(seconds(45), true), Err(Ending::Lonely));

    let mut left = admitted();
    assert_eq!(left.deadline(), seconds(25));
    left.dismiss(seconds(5), Namespace::Oda);
    left.dismiss(seconds(9), Namespace::Root);
    assert_eq!(left.tick(seconds(50), true), Err(Ending::Lonely));
}

#[test]
fn a_client_that_was_not_read_from_is_not_called_silent() {
    let seconds = Duration::from_secs;
    let mut session = admitted();
    assert!(session.tick(seconds(25), true).unwrap().is_some());
    assert_eq!(session.tick(seconds(85), false), Ok(None));
    assert_eq!(session.tick(seconds(144), true), Ok(None));
    assert_eq!(session.tick(seconds(145), true), Err(Ending::Silent));
}
