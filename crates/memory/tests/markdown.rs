//! What is written as Markdown is read again as it was, and what is changed in it takes the place of what was there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use orchestrator_events::{Numbering, SqlLog};
use orchestrator_memory::{
    Counts, Draft, Error, Filter, Imported, Importing, Kind, MarkdownFile, Memories, MemoriesParts, Memory, Scope,
    SqlStore, State, Status, Tier,
};
use orchestrator_sql::{Database, Options};
use orchestrator_vocab::{Actor, Confidentiality, Integrity, Label, OrgId, SystemClock, Timestamp};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

async fn memories(bytes_max: u64) -> Memories {
    let numbering = Numbering::default();
    let options = Options { hook: Some(Arc::new(numbering.clone())), ..Options::default() };
    let database = Database::connect("sqlite::memory:", options).await.unwrap();
    SqlLog::open(database.clone(), &numbering).await.unwrap();
    let store = Arc::new(SqlStore::open(database).await.unwrap());
    let config = orchestrator_memory::Config { semantic_bytes_max: bytes_max, ..Default::default() };
    let parts =
        MemoriesParts { store, clock: Arc::new(SystemClock), config, embedder: None, summarizer: None, filter: None };
    Memories::new(parts).unwrap()
}

fn ada() -> Actor {
    Actor::User("ada".into())
}

/// As somebody who may do everything.
async fn import(memories: &Memories, org: OrgId, files: &[MarkdownFile], apply: bool) -> Result<Imported, Error> {
    let importing = Importing {
        files,
        scope: None,
        label: Label::USER,
        apply,
        restore_forgotten: false,
        sees: &|_| true,
        allows: &|draft, scope| Ok(Draft { scope: scope.unwrap_or_default(), ..draft }),
    };
    memories.import(org, &ada(), &importing).await
}

/// All of them, whatever their state.
async fn all(memories: &Memories, org: OrgId) -> Vec<Memory> {
    let states = vec![State::Active, State::Quarantined, State::Superseded];
    let listed = memories.list(org, &Filter { states, ..Filter::default() }, None, 1_000).await.unwrap();
    listed.into_iter().map(|(_, memory)| memory).collect()
}

fn files(memories: &[Memory]) -> Vec<MarkdownFile> {
    memories.iter().map(MarkdownFile::of).collect()
}

fn note(content: &str) -> MarkdownFile {
    MarkdownFile { path: "notes.md".into(), content: content.to_owned() }
}

fn statuses(imported: &Imported) -> Vec<Status> {
    imported.entries.iter().map(|entry| entry.status).collect()
}

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("---".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just(" \t ".to_owned()),
        Just("memoryId: x\n".to_owned()),
        Just("\u{2028}\u{feff}\u{85}\u{202e}\u{fffe}\u{10ffff}".to_owned()),
        Just("\"'\\#&*<<: [a]".to_owned()),
        "[a-z]{1,8}".prop_map(|word| format!("{word} ")),
        any::<String>(),
    ];
    vec(piece, 1..8).prop_map(|pieces| pieces.concat()).prop_filter("says something", |text| !text.trim().is_empty())
}

fn word() -> impl Strategy<Value = String> {
    text()
        .prop_map(|text| text[..text.floor_char_boundary(60)].to_owned())
        .prop_filter("a word", |w| !w.trim().is_empty())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // As they are after having been stored.
        any::<f64>().prop_map(|number| json!(number).to_string().parse().unwrap()),
        any::<String>().prop_map(Value::from),
        prop_oneof![Just("no"), Just("~"), Just("1e3"), Just("0x1f"), Just("<<"), Just("")].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn kind() -> impl Strategy<Value = (Tier, Kind)> {
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !kind.is_block()).collect();
    (prop_oneof![Just(Tier::Episodic), Just(Tier::Semantic)], proptest::sample::select(kinds))
}

