use orchestrator_sessions::{Repeat, Verdict};
use orchestrator_transcript::{Content, Digest, ToolCall, ToolResult};
use orchestrator_vocab::{Actor, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{Circles, Limits};

/// A journal under construction.
struct Journal(Vec<Numbered>);

impl Journal {
    fn begun(limits: Limits) -> Self {
        let profile = serde_json::to_value(Profile { limits, ..Profile::default() }).unwrap();
        let message = Message::user(Label::USER, "count the files");
        Self(Vec::new()).with(Entry::Began { runtime: "llm".into(), profile, message })
    }

    fn with(mut self, entry: Entry) -> Self {
        let number = self.0.len() as u64 + 1;
        self.0.push(Numbered { number, at: Timestamp::default(), entry });
        self
    }

    fn asked(self) -> Self {
        let upto = self.0.len() as u64;
        let request = self.conversation().request(OrgId::LOCAL).digest();
        self.with(Entry::Asked { request, upto, model: None })
    }

    fn says(self, reason: StopReason, content: Vec<Content>) -> Self {
        let content = content.into_iter().map(|content| Block::new(Label::USER, content)).collect();
        let message = Message { role: Role::Assistant, content, origin: None };
        let usage = Usage { input: 10, output: 5, ..Usage::default() };
        self.with(Entry::Answered { message, usage, stop: Stop::new(reason, "raw"), trace: None })
    }

    fn text(self, reason: StopReason, text: &str) -> Self {
        self.says(reason, vec![Content::Text { text: text.into() }])
    }

    fn calls(self, ids: &[&str]) -> Self {
        let call = |id: &&str| Content::ToolCall(ToolCall::parse(*id, "fs_list", r#"{"path":"."}"#));
        self.says(StopReason::ToolUse, ids.iter().map(call).collect())
    }

    fn calling(self, id: &str, repeat: Repeat) -> Self {
        let digest = Digest::of(&json!(id)).unwrap();
        self.with(Entry::Calling { call: id.into(), tool: "fs.list".into(), digest, key: "k".into(), repeat })
    }

    fn returned(self, id: &str, text: &str) -> Self {
        let result = ToolResult::text(id, text);
        self.with(Entry::Returned { result, label: Label::default(), millis: 1 })
    }

    fn input(self, text: &str) -> Self {
        self.with(Entry::Input { by: Actor::User("ada".into()), content: vec![Block::text(Label::USER, text)] })
    }

    fn note(self, next: Next) -> Self {
        let Next::Note { what, facts, message } = next else { panic!("{next:?} is no note") };
        self.with(Entry::Noted { what: what.into(), facts, message })
    }

    fn conversation(&self) -> Conversation {
        Conversation::of(&self.0).unwrap().unwrap()
    }

    fn next(&self) -> Next {
        self.conversation().next()
    }
}

fn begun() -> Journal {
    Journal::begun(Limits::default())
}

fn due(next: Next) -> Vec<String> {
    match next {
        Next::Call(due) => due.into_iter().map(|due| due.call.id).collect(),
        next => panic!("{next:?} is no call"),
    }
}

#[test]
fn it_asks_calls_asks_again_and_finishes() {
    let journal = begun();
    assert_eq!(journal.next(), Next::Ask);
    let journal = journal.asked().calls(&["a", "b"]);
    assert_eq!(due(journal.next()), ["a", "b"]);
    let journal = journal.calling("a", Repeat::Harmless).returned("a", "1").calling("b", Repeat::Effective);
    let journal = journal.returned("b", "2");
    assert_eq!(journal.next(), Next::Ask);
    let journal = journal.asked().text(StopReason::EndTurn, "two files");
    assert_eq!(journal.next(), Next::Finish { result: json!("two files") });
    let told = &journal.conversation().messages;
    assert_eq!(told.iter().map(|message| message.content.len()).collect::<Vec<_>>(), [1, 2, 2, 1]);
}

#[test]
fn an_answer_that_is_an_object_is_one() {
    let journal = begun().asked().text(StopReason::EndTurn, " {\"files\": 2}\n");
    assert_eq!(journal.next(), Next::Finish { result: json!({ "files": 2 }) });
}

#[test]
fn a_call_that_may_have_been_made_is_repeated_only_if_that_is_harmless() {
    let open = begun().asked().calls(&["a", "b", "c"]).calling("a", Repeat::Harmless).calling("b", Repeat::Keyed);
    let open = open.calling("c", Repeat::Effective);
    assert_eq!(due(open.next()), ["a", "b"]);
    let waits = open.returned("a", "1").returned("b", "2");
    assert!(matches!(waits.next(), Next::Wait { reason } if reason.contains("the call c of fs_list")));
    let settle = |journal: Journal, verdict| {
        journal.with(Entry::Settled { call: "c".into(), by: Actor::User("ada".into()), verdict })
    };
    let waits_again = Journal(waits.0.clone());
    assert_eq!(due(settle(waits_again, Verdict::Repeat).next()), ["c"]);
    match settle(waits, Verdict::Done { result: "it was".into() }).next() {
        Next::Call(due) => assert_eq!(due[0].what, What::Tell("it was".into())),
        next => panic!("{next:?}"),
    }
}

#[test]
fn a_call_that_waits_for_a_person_is_made_or_refused_as_they_say() {
    let awaiting = |journal: Journal, call: &str| {
        let (approval, reason) = (format!("approval of {call}"), "it waits".to_owned());
        journal.with(Entry::Awaiting { call: call.into(), approval, reason })
    };
    let ruled = |journal: Journal, call: &str, allowed| {
        let (approval, by) = (format!("approval of {call}"), Actor::User("bob".into()));
        journal.with(Entry::Ruled { call: call.into(), approval, by, allowed, reason: "bob said so".into() })
    };
    let journal = awaiting(begun().asked().calls(&["a", "b"]), "a");
    assert_eq!(due(journal.next()), ["b"], "the other one need not wait");
    let journal = awaiting(journal, "b");
    assert!(matches!(journal.next(), Next::Wait { reason } if reason == "the call a of fs_list: it waits"));
    let stray = Entry::Ruled {
        call: "a".into(),
        approval: "of another call".into(),
        by: Actor::User("bob".into()),
        allowed: true,
        reason: String::new(),
    };
    let journal = ruled(journal.with(stray), "b", false);
    match journal.next() {
        Next::Call(due) => assert_eq!(due[0].what, What::Refuse("not allowed: bob said so".into())),
        next => panic!("{next:?}"),
    }
    let journal = ruled(journal.returned("b", "not allowed"), "a", true);
    assert_eq!(due(journal.next()), ["a"]);
    let journal = ruled(journal.calling("a", Repeat::Effective).returned("a", "1"), "a", false);
    assert_eq!(journal.next(), Next::Ask, "too late");
}

#[test]
fn what_a_person_says_is_told_with_the_next_request_behind_the_results() {
    let journal = begun().asked().calls(&["a"]).input("hurry").returned("a", "1");
    assert_eq!(journal.next(), Next::Ask);
    let asked = journal.asked();
    let last = asked.conversation().messages.last().unwrap().clone();
    assert!(matches!(last.content[0].content, Content::ToolResult(_)));
    assert_eq!(last.content[1].content.as_text(), Some("hurry"));
}

#[test]
fn what_a_person_says_keeps_a_session_from_finishing() {
    let journal = begun().asked().text(StopReason::EndTurn, "done").input("and the tests?");
    assert_eq!(journal.next(), Next::Ask);
    let said = journal.asked().text(StopReason::EndTurn, "those too");
    assert_eq!(said.next(), Next::Finish { result: json!("those too") });
}

#[test]
fn what_came_after_a_request_was_made_is_not_taken_for_part_of_it() {
    let journal = begun();
    let request = journal.conversation().request(OrgId::LOCAL).digest();
    let journal = journal.input("late").with(Entry::Asked { request, upto: 1, model: None });
    assert_eq!(journal.conversation().messages.len(), 1);
    assert_eq!(journal.conversation().messages[0].content.len(), 1);
    let next = journal.text(StopReason::EndTurn, "first").asked();
    assert_eq!(next.conversation().messages.last().unwrap().text(), "late");
}

#[test]
fn an_answer_that_is_cut_off_is_gone_on_with_and_is_one() {
    let limits = Limits { continuations: 1, ..Limits::default() };
    let cut = Journal::begun(limits).asked().text(StopReason::MaxTokens, "one ");
    let next = cut.next();
    let cut = cut.note(next).asked();
    let cut_again = Journal(cut.0.clone()).text(StopReason::MaxTokens, "two ");
    assert!(matches!(cut_again.next(), Next::Fail { error } if error.contains("cut off 2 times")));
    assert_eq!(cut.text(StopReason::EndTurn, "two").next(), Next::Finish { result: json!("one two") });
}

#[test]
fn limits_end_it_with_their_name() {
    let limits = Limits { turns_max: 1, ..Limits::default() };
    let journal = Journal::begun(limits).asked().calls(&["a"]).returned("a", "1");
    assert!(matches!(journal.next(), Next::Fail { error } if error.contains("turnsMax")));
    let limits = Limits { tokens_max: Some(15), ..Limits::default() };
    let journal = Journal::begun(limits).asked().calls(&["a"]).returned("a", "1");
    assert!(matches!(journal.next(), Next::Fail { error } if error.contains("tokensMax")));
}

#[test]
fn an_agent_in_circles_is_told_then_stopped_or_a_person_is_asked() {
    let round = |journal: Journal| journal.asked().calls(&["a"]).returned("a", "the same");
    for then in [Then::Stop, Then::Ask] {
        let circles = Circles { same_calls: 2, nudges: 1, then, ..Circles::default() };
        let journal = round(round(Journal::begun(Limits { circles, ..Limits::default() })));
        let nudge = journal.next();
        assert!(matches!(&nudge, Next::Note { what: "circles", message: Some(_), .. }), "{nudge:?}");
        let journal = round(round(journal.note(nudge)));
        match then {
            Then::Stop => assert!(matches!(journal.next(), Next::Fail { error } if error.contains("circles"))),
            Then::Ask => {
                let ask = journal.next();
                let waits = journal.note(ask);
                assert!(matches!(waits.next(), Next::Wait { .. }));
                assert_eq!(waits.input("try the other way").next(), Next::Ask);
            }
        }
    }
}

#[test]
fn a_refusal_fails_in_the_models_words() {
    let refusal = StopReason::Refusal { category: Some("cyber".into()), explanation: None };
    assert_eq!(begun().asked().text(refusal, "no").next(), fail("the model refused: cyber"));
}

#[test]
fn more_calls_than_one_answer_may_ask_for_are_refused() {
    let limits = Limits { calls_per_answer: 1, ..Limits::default() };
    match Journal::begun(limits).asked().calls(&["a", "b"]).next() {
        Next::Call(due) => assert!(matches!(due[1].what, What::Refuse(_)) && due[0].what == What::Make),
        next => panic!("{next:?}"),
    }
}

/// A conversation whose first rounds are summed up, and by which entry.
fn summed_up() -> (Journal, u64) {
    let circles = Circles { same_calls: 0, idle_turns: 0, idle_tokens: 0, ..Circles::default() };
    let limits = Limits { context_tokens: 1_000, circles, ..Limits::default() };
    let profile = serde_json::to_value(Profile { limits, compact_at: 800, ..Profile::default() }).unwrap();
    let message = Message::user(Label::USER, "count the files");
    let mut journal = Journal(Vec::new()).with(Entry::Began { runtime: "llm".into(), profile, message });
    for round in 0..8 {
        let id = format!("c{round}");
        let call = Content::ToolCall(ToolCall::parse(&id, "fs_list", r#"{"path":"."}"#));
        let content = vec![Block::new(Label::USER, call)];
        // Nobody counts: what is estimated is what it is.
        let answered = Entry::Answered {
            message: Message { role: Role::Assistant, content, origin: None },
            usage: Usage::default(),
            stop: Stop::new(StopReason::ToolUse, "raw"),
            trace: None,
        };
        journal = journal.asked().with(answered).calling(&id, Repeat::Harmless).returned(&id, &"x".repeat(400));
    }
    let mut conversation = journal.conversation();
    conversation.gather(conversation.last);
    let (upto, _) = conversation.stretch().expect("it is too long");
    let summed = Summed {
        upto,
        summary: Block::text(Label::USER, "there are files"),
        beside: Vec::new(),
        known: conversation.last,
        usage: Usage { input: 7, output: 3, ..Usage::default() },
        more: Value::Null,
    };
    let facts = json!(summed);
    let journal = journal.with(Entry::Noted { what: noted::COMPACTED.into(), facts, message: None });
    let entry = journal.0.len() as u64;
    (journal, entry)
}

fn taken_back(journal: Journal, entry: u64) -> Journal {
    journal.with(Entry::Noted { what: noted::REVERTED.into(), facts: json!(TakenBack { entry }), message: None })
}

fn asked_for(journal: &Journal) -> String {
    let mut conversation = journal.conversation();
    conversation.deliver(conversation.last);
    format!("{:?}", conversation.request(OrgId::LOCAL).messages)
}

#[test]
fn a_summary_that_is_taken_back_is_not_shown_from_the_next_request_on() {
    let (journal, entry) = summed_up();
    let used = journal.conversation().usage;
    assert_eq!((used.input, used.output), (7, 3), "what making it cost is a part of it");
    assert!(asked_for(&journal).contains("there are files") && !asked_for(&journal).contains("c0"));
    let mut conversation = journal.conversation();
    conversation.gather(conversation.last);
    let without = conversation.length_without(entry);
    let reverted = taken_back(journal, entry);
    assert!(asked_for(&reverted).contains("c0") && !asked_for(&reverted).contains("there are files"));
    let mut conversation = reverted.conversation();
    conversation.gather(conversation.last);
    assert_eq!((conversation.summaries(), conversation.length().0), (Vec::new(), without));
    assert_eq!(conversation.stretch(), None, "it is not summed up at once again");
    // Replayed from the beginning, each request is the same.
    let asked = |journal: Journal| {
        let upto = journal.0.len() as u64;
        let mut conversation = journal.conversation();
        conversation.deliver(upto);
        let request = conversation.request(OrgId::LOCAL).digest();
        journal.with(Entry::Asked { request, upto, model: None })
    };
    let replayed = crate::replay(OrgId::LOCAL, &asked(reverted).text(StopReason::EndTurn, "eight").0).unwrap();
    assert_eq!(replayed.next, "finish");
    assert_eq!(replayed.divergences.iter().filter(|one| one.number > entry).count(), 0, "{:?}", replayed.divergences);
}

#[test]
fn a_summary_that_was_made_while_the_one_before_was_taken_back_does_not_stand_either() {
    let (journal, first) = summed_up();
    let known = journal.0.len() as u64;
    let journal = taken_back(journal, first);
    let again = |known: u64| Summed {
        upto: 13,
        summary: Block::text(Label::USER, "again"),
        beside: Vec::new(),
        known,
        usage: Usage::default(),
        more: Value::Null,
    };
    let noted = |summed: Summed| Entry::Noted { what: noted::COMPACTED.into(), facts: json!(summed), message: None };
    let unaware = Journal(journal.0.clone()).with(noted(again(known)));
    assert!(asked_for(&unaware).contains("c0") && !asked_for(&unaware).contains("again"));
    let aware = journal.with(noted(again(known + 1)));
    assert!(asked_for(&aware).contains("again"), "it was made of what was shown then");
}

fn any_entry() -> impl Strategy<Value = u8> {
    0_u8..8
}

proptest! {
    /// Whatever happens in whatever order: what is next is the same for the same entries, however they were read.
    #[test]
    fn a_conversation_is_what_its_entries_are(script in proptest::collection::vec(any_entry(), 0..40)) {
        let mut journal = begun();
        for step in script {
            journal = match step {
                0 | 1 => journal.asked().calls(&["a", "b"]),
                2 => journal.asked().text(StopReason::EndTurn, "words"),
                3 => journal.input("hello"),
                4 => journal.asked().text(StopReason::MaxTokens, "cut"),
                _ => match journal.next() {
                    Next::Call(due) => journal.returned(&due[0].call.id, "ok"),
                    note @ Next::Note { .. } => journal.note(note),
                    _ => journal,
                },
            };
        }
        let mut one_by_one = Conversation::begin(&journal.0[0]).unwrap();
        for entry in &journal.0[1..] {
            one_by_one.apply(entry).unwrap();
            // Looking changes nothing.
            one_by_one.next();
        }
        let (mut a, mut b) = (one_by_one, journal.conversation());
        prop_assert_eq!(a.next(), b.next());
        a.deliver(a.last);
        b.deliver(b.last);
        prop_assert_eq!(a.request(OrgId::LOCAL), b.request(OrgId::LOCAL));
        let roles: Vec<Role> = b.messages.iter().map(|message| message.role).collect();
        prop_assert!(roles.windows(2).all(|pair| pair[0] != Role::User || pair[1] != Role::User));
    }
}
