use orchestrator_redact::{ERASED, Forget, Forgotten};
use serde_json::json;

use super::*;
use crate::Query;

fn about_ada(title: &str) -> Draft {
    Draft {
        description: "for Ada Lovelace".into(),
        tags: ["ada-lovelace".to_owned(), "tea".to_owned()].into(),
        metadata: json!({ "from": { "Ada Lovelace": "ada.lovelace@example.org" }, "n": 1 })
            .as_object()
            .cloned()
            .unwrap_or_default(),
        idempotency_key: Some(format!("ada lovelace {title}")),
        concurrency_key: Some("Ada Lovelace".into()),
        ..Draft::new(title)
    }
}

fn ada() -> Forget {
    Forget::naming("ADA LOVELACE").expect("a name")
}

/// Of a finished task nothing of a name is left, and everything else is; what goes on is held and told of.
pub async fn what_finished_tasks_say_of_somebody_is_forgotten(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let task = backlog.create(&origin(), about_ada("one")).await.expect("a good draft");
    let open = backlog.create(&origin(), about_ada("two")).await.expect("a good draft");
    let claim = claim(&backlog, 1).await.pop().expect("something is ready");
    assert_eq!(claim.task.id, task.id);
    let completion = Completion { result: json!(["Ada Lovelace", "Grace"]), ..Completion::new(task.id, claim.fence) };
    let before = backlog.complete(&origin(), completion).await.expect("the owner");
    let them = Origin::new(OrgId::new(), Actor::User("bob".into()));
    let theirs = backlog.create(&them, about_ada("one")).await.expect("a good draft");
    backlog.cancel(&them, theirs.id, "Ada Lovelace").await.expect("it is open");

    let counted = backlog.forget(ORG, None, &ada().counting()).await.expect("the store works");
    assert_eq!(get(&backlog, task.id).await, before, "it was only counted");
    let forgotten = backlog.forget(ORG, None, &ada()).await.expect("the store works");
    // Description, tag, metadata and its field, two keys; and of the finished one a result.
    assert_eq!((counted, forgotten), (forgotten, Forgotten { erased: 7, held: 6 }));
    let left = get(&backlog, task.id).await;
    assert!(!json!(left).to_string().to_lowercase().contains("lovelace"), "{left:?}");
    assert_eq!((left.title.as_str(), left.description.as_str()), ("one", ERASED));
    assert_eq!(left.tags, ["tea".to_owned(), ERASED.to_owned()].into());
    assert_eq!(left.outcome().1, json!([ERASED, "Grace"]));
    assert_eq!((left.fence, left.created_at, left.finished_at), (before.fence, before.created_at, before.finished_at));
    let tagged = Query { tag: Some("ada-lovelace".into()), ..Query::default() };
    assert_eq!(backlog.list(ORG, tagged).await.expect("a list").len(), 1, "the open one");
    assert_eq!(get(&backlog, open.id).await.description, "for Ada Lovelace");
    assert_eq!(backlog.get(them.org, theirs.id).await.expect("theirs").0.description, "for Ada Lovelace");
    let again = backlog.create(&origin(), about_ada("one")).await.expect("a good draft");
    assert_ne!(again.id, task.id, "its key is free");

    backlog.cancel(&origin(), open.id, "enough").await.expect("it is open");
    backlog.delete(&origin(), again.id).await.expect("it is there");
    let forgotten = backlog.forget(ORG, None, &ada()).await.expect("the store works");
    assert_eq!(forgotten, Forgotten { erased: 12, held: 0 });
    let forgotten = backlog.forget(ORG, None, &ada()).await.expect("the store works");
    assert_eq!(forgotten, Forgotten::default(), "nothing is forgotten twice");
}

/// Of some tasks everything; of the others nothing. What is not text stays, and a schedule is held.
pub async fn everything_that_some_tasks_say_is_forgotten(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let first = create(&backlog, "first").await;
    let second = create_after(&backlog, "second", &[first.id]).await;
    backlog.cancel(&origin(), first.id, "why not").await.expect("it is open");
    let everything = Forget::everything();
    backlog.forget(ORG, Some(&[first.id]), &everything).await.expect("the store works");
    let left = get(&backlog, first.id).await;
    assert_eq!((left.title.as_str(), left.kind.as_str()), (ERASED, ERASED));
    assert_eq!(left.created_by, Actor::User(ERASED.into()));
    assert_eq!(left.outcome(), ("reason", json!(ERASED)));
    assert_eq!(left.state.status(), Status::Cancelled);
    let second = get(&backlog, second.id).await;
    assert_eq!(second.title, "second");
    let forgotten = backlog.forget(ORG, Some(&[TaskId::new()]), &everything).await.expect("the store works");
    assert_eq!(forgotten, Forgotten::default());
}
