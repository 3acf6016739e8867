//! Loops restarted, given up and stopped, in paused time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use orchestrator_supervisor::{Config, Error, State, Status, Supervisor};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SECOND: Duration = Duration::from_secs(1);

type BoxedLoop = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

async fn until_stopped(stop: CancellationToken) -> Result<(), String> {
    stop.cancelled().await;
    Ok(())
}

async fn never_listens(_: CancellationToken) -> Result<(), String> {
    std::future::pending().await
}

async fn when(supervisor: &Supervisor, name: &str, state: State) -> Status {
    let mut watch = supervisor.watch();
    let is_it = |one: &&Status| one.name == name && one.state == state;
    let all = watch.wait_for(|all| all.iter().any(|one| is_it(&one))).await.expect("the supervisor lives");
    all.iter().find(is_it).expect("it was just there").clone()
}

/// Fails `failures` times, then runs until it is stopped.
fn fails(failures: u32) -> impl Fn(CancellationToken) -> BoxedLoop + Send + Sync + 'static {
    let starts = Arc::new(AtomicU32::new(0));
    move |stop| {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        Box::pin(
            async move { if start < failures { Err(format!("failure {start}")) } else { until_stopped(stop).await } },
        )
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_loop_is_restarted_and_remembers_its_last_error() {
    let supervisor = Supervisor::default();
    supervisor.spawn("tail", fails(3)).unwrap();
    when(&supervisor, "tail", State::BackingOff).await;
    let mut watch = supervisor.watch();
    let all = watch.wait_for(|all| all[0].restarts == 3).await.unwrap().clone();
    let expected =
        Status { name: "tail".into(), state: State::Running, restarts: 3, last_error: Some("failure 2".into()) };
    assert_eq!(all, [expected]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_and_its_message_is_kept() {
    let supervisor = Supervisor::default();
    for (name, formatted) in [("plain", false), ("formatted", true)] {
        let body = move |_: CancellationToken| async move {
            assert!(formatted, "out of cheese");
            if formatted { panic!("out of cheese {}", 7) } else { Ok::<(), String>(()) }
        };
        supervisor.spawn(name, body).unwrap();
    }
    assert_eq!(when(&supervisor, "plain", State::BackingOff).await.last_error.unwrap(), "panicked: out of cheese");
    assert_eq!(
        when(&supervisor, "formatted", State::BackingOff).await.last_error.unwrap(),
        "panicked: out of cheese 7"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_loop_is_made_is_a_failure_too() {
    let supervisor = Supervisor::default();
    let make = |stop: CancellationToken| {
        assert!(stop.is_cancelled(), "made too early");
        until_stopped(stop)
    };
    supervisor.spawn("eager", make).unwrap();
    assert_eq!(when(&supervisor, "eager", State::BackingOff).await.last_error.unwrap(), "panicked: made too early");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_keeps_failing_is_given_up_and_the_others_live_on() {
    let supervisor = Supervisor::new(Config { restarts_max: 4, ..Config::default() });
    supervisor.spawn("steady", until_stopped).unwrap();
    supervisor.spawn("broken", fails(u32::MAX)).unwrap();
    let failed = when(&supervisor, "broken", State::Failed).await;
    assert_eq!((failed.restarts, failed.last_error.as_deref()), (4, Some("failure 4")));
    assert_eq!(when(&supervisor, "steady", State::Running).await.restarts, 0);
    assert_eq!(supervisor.stop(SECOND).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn causes_are_part_of_the_message() {
    let supervisor = Supervisor::default();
    let body = |_| async { Err::<(), _>(anyhow::anyhow!("disk full").context("the log cannot be written")) };
    supervisor.spawn("log", body).unwrap();
    let status = when(&supervisor, "log", State::BackingOff).await;
    assert_eq!(status.last_error.unwrap(), "the log cannot be written: disk full");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_returns_is_done() {
    let supervisor = Supervisor::default();
    supervisor.spawn("short", |_| async { Ok::<(), String>(()) }).unwrap();
    assert_eq!(when(&supervisor, "short", State::Stopped).await.restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_loops_that_need_a_while() {
    let supervisor = Supervisor::default();
    let body = |stop: CancellationToken| async move {
        stop.cancelled().await;
        tokio::time::sleep(3 * SECOND).await;
        Ok::<(), String>(())
    };
    supervisor.spawn("careful", body).unwrap();
    let begin = Instant::now();
    assert_eq!(supervisor.stop(10 * SECOND).await, Ok(()));
    assert_eq!(begin.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn stop_aborts_and_names_what_does_not_listen() {
    let supervisor = Supervisor::default();
    let (alive, guard) = tokio::sync::oneshot::channel::<()>();
    let alive = Arc::new(std::sync::Mutex::new(Some(alive)));
    let deaf = move |_| {
        let held = alive.lock().unwrap().take();
        async move {
            let _held = held;
            std::future::pending::<Result<(), String>>().await
        }
    };
    supervisor.spawn("polite", until_stopped).unwrap();
    supervisor.spawn("deaf", deaf).unwrap();
    assert_eq!(supervisor.stop(10 * SECOND).await, Err(Error::Unfinished { names: vec!["deaf".into()] }));
    guard.await.expect_err("the aborted loop's values were dropped before `stop` returned");
    assert!(supervisor.status().iter().all(|one| one.state == State::Stopped));
    assert_eq!(supervisor.stop(SECOND).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_waits_for_its_restart_stops_at_once() {
    let supervisor = Supervisor::new(Config { backoff_min: 30 * SECOND, ..Config::default() });
    supervisor.spawn("tail", fails(u32::MAX)).unwrap();
    when(&supervisor, "tail", State::BackingOff).await;
    let begin = Instant::now();
    assert_eq!(supervisor.stop(10 * SECOND).await, Ok(()));
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn names_are_used_once_at_a_time_and_nothing_starts_after_stop() {
    let supervisor = Supervisor::default();
    supervisor.spawn("scheduler", until_stopped).unwrap();
    assert_eq!(supervisor.spawn("scheduler", until_stopped), Err(Error::NameTaken("scheduler".into())));
    supervisor.stop(SECOND).await.unwrap();
    assert_eq!(supervisor.spawn("scheduler", until_stopped), Err(Error::Stopping));
    assert_eq!(supervisor.once("task", until_stopped(CancellationToken::new())), Err(Error::Stopping));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_runs_once_leaves_the_list_or_stays_as_failed() {
    let supervisor = Supervisor::default();
    supervisor.once("good", async { Ok::<(), String>(()) }).unwrap();
    supervisor.once("bad", async { Err::<(), _>("no such file") }).unwrap();
    let failed = when(&supervisor, "bad", State::Failed).await;
    assert_eq!((failed.restarts, failed.last_error.as_deref()), (0, Some("no such file")));
    supervisor.watch().wait_for(|all| all.len() == 1).await.unwrap();
    supervisor.once("bad", async { Ok::<(), String>(()) }).unwrap();
    supervisor.watch().wait_for(Vec::is_empty).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stop_waits_for_a_task_that_runs_once() {
    let supervisor = Supervisor::default();
    let work = async {
        tokio::time::sleep(2 * SECOND).await;
        Ok::<(), String>(())
    };
    supervisor.once("flush", work).unwrap();
    assert_eq!(supervisor.stop(10 * SECOND).await, Ok(()));
    assert_eq!(supervisor.status(), []);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_cancels_the_loops() {
    let supervisor = Supervisor::default();
    supervisor.spawn("tail", until_stopped).unwrap();
    let mut watch = supervisor.watch();
    drop(supervisor);
    watch.wait_for(|all| all[0].state == State::Stopped).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_zero_aborts_at_once() {
    let supervisor = Supervisor::default();
    supervisor.spawn("deaf", never_listens).unwrap();
    assert_eq!(supervisor.stop(Duration::ZERO).await, Err(Error::Unfinished { names: vec!["deaf".into()] }));
}
