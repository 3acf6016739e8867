use orchestrator_transcript::{Role, ToolCall};

use super::*;

fn conversation(rounds: usize, result_bytes: usize) -> Vec<Message> {
    let mut messages = vec![Message::user(Label::USER, "the task")];
    for round in 0..rounds {
        let id = round.to_string();
        let call = Content::ToolCall(ToolCall::parse(id.clone(), "read", "{}"));
        let said = Message { role: Role::Assistant, content: vec![Block::new(Label::USER, call)], origin: None };
        let result = Content::ToolResult(ToolResult::text(id, "x".repeat(result_bytes)));
        let told = Message { role: Role::User, content: vec![Block::new(Label::USER, result)], origin: None };
        messages.extend([said, told]);
    }
    messages
}

fn size(messages: &[Message]) -> u64 {
    messages.iter().map(|message| tokens(message, false)).sum()
}

#[test]
fn what_fits_is_shown_as_it_is() {
    let messages = conversation(10, 100);
    let mut window = Window::new(10_000, 0);
    window.fit(&messages, "", &[]);
    assert_eq!(window.view(&messages), messages);
}

#[test]
fn old_results_go_first_and_the_newest_stays() {
    let messages = conversation(10, 4_000);
    let mut window = Window::new(6_000, 0);
    window.fit(&messages, "", &[]);
    let view = window.view(&messages);
    assert_eq!(view.len(), messages.len());
    assert!(size(&view) <= 6_000);
    assert_eq!(view.last(), messages.last());
    assert_ne!(view[2], messages[2]);
}

#[test]
fn then_whole_rounds_go_with_their_results_and_the_task_stays() {
    let messages = conversation(400, 100);
    let mut window = Window::new(2_000, 0);
    window.fit(&messages, "", &[]);
    let view = window.view(&messages);
    assert!(size(&view) <= 2_000, "{}", size(&view));
    assert!(view[0].text().starts_with("the task[") && view[1].role == Role::Assistant);
    for pair in view[1..].chunks(2) {
        let Content::ToolResult(result) = &pair[1].content[0].content else { panic!("a call without its result") };
        assert_eq!(pair[0].tool_calls().next().map(|call| call.id.as_str()), Some(result.call_id.as_str()));
    }
}

#[test]
fn room_is_made_for_several_requests_at_once() {
    let mut messages = conversation(30, 1_000);
    let mut window = Window::new(6_000, 0);
    window.fit(&messages, "", &[]);
    let before = window.view(&messages);
    messages.extend(conversation(1, 1_000).split_off(1));
    window.fit(&messages, "", &[]);
    let after = window.view(&messages);
    assert_eq!(after[..before.len()], before);
}

#[test]
fn what_the_provider_counts_corrects_the_guess() {
    let messages = conversation(10, 4_000);
    let mut window = Window::new(12_000, 0);
    window.fit(&messages, "", &[]);
    assert_eq!(window.view(&messages), messages);
    window.measured(24_000);
    window.fit(&messages, "", &[]);
    assert_ne!(window.view(&messages), messages);
}

#[test]
fn a_model_that_finds_it_too_long_gets_less() {
    let messages = conversation(10, 4_000);
    let mut window = Window::new(1_000_000, 0);
    window.fit(&messages, "", &[]);
    window.shorten();
    window.fit(&messages, "", &[]);
    assert!(size(&window.view(&messages)) < size(&messages) * 7 / 10);
}

#[test]
fn what_is_summed_up_is_shown_as_its_summary_and_is_summed_up_again_with_what_came_later() {
    let mut messages = conversation(10, 4_000);
    let mut window = Window::new(10_000, 800);
    assert_eq!(Window::new(10_000, 0).stretch(&messages, "", &[]), None, "never");
    assert_eq!(window.stretch(&messages[..5], "", &[]), None, "there is room");
    let upto = window.stretch(&messages, "", &[]).unwrap();
    assert!(upto % 2 == 1 && messages[upto].role == Role::Assistant, "{upto}");
    assert_eq!(window.to_sum_up(&messages, upto), messages[1..upto]);
    let summary = Block::text(Label::USER, "what happened before");
    let notes = Block::text(Label::USER, "notes");
    window.compacted(7, Summary { block: summary.clone(), beside: vec![notes.clone()], upto });
    assert_eq!(window.stretch(&messages, "", &[]), None, "there is room again");
    window.fit(&messages, "", &[]);
    let view = window.view(&messages);
    assert_eq!(view[0].content[1..], [summary.clone(), notes]);
    assert_eq!(view[1..], messages[upto..]);
    messages.extend(conversation(10, 4_000).split_off(1));
    let later = window.stretch(&messages, "", &[]).unwrap();
    let again = window.to_sum_up(&messages, later);
    assert_eq!((again[0].content.first(), &again[1..]), (Some(&summary), &messages[upto..later]));
}

#[test]
fn a_summary_that_is_taken_back_is_made_again_only_when_there_is_no_room_left() {
    let mut messages = conversation(10, 3_400);
    let mut window = Window::new(10_000, 800);
    let upto = window.stretch(&messages, "", &[]).unwrap();
    let summary = |text: &str| Block::text(Label::USER, text);
    window.compacted(7, Summary { block: summary("one"), beside: Vec::new(), upto });
    window.take_back(8);
    assert_eq!(window.standing().collect::<Vec<_>>(), [7], "there is no such summary");
    window.take_back(7);
    window.fit(&messages, "", &[]);
    assert_eq!(window.view(&messages), messages);
    assert_eq!(window.stretch(&messages, "", &[]), None, "it would be the same again");
    messages.extend(conversation(3, 3_400).split_off(1));
    let later = window.stretch(&messages, "", &[]).unwrap();
    window.compacted(20, Summary { block: summary("two"), beside: Vec::new(), upto: later });
    messages.extend(conversation(10, 3_400).split_off(1));
    let last = window.stretch(&messages, "", &[]).unwrap();
    window.compacted(30, Summary { block: summary("three"), beside: Vec::new(), upto: last });
    let mut both = window.clone();
    window.take_back(30);
    assert_eq!(window.view(&messages)[0].content.last(), Some(&summary("two")));
    both.take_back(20);
    assert_eq!(both.standing().count(), 0, "what was made of it goes with it");
    assert_eq!(both.view(&messages), messages);
}
