use tokio::task::JoinSet;

use super::*;
use crate::{Concurrency, Priority};

fn keyed(title: &str, key: &str) -> Draft {
    Draft { concurrency_key: Some(key.into()), ..Draft::new(title) }
}

fn limits(keys: &[(&str, u32)]) -> Config {
    let keys = keys.iter().map(|(key, limit)| ((*key).to_owned(), *limit)).collect();
    Config { concurrency: Concurrency { default: 1, keys }, ..Config::default() }
}

/// The default is one at a time; named keys have their own limits.
pub async fn a_concurrency_key_limits_what_may_be_claimed(fixture: &Fixture) {
    let backlog = fixture.backlog_with(limits(&[("two", 2)]));
    for n in 0..3 {
        backlog.create(&origin(), keyed(&format!("one {n}"), "one")).await.expect("a good draft");
        backlog.create(&origin(), keyed(&format!("two {n}"), "two")).await.expect("a good draft");
    }
    let claims = claim(&backlog, 9).await;
    let mut names: Vec<&str> = claims.iter().map(|claim| claim.task.title.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["one 0", "two 0", "two 1"]);
    for claim in &claims {
        complete(&backlog, claim).await;
    }
    let mut names = titles(&backlog, 9).await;
    names.sort_unstable();
    assert_eq!(names, ["one 1", "two 2"]);
}

/// Completed, failed, cancelled, refused approval, deleted, put off or made to wait.
pub async fn a_slot_comes_back_however_the_task_ends(fixture: &Fixture) {
    let backlog = fixture.backlog();
    let from = origin();
    let other = create(&backlog, "other").await;
    claim_one(&backlog).await;
    backlog.requeue(&from, other.id).await.expect("it is worked on");
    let drafts = (0..9).map(|n| keyed(&n.to_string(), "k")).collect();
    let tasks = backlog.create_many(&from, drafts).await.expect("good drafts");
    let next = async |n: usize| {
        let claims = claim(&backlog, 9).await;
        let mut mine = None;
        for claim in claims {
            match claim.task.id == other.id {
                true => drop(backlog.release(&origin(), other.id, claim.fence).await.expect("the owner")),
                false => mine = Some(claim),
            }
        }
        let mine = mine.expect("a slot is free");
        assert_eq!(mine.task.id, tasks[n].id, "{n}");
        mine
    };
    complete(&backlog, &next(0).await).await;
    let claimed = next(1).await;
    backlog.fail(&from, claimed.task.id, claimed.fence, "no luck").await.expect("the owner");
    let claimed = next(2).await;
    backlog.cancel(&from, claimed.task.id, "no need").await.expect("it has not finished");
    let claimed = next(3).await;
    backlog.await_approval(&from, claimed.task.id, claimed.fence).await.expect("the owner");
    assert!(
        claim(&backlog, 9).await.iter().all(|claim| claim.task.id == other.id),
        "its owner goes on after the approval"
    );
    backlog.requeue(&from, other.id).await.expect("it was claimed");
    backlog.cancel(&from, claimed.task.id, "refused").await.expect("it has not finished");
    let claimed = next(4).await;
    backlog.delete(&from, claimed.task.id).await.expect("it exists");
    // Task 5 holds the slot without being worked on.
    backlog.depend(&from, tasks[5].id, vec![other.id.into()]).await.expect("it has not started");
    let later = crate::Patch { run_at: Some(Some(START + MINUTE * 600)), ..Default::default() };
    backlog.update(&from, tasks[6].id, later).await.expect("it exists");
    backlog.cancel(&from, tasks[7].id, "no need").await.expect("it has not finished");
    complete(&backlog, &next(8).await).await;
}

/// By priority and by how long each has been waiting in it.
pub async fn the_line_of_a_key_is_ordered_like_the_backlog(fixture: &Fixture) {
    let backlog = fixture.backlog();
    for (title, priority) in [("first", Priority::Low), ("low", Priority::Low), ("urgent", Priority::Critical)] {
        let draft = Draft { priority, ..keyed(title, "k") };
        backlog.create(&origin(), draft).await.expect("a good draft");
    }
    fixture.clock.advance(SECOND * 500);
    let draft = Draft { priority: Priority::Critical, ..keyed("late", "k") };
    backlog.create(&origin(), draft).await.expect("a good draft");
    for expected in ["first", "urgent", "low", "late"] {
        let claimed = claim_one(&backlog).await;
        assert_eq!(claimed.task.title, expected);
        complete(&backlog, &claimed).await;
    }
}

/// Neither lost nor doubled.
pub async fn slots_are_right_after_many_races(fixture: &Fixture) {
    let backlog = fixture.backlog_with(limits(&[("k", 3)]));
    let drafts = (0..60).map(|n| keyed(&n.to_string(), "k")).collect();
    backlog.create_many(&origin(), drafts).await.expect("good drafts");
    let mut workers = JoinSet::new();
    for _ in 0..4 {
        let backlog = backlog.clone();
        workers.spawn(async move {
            let mut done = 0;
            // Each comes by more often than there are tasks.
            for _ in 0..100 {
                for claimed in claim(&backlog, 2).await {
                    complete(&backlog, &claimed).await;
                    done += 1;
                }
                tokio::task::yield_now().await;
            }
            done
        });
    }
    let done: usize = workers.join_all().await.into_iter().sum();
    let rest = loop {
        let claims = claim(&backlog, 9).await;
        assert!(claims.len() <= 3);
        if claims.is_empty() {
            break backlog.counts(ORG).await.expect("counts").tasks[&(Status::Completed, Priority::Medium)];
        }
        for claimed in &claims {
            complete(&backlog, claimed).await;
        }
    };
    assert_eq!((rest, done <= 60), (60, true));
    let three = (0..5).map(|n| keyed(&n.to_string(), "k")).collect();
    backlog.create_many(&origin(), three).await.expect("good drafts");
    assert_eq!(claim(&backlog, 9).await.len(), 3);
}
