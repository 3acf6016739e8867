use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::StopReason;

fn start() -> StreamEvent {
    let origin = Origin { provider: "p".into(), model: "m".into() };
    StreamEvent::Start { origin, id: Some("answer".into()) }
}

fn end() -> StreamEvent {
    StreamEvent::End { stop: Stop::new(StopReason::EndTurn, "stop") }
}

fn text_block(index: u32) -> StreamEvent {
    StreamEvent::BlockStart { index, block: Opening::Text }
}

fn text(index: u32, more: &str) -> StreamEvent {
    StreamEvent::Delta { index, delta: Delta::Text(more.into()) }
}

#[track_caller]
fn refused(events: impl IntoIterator<Item = StreamEvent>, expected: &Misplaced) {
    let mut accumulator = Accumulator::new(Label::USER);
    let refusal = events.into_iter().find_map(|event| accumulator.push(event).err());
    assert_eq!(refusal.as_ref(), Some(expected));
}

#[test]
fn events_at_the_wrong_time_are_refused() {
    refused([text_block(0)], &Misplaced::Order("an event before the start"));
    refused([start(), start()], &Misplaced::Order("a second start"));
    refused([start(), end(), end()], &Misplaced::Order("an event after the end"));
    refused([start(), text(0, "a")], &Misplaced::NotOpen(0));
    refused([start(), text_block(1), text_block(0)], &Misplaced::Reopened(0));
    refused([start(), text_block(0), StreamEvent::BlockStop { index: 0 }, text(0, "a")], &Misplaced::NotOpen(0));
    refused([start(), text_block(0), end()], &Misplaced::StillOpen(0));
    let arguments = StreamEvent::Delta { index: 0, delta: Delta::Arguments("{".into()) };
    refused([start(), text_block(0), arguments], &Misplaced::Kind(0));
}

#[test]
fn an_answer_without_its_end_is_none() {
    let mut accumulator = Accumulator::new(Label::USER);
    for event in [start(), text_block(0), text(0, "almost"), StreamEvent::BlockStop { index: 0 }] {
        accumulator.push(event).unwrap();
    }
    assert!(!accumulator.is_whole());
    assert_eq!(accumulator.finish(), Err(Unfinished));
}

#[test]
fn an_answer_is_bounded() {
    let long = "x".repeat(BYTES_MAX);
    refused([start(), text_block(0), text(0, &long), text(0, "x")], &Misplaced::TooLong);
}

#[test]
fn a_later_usage_replaces_an_earlier_one() {
    let mut accumulator = Accumulator::new(Label::USER);
    let usage = |output| StreamEvent::Usage { usage: Usage { input: 3, output, ..Usage::default() } };
    for event in [start(), usage(1), usage(5), end()] {
        accumulator.push(event).unwrap();
    }
    assert_eq!(accumulator.finish().unwrap().usage, Usage { input: 3, output: 5, ..Usage::default() });
}

fn arguments() -> impl Strategy<Value = Value> {
    let value = prop_oneof![any::<i32>().prop_map(Value::from), ".{0,12}".prop_map(Value::from), Just(json!([null]))];
    proptest::collection::btree_map("[a-z]{1,4}", value, 0..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        ".{0,24}".prop_map(|text| Content::Text { text }),
        (".{0,24}", proptest::option::of("[a-z]{1,8}"))
            .prop_map(|(text, signature)| Content::Thinking { text, signature }),
        "[a-z]{1,8}".prop_map(|data| Content::RedactedThinking { data }),
        ("[a-z]{1,6}", "[a-z_]{1,6}", arguments())
            .prop_map(|(id, name, arguments)| { Content::ToolCall(ToolCall { id, name, arguments, malformed: None }) }),
        ("[a-z]{1,6}", r"\{[a-z]{0,6}").prop_map(|(id, written)| Content::ToolCall(ToolCall::parse(id, "x", &written))),
        any::<bool>().prop_map(|value| Content::Opaque { provider: "p".into(), value: value.into() }),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    (proptest::collection::vec(content(), 0..5), 0_u64..1_000).prop_map(|(contents, output)| {
        let content = contents.into_iter().map(|content| Block::new(Label::USER, content)).collect();
        let origin = Origin { provider: "p".into(), model: "m".into() };
        Reply {
            message: Message { role: Role::Assistant, content, origin: Some(origin) },
            usage: Usage { output, ..Usage::default() },
            stop: Stop::new(StopReason::EndTurn, "stop"),
            id: None,
        }
    })
}

/// Cuts a delta where `cuts` says, also into nothing.
fn cut(delta: &Delta, cuts: &[prop::sample::Index]) -> Vec<Delta> {
    let chars: Vec<char> = delta.as_str().chars().collect();
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
    places.extend([0, chars.len()]);
    places.sort_unstable();
    let piece = |places: &[usize]| chars[places[0]..places[1]].iter().collect::<String>();
    let again = |text| match delta {
        Delta::Text(_) => Delta::Text(text),
        Delta::Thinking(_) => Delta::Thinking(text),
        Delta::Signature(_) => Delta::Signature(text),
        Delta::Arguments(_) => Delta::Arguments(text),
    };
    places.windows(2).map(|places| again(piece(places))).collect()
}

proptest! {
    #[test]
    fn pieces_make_the_whole(reply in reply(), cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut accumulator = Accumulator::new(Label::USER);
        for event in reply.clone().into_events() {
            match event {
                StreamEvent::Delta { index, delta } => {
                    for delta in cut(&delta, &cuts) {
                        accumulator.push(StreamEvent::Delta { index, delta }).unwrap();
                    }
                }
                event => accumulator.push(event).unwrap(),
            }
        }
        prop_assert_eq!(accumulator.finish(), Ok(reply));
    }

    /// As providers do that call several tools at once.
    #[test]
    fn blocks_may_be_filled_in_turns(texts in proptest::collection::vec("[a-z]{0,9}", 1..5)) {
        let mut accumulator = Accumulator::new(Label::USER);
        accumulator.push(start()).unwrap();
        let places = || (0..).zip(&texts);
        places().for_each(|(index, _)| accumulator.push(text_block(index)).unwrap());
        for turn in 0..9 {
            for (index, whole) in places() {
                let more = whole.get(turn..=turn).unwrap_or_default();
                accumulator.push(text(index, more)).unwrap();
            }
        }
        // From the last to the first: the order of their ends does not matter.
        for index in (0..texts.len()).rev() {
            accumulator.push(StreamEvent::BlockStop { index: u32::try_from(index).unwrap() }).unwrap();
        }
        accumulator.push(end()).unwrap();
        let said: Vec<String> = accumulator.finish().unwrap().message.content.iter()
            .map(|block| block.content.as_text().unwrap().to_owned()).collect();
        prop_assert_eq!(said, texts);
    }

    #[test]
    fn every_event_survives_its_json(reply in reply()) {
        for event in reply.into_events() {
            let json = serde_json::to_string(&event).unwrap();
            prop_assert_eq!(serde_json::from_str::<StreamEvent>(&json).unwrap(), event);
        }
    }
}
