use orchestrator_vocab::{Actor, OrgId, Timestamp};
use serde_json::json;

use super::*;
use crate::{Draft, Memory};

fn memory(draft: Draft) -> Memory {
    draft.into_memory(OrgId::LOCAL, Actor::system("test"), Timestamp(0)).unwrap()
}

/// The line, the text and the topics of each note.
#[track_caller]
fn check(content: &str, expected: &[(u64, &str, &[&str])]) {
    let read = read(content);
    let found: Vec<(u64, &str, Vec<&str>)> = read
        .iter()
        .map(|entry| {
            let said = entry.said.as_ref().unwrap();
            (entry.line, said.text.as_str(), said.topics.iter().map(String::as_str).collect())
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(|(line, text, topics)| (*line, *text, topics.to_vec())).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn wrong(content: &str, line: u64, problem: &str) {
    let read = read(content).remove(0);
    let said = read.said.unwrap_err();
    assert!(read.line == line && said.contains(problem), "{}: {said}", read.line);
}

#[test]
fn each_paragraph_and_each_item_is_a_note_about_the_headings_above_it() {
    check(
        "# Project\nWe deploy\non Tuesdays.\n\n## Ports\n- staging: 6432\n* live: 6433\n\n## Style ##\nNo prose.\n",
        &[
            (2, "We deploy\non Tuesdays.", &["Project"]),
            (6, "staging: 6432", &["Ports", "Project"]),
            (7, "live: 6433", &["Ports", "Project"]),
            (10, "No prose.", &["Project", "Style"]),
        ],
    );
    check("Title\n=====\none\n\nOther\n---\ntwo\n", &[(3, "one", &["Title"]), (7, "two", &["Other", "Title"])]);
    check("- one\r\n- two\r\n", &[(1, "one", &[]), (2, "two", &[])]);
}

#[test]
fn what_is_indented_below_an_item_belongs_to_it() {
    check(
        "- deploy\n  - on Tuesdays\n  - never on Fridays\n\n  after the meeting\n- other\n\nText.\n",
        &[
            (1, "deploy\n- on Tuesdays\n- never on Fridays\n\nafter the meeting", &[]),
            (6, "other", &[]),
            (8, "Text.", &[]),
        ],
    );
    check("- a\n\t- b\n", &[(1, "a\n- b", &[])]);
    check("1. build\n2. test\n", &[(1, "1. build\n2. test", &[])]);
}

#[test]
fn code_is_one_note_whatever_is_in_it_and_comments_are_none() {
    check(
        "Run it:\n```sh\n# no heading\n\n- no item\n```\n\n---\n<!-- not\nthis -->\n* * *\nlast\n",
        &[(1, "Run it:\n```sh\n# no heading\n\n- no item\n```", &[]), (12, "last", &[])],
    );
    check("- run\n  ~~~\n  x\n    y\n  ~~~\n- two\n", &[(1, "run\n~~~\nx\n  y\n~~~", &[]), (6, "two", &[])]);
    wrong("\n# Only a heading\n", 1, "expected a paragraph");
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let ours = "memoryId: memory_00000000000070008000000000000001";
    wrong("---\nmemoryId: 7\n---\nx", 2, "memoryId: expected memory_ and 32 hexadecimal digits");
    wrong(&format!("---\n{ours}\ntier: forever\n---\nx"), 3, "tier: expected scratchpad, episodic or semantic");
    wrong(&format!("---\n{ours}\ntype: fact\nvalidTo: soon\n---\nx"), 4, "validTo: expected a time");
    wrong("---\na: 1\na: 2\n---\nx", 3, "duplicate");
    wrong("---\na: [1\n---\nx", 2, "unclosed bracket");
    wrong("---\na: &x 1\nb: *x\n---\nx", 2, "");
}

#[test]
fn what_others_say_otherwise_is_kept_and_told() {
    let entry = read(
        "---\nname: tables\ntype: feedback\nimportance: 0.5\npeople: Ada\nmetadata:\n  node: memory\nstate: draft\n---\n\nNo prose.\n",
    )
    .remove(0);
    let said = entry.said.unwrap();
    assert_eq!((said.text.as_str(), said.kind, said.importance), ("No prose.", None, Some(0.5)));
    assert_eq!(said.people.into_iter().collect::<Vec<_>>(), ["Ada"]);
    let metadata = json!({ "name": "tables", "node": "memory", "state": "draft", "type": "feedback" });
    assert_eq!(serde_json::Value::Object(said.metadata), metadata);
    assert_eq!(entry.notes, ["name", "state", "type"].map(|key| format!("`{key}` is kept as metadata")));
}

#[test]
fn a_file_can_be_read_by_people() {
    let draft = Draft {
        people: ["Ada".to_owned()].into(),
        confidence: 0.9,
        metadata: json!({ "line": "a\u{2028}b" }).as_object().unwrap().clone(),
        ..Draft::fact("No prose.\n---\n")
    };
    let memory = memory(draft);
    let file = MarkdownFile::of(&memory);
    let expected = format!(
        "---\nmemoryId: {}\ntier: semantic\ntype: fact\nscope: organisation\nconfidence: 0.9\nimportance: 0.6\n\
         people: [\"ada\"]\nmetadata: {{\"line\":\"a\\u2028b\"}}\nstate: active\n\
         label: {{\"confidentiality\":\"internal\",\"integrity\":\"user\"}}\nby: system:test\n\
         at: \"1970-01-01T00:00:00.000Z\"\n---\n\nNo prose.\n---\n\n",
        memory.id
    );
    assert_eq!(file.content, expected);
    assert_eq!(file.memory(), Some(memory.id));
    assert!(file.holds("ADA") && file.holds("no prose") && !file.holds("ad") && !file.holds("!"));
    let elsewhere = MarkdownFile { path: "notes.md".into(), ..file.clone() };
    assert_eq!(elsewhere.memory(), None);
    let said = read(&file.content.replace('\n', "\r\n")).remove(0).said.unwrap();
    assert_eq!(said.text, memory.text, "an editor that ends lines otherwise changes nothing");
}

#[test]
fn the_index_links_every_file_and_is_no_note() {
    let files =
        [Draft::fact("See [this](x) *now*\nmore"), Draft::new(crate::Tier::Semantic, crate::Kind::Decision, "y")];
    let files = files.map(|draft| MarkdownFile::of(&memory(draft)));
    let page = index(&files);
    let expected = format!(
        "---\nindex: orchestrator-memory\n---\n\n# Memory\n\n## decision\n\n- [y]({})\n\n## fact\n\n\
         - [See \\[this\\](x) \\*now\\*]({})\n",
        files[1].path, files[0].path
    );
    assert_eq!(page, expected);
    assert!(is_index(&page) && read(&page).is_empty() && !is_index("# Memory\n"));
}
