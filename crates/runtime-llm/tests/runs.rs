//! Whole sessions, in memory.

mod stage;

use orchestrator_events::{Delivery, Filter};
use orchestrator_runtime_llm::{Circles, Limits, ModelError, replay};
use orchestrator_sessions::{Append, Entry, Numbered, Said, State, Stop, Store as _};
use orchestrator_transcript::Block;
use orchestrator_vocab::{Actor, Label, OrgId, Timestamp};
use serde_json::json;
use stage::{End, Stage, Turn};

fn call(id: &'static str, tool: &'static str) -> Turn {
    Turn::Call(vec![(id, tool, json!({}))])
}

#[tokio::test]
async fn a_model_calls_tools_and_says_what_came_of_it() {
    let two = Turn::Call(vec![("1", "fs_list", json!({})), ("2", "mail_send", json!({ "to": "ada" }))]);
    let mut stage = Stage::new(vec![two, Turn::Say(r#"{"sent": 1}"#)]);
    assert_eq!(stage.run().await, End::Completed(json!({ "sent": 1 })));
    assert_eq!((stage.effects("fs.list"), stage.effects("mail.send")), (1, 1));
    let requests = stage.seen.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].messages[0].text(), "# Act\n\nDo as the script says.");
    assert_eq!(requests[1].messages.len(), 3);
}

#[tokio::test]
async fn a_call_that_is_refused_is_told_to_the_model_and_not_made() {
    let mut stage = Stage::new(vec![call("1", "system_stop"), call("2", "nothing_like_it"), Turn::Say("well")]);
    assert_eq!(stage.run().await, End::Completed(json!("well")));
    assert_eq!((stage.effects("system.stop"), stage.effects("nothing_like_it")), (0, 1));
    let told = format!("{:?}", stage.seen.requests.lock().unwrap()[1].messages);
    assert!(told.contains("not allowed: system.stop is not in tools.allow"), "{told}");
}

#[tokio::test]
async fn what_a_call_leaves_standing_is_in_the_journal_and_holds_from_then_on() {
    let rule = |id, tool: &str| Turn::Call(vec![(id, "rules_set", json!({ "without": tool }))]);
    let script = vec![
        call("1", "mail_send"),
        rule("2", "mail.send"),
        rule("3", "fs.list"),
        call("4", "mail_send"),
        Turn::Say("done"),
    ];
    let mut stage = Stage::new(script);
    let session = stage.start().await;
    assert_eq!(stage.ends.recv().await, Some(End::Completed(json!("done"))));
    assert_eq!(stage.effects("mail.send"), 1, "once, before the rule");
    let offered = |number: usize| -> Vec<String> {
        stage.seen.requests.lock().unwrap()[number].tools.iter().map(|tool| tool.name.clone()).collect()
    };
    assert_eq!(offered(1), ["fs.list", "gate.wait", "mail.send", "rules.set", "system.stop"]);
    assert_eq!(offered(2), ["fs.list", "gate.wait", "rules.set", "system.stop"]);
    assert_eq!(offered(3), ["gate.wait", "rules.set", "system.stop"], "rules come together");
    let told = format!("{:?}", stage.seen.requests.lock().unwrap()[4].messages);
    assert!(told.contains("a rule is against mail.send"), "{told}");
    let entries = stage.sessions.entries(OrgId::LOCAL, session.id).await.unwrap();
    let stands = |numbered: &&Numbered| matches!(&numbered.entry, Entry::Noted { what, .. } if what == "standing");
    assert_eq!(entries.iter().filter(stands).count(), 2);
    assert_eq!(replay(OrgId::LOCAL, &entries).unwrap().divergences, []);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_thrown_away_and_asked_for_again() {
    let mut stage = Stage::new(vec![Turn::Break, Turn::Say("a whole sentence")]);
    assert_eq!(stage.run().await, End::Completed(json!("a whole sentence")));
    let mut stage = Stage::new(vec![Turn::Break, Turn::Break, Turn::Break, Turn::Say("too late")]);
    let end = stage.run().await;
    assert!(matches!(&end, End::Failed(error) if error.contains("broke off 3 times")), "{end:?}");
}

#[tokio::test]
async fn without_any_model_the_task_goes_back_and_a_request_that_is_wrong_fails() {
    let away = ModelError::Unavailable { message: "all rest".into(), retry_at: None };
    assert!(matches!(Stage::new(vec![Turn::Fail(away)]).run().await, End::Released(_)));
    let wrong = ModelError::Refused("no model configured".into());
    assert_eq!(Stage::new(vec![Turn::Fail(wrong)]).run().await, End::Failed("no model configured".into()));
    let long = || Turn::Fail(ModelError::TooLong("5 tokens".into()));
    assert_eq!(Stage::new(vec![long(), Turn::Say("short")]).run().await, End::Completed(json!("short")));
    let end = Stage::new((0..9).map(|_| long()).collect()).run().await;
    assert!(matches!(&end, End::Failed(error) if error.contains("too long")), "{end:?}");
}

#[tokio::test]
async fn an_agent_in_circles_is_stopped() {
    let circles = Circles { same_calls: 2, nudges: 1, ..Circles::default() };
    let mut stage =
        Stage::with((0..9).map(|_| call("1", "fs_list")).collect(), Limits { circles, ..Limits::default() });
    let end = stage.run().await;
    assert!(matches!(&end, End::Failed(error) if error.contains("circles")), "{end:?}");
    assert_eq!(stage.effects("fs.list"), 4);
}

#[tokio::test]
async fn a_session_is_stopped_while_the_model_thinks_and_while_a_tool_works() {
    for script in [vec![Turn::Hang], vec![call("1", "gate_wait")]] {
        let mut stage = Stage::new(script);
        let session = stage.start().await;
        stage.seen.hung.notified().await;
        let stop = Stop { reason: Some("enough".into()), force: false, actor: Actor::User("ada".into()) };
        let ended = stage.sessions.stop(OrgId::LOCAL, session.id, stop).await.unwrap();
        assert!(matches!(ended.state, State::Terminated { .. }), "{ended:?}");
        assert!(matches!(stage.ends.recv().await, Some(End::Released(None))));
    }
}

#[tokio::test]
async fn a_paused_session_stands_still_between_two_steps() {
    let mut stage = Stage::new(vec![call("1", "gate_wait"), Turn::Say("done")]);
    let session = stage.start().await;
    stage.seen.hung.notified().await;
    let ada = || Actor::User("ada".into());
    stage.sessions.pause(OrgId::LOCAL, session.id, None, ada()).await.unwrap();
    stage.seen.open.notify_one();
    // The call that was under way comes back, and nothing more is asked.
    while stage.sessions.entries(OrgId::LOCAL, session.id).await.unwrap().len() < 7 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.seen.requests.lock().unwrap().len(), 1);
    stage.sessions.resume(OrgId::LOCAL, session.id, ada()).await.unwrap();
    assert_eq!(stage.ends.recv().await, Some(End::Completed(json!("done"))));
}

fn said(text: &str) -> Vec<Block> {
    vec![Block::text(Label::USER, text.to_owned())]
}

#[tokio::test]
async fn what_is_said_while_a_tool_works_is_heard_with_its_result() {
    let mut stage = Stage::new(vec![call("1", "gate_wait"), Turn::Say("done")]);
    let session = stage.start().await;
    stage.seen.hung.notified().await;
    let hurry = Said { content: said("hurry"), actor: Actor::User("ada".into()), key: None };
    stage.sessions.say(OrgId::LOCAL, session.id, hurry).await.unwrap();
    stage.seen.open.notify_one();
    assert_eq!(stage.ends.recv().await, Some(End::Completed(json!("done"))));
    let told = format!("{:?}", stage.seen.requests.lock().unwrap()[1].messages);
    assert!(told.contains("hurry"), "{told}");
    let entries = stage.sessions.entries(OrgId::LOCAL, session.id).await.unwrap();
    assert_eq!(replay(OrgId::LOCAL, &entries).unwrap().divergences, []);
}

#[tokio::test]
async fn what_is_written_before_a_result_is_told_later_and_nothing_is_lost() {
    let mut stage = Stage::new(vec![call("1", "gate_wait"), call("2", "fs_list"), Turn::Say("done")]);
    let session = stage.start().await;
    stage.seen.hung.notified().await;
    // Nobody has told the session that it is there.
    let entry = Entry::Input { by: Actor::User("ada".into()), content: said("hurry") };
    let (id, at) = (session.id, Timestamp::default());
    let append =
        Append { org: OrgId::LOCAL, session: id, fence: None, at, entries: vec![entry], key: None, events: vec![] };
    stage.store.append(append).await.unwrap();
    stage.seen.open.notify_one();
    assert_eq!(stage.ends.recv().await, Some(End::Completed(json!("done"))));
    {
        let requests = stage.seen.requests.lock().unwrap();
        let told: Vec<bool> =
            requests.iter().map(|request| format!("{:?}", request.messages).contains("hurry")).collect();
        assert_eq!(told, [false, false, true]);
    }
    let entries = stage.sessions.entries(OrgId::LOCAL, session.id).await.unwrap();
    let again = replay(OrgId::LOCAL, &entries).unwrap();
    assert_eq!((again.turns, again.calls, again.divergences.as_slice()), (3, 2, [].as_slice()));
}

#[tokio::test]
async fn a_replay_comes_to_the_same_and_finds_what_was_changed() {
    let mut stage = Stage::new(vec![call("1", "fs_list"), Turn::Break, call("2", "mail_send"), Turn::Say("done")]);
    let session = stage.start().await;
    stage.ends.recv().await.unwrap();
    let mut entries = stage.sessions.entries(OrgId::LOCAL, session.id).await.unwrap();
    let again = replay(OrgId::LOCAL, &entries).unwrap();
    assert_eq!((again.turns, again.calls, again.next.as_str()), (3, 2, "finish"), "{again:?}");
    assert_eq!((again.outcome, again.divergences.as_slice()), (json!("done"), [].as_slice()));
    let tampered = entries.iter_mut().find_map(|numbered| match &mut numbered.entry {
        Entry::Returned { result, .. } => Some(result),
        _ => None,
    });
    tampered.unwrap().content.clear();
    assert_eq!(replay(OrgId::LOCAL, &entries).unwrap().divergences.len(), 3);
    entries.remove(4);
    assert!(replay(OrgId::LOCAL, &entries).is_err());
}

#[tokio::test]
async fn what_is_said_and_done_is_told_while_it_happens() {
    let stage = Stage::new(vec![call("1", "fs_list"), Turn::Say("all is well")]);
    let filter = Filter::parse(["stream.*", "tool.*"]).unwrap();
    let mut told = stage.hub.subscribe(OrgId::LOCAL, filter).await.unwrap();
    stage.start().await;
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "stream.end") {
        let Delivery::Transient(piece) = told.next().await.unwrap() else { panic!("none of it is stored") };
        names.push(piece.name.to_string());
    }
    assert_eq!(names, ["stream.start", "tool.request", "tool.status", "tool.result", "stream.chunk", "stream.end"]);
}
