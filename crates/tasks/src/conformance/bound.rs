use serde_json::{Map, Value, json};

use super::*;
use crate::{Binding, Dependency, Every, Overlap, Patch, Plan, Priority, Query, ScheduleDraft, SchedulePatch, Touched};

const KEY: &str = "daemon.hands";

/// Notes a name beside those that are noted, and nothing once there are three.
#[derive(Debug)]
struct Hand(&'static str);

impl Binding for Hand {
    fn bind(&self, _: Touched, noted: &Map<String, Value>) -> Result<Map<String, Value>, String> {
        let mut names = noted.get(KEY).and_then(Value::as_array).cloned().unwrap_or_default();
        if names.len() == 3 {
            return Err("three are enough".to_owned());
        }
        names.push(self.0.into());
        Ok(Map::from_iter([(KEY.to_owned(), names.into())]))
    }
}

fn by(name: &'static str) -> Origin {
    Origin { binding: Some(Arc::new(Hand(name))), ..origin() }
}

#[track_caller]
fn check(metadata: &Map<String, Value>, names: &[&str]) {
    assert_eq!(metadata.get(KEY), (!names.is_empty()).then_some(&json!(names)));
}

async fn hands(backlog: &Backlog, id: TaskId, names: &[&str]) {
    check(&get(backlog, id).await.metadata, names);
}

fn title(text: &str) -> Patch {
    Patch { title: Some(text.to_owned()), ..Patch::default() }
}

/// One or many, beside what else the daemon notes; and again under a key it is what it was.
pub async fn what_is_created_within_bounds_says_so(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let noted = json!({ "daemon.other": 1, KEY: ["z"] }).as_object().cloned().unwrap_or_default();
    let draft = Draft { reserved: noted, idempotency_key: Some("k".into()), ..Draft::new("one") };
    let one = backlog.create(&by("a"), draft.clone()).await.expect("a good draft");
    check(&one.metadata, &["z", "a"]);
    assert_eq!(get(&backlog, one.id).await.metadata["daemon.other"], 1);
    let again = backlog.create(&by("b"), draft).await.expect("a good draft");
    assert_eq!(again.id, one.id);
    hands(&backlog, one.id, &["z", "a"]).await;
    for task in backlog.create_many(&by("a"), vec![Draft::new("x"), Draft::new("y")]).await.expect("good drafts") {
        hands(&backlog, task.id, &["a"]).await;
    }
    hands(&backlog, create(&backlog, "free").await.id, &[]).await;
}

/// In its words, in what it waits for, or from the dead.
pub async fn what_is_changed_within_bounds_says_so(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let (task, other) = (create(&backlog, "task").await.id, create(&backlog, "other").await.id);
    backlog.update(&by("a"), task, title("another")).await.expect("it exists");
    hands(&backlog, task, &["a"]).await;
    let same = title("another");
    backlog.update(&by("b"), task, same).await.expect("it exists");
    hands(&backlog, task, &["a"]).await;
    let mine = Patch { metadata: Some(Map::from_iter([("mine".into(), 1.into())])), ..Patch::default() };
    backlog.update(&origin(), task, mine).await.expect("it exists");
    hands(&backlog, task, &["a"]).await;
    backlog.depend(&by("b"), task, vec![Dependency::from(other)]).await.expect("both exist");
    hands(&backlog, task, &["a", "b"]).await;
    hands(&backlog, other, &[]).await;
    backlog.undepend(&by("c"), task, vec![other]).await.expect("both exist");
    hands(&backlog, task, &["a", "b", "c"]).await;
    backlog.undepend(&by("d"), task, vec![other]).await.expect("there is nothing to take away");
    backlog.cancel(&by("d"), other, "no more").await.expect("it exists");
    hands(&backlog, other, &[]).await;
    backlog.retry(&by("d"), other).await.expect("it was cancelled");
    hands(&backlog, other, &["d"]).await;
    let free = create(&backlog, "free").await.id;
    backlog.cancel(&origin(), free, "no more").await.expect("it exists");
    backlog.retry(&origin(), free).await.expect("it was cancelled");
    hands(&backlog, free, &[]).await;
}

/// So does one that failed and is started anew: somebody wants it still.
pub async fn what_is_put_off_or_called_off_stays_as_it_was(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let failed = fail_for_good(&backlog, "failed").await.id;
    backlog.retry(&by("a"), failed).await.expect("it failed");
    hands(&backlog, failed, &[]).await;
    let often = Patch { priority: Some(Priority::Low), max_attempts: Some(9), ..Patch::default() };
    backlog.update(&by("a"), failed, often).await.expect("it exists");
    backlog.cancel(&by("a"), failed, "no more").await.expect("it exists");
    hands(&backlog, failed, &[]).await;
}

/// Also of whoever wrote another line of it, and of whoever triggers it.
pub async fn tasks_of_a_schedule_have_its_bounds(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let plan = Plan::Every(Every { interval_ms: 60_000, anchor: Some(START) });
    let minutely = || ScheduleDraft::new("minutely", plan.clone(), Draft::new("tick"));
    let draft = || ScheduleDraft { overlap: Overlap::Allow, ..minutely() };
    let (theirs, mine) = (
        backlog.create_schedule(&by("a"), draft()).await.expect("a good draft").id,
        backlog.create_schedule(&origin(), draft()).await.expect("a good draft").id,
    );
    let change = |paused| SchedulePatch { paused: Some(paused), ..SchedulePatch::default() };
    backlog.update_schedule(&by("b"), mine, change(true)).await.expect("it exists");
    check(&backlog.schedule(ORG, mine).await.expect("it exists").reserved, &[]);
    backlog.update_schedule(&origin(), mine, change(false)).await.expect("it exists");
    // It is read from the store by each keeper.
    fixture.pass(&fixture.backlog(), MINUTE).await;
    let template = SchedulePatch { template: Some(Draft::new("tock")), ..SchedulePatch::default() };
    for id in [theirs, mine] {
        backlog.update_schedule(&by("b"), id, template.clone()).await.expect("it exists");
    }
    let triggered = backlog.trigger_schedule(&by("c"), mine, None).await.expect("it exists");
    check(&triggered.metadata, &["b", "c"]);
    fixture.pass(&fixture.backlog(), MINUTE).await;
    for (id, expected) in [(theirs, [&["a"][..], &["a", "b"]]), (mine, [&[][..], &["b"]])] {
        let query = Query { schedule_id: Some(id), ..Query::default() };
        let tasks = backlog.list(ORG, query).await.expect("a good query");
        let fired: Vec<&Task> = tasks.iter().filter(|task| task.id != triggered.id).collect();
        let [first, second] = fired[..] else { panic!("{fired:?}") };
        check(&first.metadata, expected[0]);
        check(&second.metadata, expected[1]);
    }
}

/// Whatever it was.
pub async fn what_the_bounds_forbid_changes_nothing(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let reserved = || Map::from_iter([(KEY.to_owned(), json!(["a", "b", "c"]))]);
    let task = backlog.create(&origin(), Draft { reserved: reserved(), ..Draft::new("task") }).await;
    let task = task.expect("a good draft").id;
    let other = create(&backlog, "other").await.id;
    let plan = Plan::Every(Every { interval_ms: 60_000, anchor: Some(START) });
    let template = Draft { reserved: reserved(), ..Draft::new("tick") };
    let schedule = backlog.create_schedule(&origin(), ScheduleDraft::new("minutely", plan, template)).await;
    let schedule = schedule.expect("a good draft");
    let before = (get(&backlog, task).await, fixture.events().await.len());
    let name = SchedulePatch { name: Some("x".into()), ..SchedulePatch::default() };
    for refused in [
        backlog.update(&by("d"), task, title("x")).await.map(drop),
        backlog.depend(&by("d"), task, vec![Dependency::from(other)]).await.map(drop),
        backlog.update_schedule(&by("d"), schedule.id, name).await.map(drop),
    ] {
        assert!(matches!(&refused, Err(Error::Refused(why)) if why == "three are enough"), "{refused:?}");
    }
    assert_eq!((get(&backlog, task).await, fixture.events().await.len()), before);
    assert_eq!(backlog.schedule(ORG, schedule.id).await.expect("it exists"), schedule);
}
