//! What is sent by itself, and what is summed up. Pure.

use crate::{Message, Severity};

/// How many titles a summary has.
const TITLES_MAX: usize = 10;

/// Splits what waits into what is sent: as much as possible by itself, the rest together in the last.
pub(crate) fn parts<T>(mut waiting: Vec<T>, slots: usize) -> Vec<Vec<T>> {
    let alone = if waiting.len() <= slots { waiting.len() } else { slots.saturating_sub(1) };
    let rest = waiting.split_off(alone);
    let mut parts: Vec<Vec<T>> = waiting.into_iter().map(|one| vec![one]).collect();
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

/// One message that tells of several: by the first of the worst of them.
pub(crate) fn summary(messages: &[&Message]) -> Option<Message> {
    let worst = messages.iter().map(|message| message.severity).max()?;
    let head = messages.iter().find(|message| message.severity == worst)?;
    let more = messages.len() - 1;
    if more == 0 {
        return Some((*head).clone());
    }
    let line = |message: &&Message| format!("[{}] {}", message.severity.as_str(), message.title);
    let mut lines: Vec<String> = messages.iter().take(TITLES_MAX).map(line).collect();
    if messages.len() > TITLES_MAX {
        lines.push(format!("and {} more", messages.len() - TITLES_MAX));
    }
    let count = |severity: Severity| messages.iter().filter(|message| message.severity == severity).count();
    let facts = [Severity::Critical, Severity::Warning, Severity::Info]
        .into_iter()
        .filter(|severity| count(*severity) > 0)
        .map(|severity| (severity.as_str().to_owned(), count(severity).to_string()));
    Some(Message {
        id: head.id.clone(),
        topic: "summary".to_owned(),
        key: String::new(),
        severity: worst,
        title: format!("{} (and {more} more)", head.title),
        text: lines.join("\n"),
        facts: facts.collect(),
        time: head.time,
    })
}

#[cfg(test)]
mod tests {
    use orchestrator_vocab::Timestamp;

    use super::*;

    #[track_caller]
    fn check(waiting: usize, slots: usize, expected: &[usize]) {
        let lengths: Vec<usize> = parts(vec![(); waiting], slots).iter().map(Vec::len).collect();
        assert_eq!(lengths, expected);
    }

    #[test]
    fn as_many_as_may_be_are_sent_by_themselves() {
        check(0, 3, &[]);
        check(2, 3, &[1, 1]);
        check(3, 3, &[1, 1, 1]);
        check(4, 3, &[1, 1, 2]);
        check(5, 1, &[5]);
    }

    #[test]
    fn a_summary_tells_of_the_worst_first_and_of_how_many_more() {
        let message = |n: usize, severity| Message {
            id: format!("m{n}"),
            topic: "a.b".into(),
            key: "k".into(),
            severity,
            title: format!("title {n}"),
            text: String::new(),
            facts: Vec::new(),
            time: Timestamp(0),
        };
        let mut all: Vec<Message> = (0..12).map(|n| message(n, Severity::Info)).collect();
        all[4].severity = Severity::Critical;
        let said = summary(&all.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!((said.id.as_str(), said.title.as_str()), ("m4", "title 4 (and 11 more)"));
        assert!(said.text.starts_with("[info] title 0\n") && said.text.ends_with("\nand 2 more"), "{}", said.text);
        assert_eq!(said.facts, [("critical".into(), "1".into()), ("info".into(), "11".into())]);
        assert_eq!(summary(&[&all[0]]).as_ref(), Some(&all[0]));
        assert_eq!(summary(&[]), None);
    }
}