fn draft() -> impl Strategy<Value = Draft> {
    let scope = prop_oneof![
        3 => Just(Scope::Organisation),
        1 => word().prop_map(Scope::User),
        1 => word().prop_map(Scope::Team),
        1 => Just(Scope::Agent("coder".parse().unwrap())),
    ];
    let label = (
        prop_oneof![Just(Integrity::Untrusted), Just(Integrity::User), Just(Integrity::Operator)],
        prop_oneof![Just(Confidentiality::Public), Just(Confidentiality::Internal), Just(Confidentiality::Secret)],
    );
    let label = label.prop_map(|(integrity, confidentiality)| Label { integrity, confidentiality });
    let state = prop_oneof![Just(State::Active), Just(State::Quarantined), Just(State::Superseded)];
    let time = || proptest::option::of((0..4_000_000_000_000_i64).prop_map(Timestamp));
    let shares = (0.0..=1.0_f32, 0.0..=1.0_f32);
    let words = (btree_set(word(), 0..3), btree_set(word(), 0..3), btree_set(word(), 0..3));
    let metadata = vec((any::<String>(), value()), 0..3).prop_map(|fields| fields.into_iter().collect::<Map<_, _>>());
    (kind(), text(), scope, label, state, shares, (time(), time()), words, metadata).prop_map(
        |((tier, kind), text, scope, label, state, (confidence, importance), (from, to), words, metadata)| Draft {
            scope,
            label,
            state,
            confidence,
            importance,
            valid_from: from.min(to.or(from)),
            valid_to: to.max(from.or(to)).filter(|_| to.is_some()),
            people: words.0,
            topics: words.1,
            sources: words.2,
            metadata,
            ..Draft::new(tier, kind, text)
        },
    )
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_exported_is_known_where_it_comes_from_and_says_the_same_elsewhere(drafts in vec(draft(), 1..6)) {
        RUNTIME.block_on(async {
            let memories = memories(1 << 30).await;
            let (here, there) = (OrgId::new(), OrgId::new());
            let stored = memories.store_many(here, &ada(), drafts).await.unwrap();
            let exported = files(&stored);
            let again = import(&memories, here, &exported, true).await.unwrap();
            prop_assert_eq!(again.counts, Counts { unchanged: stored.len(), ..Counts::default() }, "{:#?}", again);

            let moved = import(&memories, there, &exported, true).await.unwrap();
            prop_assert_eq!(moved.counts.added + moved.counts.unchanged, stored.len(), "{:#?}", moved);
            let texts = |all: &[Memory]| all.iter().map(|memory| memory.text.clone()).collect::<BTreeSet<_>>();
            let arrived = all(&memories, there).await;
            prop_assert_eq!(texts(&arrived), texts(&stored));
            let back = import(&memories, here, &files(&arrived), false).await.unwrap();
            prop_assert_eq!(back.counts.invalid, 0, "{:#?}", back);
            let twice = import(&memories, there, &exported, true).await.unwrap();
            prop_assert_eq!(twice.counts.unchanged, stored.len(), "{:#?}", twice);
            Ok(())
        })?;
    }

    #[test]
    fn no_file_is_too_strange_to_be_looked_at(content in text(), front in text()) {
        RUNTIME.block_on(async {
            let memories = memories(1 << 30).await;
            for content in [content.clone(), format!("---\n{front}\n---\n{content}")] {
                let first = import(&memories, OrgId::LOCAL, &[note(&content)], true).await.unwrap();
                let again = import(&memories, OrgId::LOCAL, &[note(&content)], true).await.unwrap();
                prop_assert_eq!(again.applied, 0, "{:#?}", first);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_is_changed_takes_the_place_of_what_was_there_and_a_second_change_that_of_the_first() {
    let memories = memories(1 << 30).await;
    let old = memories.store(OrgId::LOCAL, &ada(), Draft::fact("The port is 1.")).await.unwrap();
    let with = |text: &str| {
        let file = MarkdownFile::of(&old);
        vec![MarkdownFile { content: file.content.replace("The port is 1.", text), ..file }]
    };
    let told = import(&memories, OrgId::LOCAL, &with("The port is 2."), false).await.unwrap();
    assert_eq!((statuses(&told), told.applied), (vec![Status::Changed], 0));
    let diff = told.entries[0].diff.clone().unwrap();
    assert!(diff.contains("\n-The port is 1.\n+The port is 2.\n"), "{diff}");
    assert_eq!(all(&memories, OrgId::LOCAL).await.len(), 1, "it was only told");

    for (text, expected) in [("The port is 2.", Status::Changed), ("The port is 2.", Status::Unchanged)] {
        let done = import(&memories, OrgId::LOCAL, &with(text), true).await.unwrap();
        assert_eq!(statuses(&done), [expected], "{done:#?}");
    }
    let unedited = import(&memories, OrgId::LOCAL, &files(std::slice::from_ref(&old)), true).await.unwrap();
    assert_eq!(unedited.entries[0].status, Status::Unchanged);
    assert_eq!(unedited.entries[0].notes, ["another took its place since"]);
    let third = import(&memories, OrgId::LOCAL, &with("The port is 3."), true).await.unwrap();
    assert!(third.entries[0].diff.as_deref().is_some_and(|diff| diff.contains("-The port is 2.")), "{third:#?}");
    let history: Vec<(String, State)> =
        all(&memories, OrgId::LOCAL).await.into_iter().map(|memory| (memory.text, memory.state)).collect();
    let expected = [(3, State::Active), (2, State::Superseded), (1, State::Superseded)];
    assert_eq!(history, expected.map(|(port, state)| (format!("The port is {port}."), state)));
}

#[tokio::test]
async fn facts_are_changed_like_texts_and_what_is_believed_only_goes_down() {
    let memories = memories(1 << 30).await;
    let secret = Label { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Secret };
    let draft = Draft { label: secret, state: State::Quarantined, ..Draft::fact("Heard.") };
    let old = memories.store(OrgId::LOCAL, &ada(), draft).await.unwrap();
    let file = MarkdownFile::of(&old);
    let front = file.content.replace("scope:", "topics: [ports]\nscope:").replace("\"untrusted\"", "\"operator\"");
    let front = front.replace("\"secret\"", "\"public\"").replace("state: quarantined", "state: active");
    let edited = MarkdownFile { content: front, ..file };
    let done = import(&memories, OrgId::LOCAL, std::slice::from_ref(&edited), true).await.unwrap();
    assert!(done.entries[0].diff.as_deref().is_some_and(|diff| diff.contains("+topics: [\"ports\"]")), "{done:#?}");
    let new = memories.get(OrgId::LOCAL, done.entries[0].stored_as.unwrap()).await.unwrap();
    assert_eq!((new.label, new.state, new.supersedes), (secret, State::Quarantined, Some(old.id)));
    // Where it is new, it is believed as its importer is, and no more.
    let done = import(&memories, OrgId::new(), &[edited], true).await.unwrap();
    assert_eq!(done.counts.added, 1);
}

#[tokio::test]
async fn a_full_tier_takes_nothing_of_it() {
    let memories = memories(20).await;
    let file = note("- twelve bytes\n- twelve bytes too\n");
    let refused = import(&memories, OrgId::LOCAL, std::slice::from_ref(&file), true).await;
    assert!(matches!(refused, Err(Error::Full { tier: Tier::Semantic, .. })), "{refused:?}");
    assert!(all(&memories, OrgId::LOCAL).await.is_empty());
    let told = import(&memories, OrgId::LOCAL, &[file], false).await.unwrap();
    assert_eq!(told.counts.added, 2);
    let many = note(&"- x\n".repeat(1_001));
    let refused = import(&memories, OrgId::LOCAL, &[many], false).await;
    assert!(matches!(&refused, Err(Error::Invalid { field, .. }) if field == "files"), "{refused:?}");
}

#[tokio::test]
async fn what_cannot_be_is_told_and_the_rest_is_done() {
    let memories = memories(1 << 30).await;
    let kept = memories.store(OrgId::LOCAL, &ada(), Draft::fact("kept")).await.unwrap();
    let file = MarkdownFile::of(&kept);
    let twice = vec![file.clone(), file, note("- new\n- new\n"), note(&format!("x{}", "y".repeat(70_000)))];
    let done = import(&memories, OrgId::LOCAL, &twice, true).await.unwrap();
    let expected = [Status::Unchanged, Status::Invalid, Status::Added, Status::Unchanged, Status::Invalid];
    assert_eq!((statuses(&done), done.applied), (expected.to_vec(), 1), "{done:#?}");
    assert!(done.entries[1].problem.as_deref().is_some_and(|problem| problem.contains("another of these files")));
    assert!(done.entries[4].problem.as_deref().is_some_and(|problem| problem.starts_with("content: expected 1 to")));
    let new = memories.get(OrgId::LOCAL, done.entries[2].stored_as.unwrap()).await.unwrap();
    assert_eq!(new.sources.into_iter().collect::<Vec<_>>(), ["notes.md"]);
}
