//! The whole tree is paused, stopped and ended.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use orchestrator_process::{Error, Framing, Limits, Process, Status, Stdin};
use support::{exit_of, gone, limits, line, lives, ms, pid, shell, start, state};

/// Starts a process in a session of its own, without a parent, that prints its pid and closes its pipes.
const DAEMON: &str = "( setsid sh -c 'echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' & ) ; ";

/// The same in this script's own group.
const BACKGROUND: &str = "sleep 1000 >/dev/null 2>&1 & echo $!; ";

#[tokio::test]
async fn background_processes_end_with_the_program() {
    let mut process = start(shell(&format!("{BACKGROUND} read line; exit 6")).stdin(Stdin::Piped).limits(limits()));
    let background = pid(&mut process).await;
    process.take_input();
    assert_eq!(exit_of(&mut process).await.status, Status::Exited(6));
    assert!(!lives(background));
}

#[tokio::test]
async fn a_daemon_without_pipes_session_and_parent_ends_with_the_program() {
    let mut process = start(shell(&format!("{DAEMON} exec sleep 1000")).limits(limits()));
    let daemon = pid(&mut process).await;
    let handle = process.handle();
    handle.stop(ms(50)).await;
    assert!(!lives(daemon));
    assert_eq!(exit_of(&mut process).await.status, Status::Stopped);
}

#[tokio::test]
async fn a_daemon_ends_when_the_program_exits_by_itself() {
    let script = "( setsid sh -c 'echo $$; exec sleep 1000' & ); exit 5";
    let mut process = start(shell(script).limits(limits()));
    let daemon: u32 = line(&mut process).await.parse().unwrap();
    assert_eq!(exit_of(&mut process).await.status, Status::Exited(5));
    gone(daemon).await;
}

#[tokio::test]
async fn a_background_process_that_keeps_the_output_open_does_not_hold_up_the_end() {
    let mut process = start(shell("sleep 1000 & echo $!; exit 0").limits(limits()));
    let background: u32 = line(&mut process).await.parse().unwrap();
    let exit = exit_of(&mut process).await;
    assert!(exit.is_success());
    assert!(exit.duration < Duration::from_secs(20), "{:?}", exit.duration);
    assert!(!lives(background));
}

#[tokio::test]
async fn what_a_background_process_prints_soon_after_the_end_is_delivered() {
    let limits = Limits { drain: support::TOO_LONG, ..limits() };
    let mut process = start(shell("(sleep 0.1; echo late) & exit 0").limits(limits));
    assert_eq!(line(&mut process).await, "late");
    assert!(exit_of(&mut process).await.is_success());
}

#[tokio::test]
async fn a_child_that_cleared_its_environment_and_group_ends_while_its_parent_lives() {
    let script = "env -i /usr/bin/setsid --wait /bin/sh -c 'echo $$; exec sleep 1000' & wait";
    let limits = Limits { wall_time: Some(ms(300)), ..limits() };
    let mut process = start(shell(script).limits(limits));
    let child = pid(&mut process).await;
    assert_eq!(exit_of(&mut process).await.status, Status::TimedOut);
    assert!(!lives(child));
}

#[tokio::test]
async fn many_generations_end() {
    let script = "spawn() { [ $1 -gt 0 ] && { spawn $(($1 - 1)) & }; [ $1 -eq 0 ] && echo $$; sleep 1000; }; spawn 12";
    let limits = Limits { wall_time: Some(ms(400)), ..limits() };
    let mut process = start(shell(script).limits(limits).framing(Framing::Lines));
    let id = process.id();
    assert_eq!(exit_of(&mut process).await.status, Status::TimedOut);
    assert_eq!(members_of_group(id), Vec::<u32>::new());
}

#[tokio::test]
async fn a_process_that_forks_again_and_again_is_outrun() {
    // Each generation leaves the session, starts the next and exits.
    let script = "hop() { setsid sh -c \"$HOP\" & }; HOP='echo x; setsid sh -c \"$HOP\" & exit'; export HOP; hop; wait; sleep 1000";
    let limits = Limits { wall_time: Some(ms(300)), ..limits() };
    let mut process = start(shell(script).limits(limits));
    assert_eq!(line(&mut process).await, "x");
    let exit = exit_of(&mut process).await;
    assert_eq!(exit.status, Status::TimedOut);
}

#[tokio::test]
async fn pausing_stops_every_member_and_resuming_lets_them_go_on() {
    let mut process = start(shell(&format!("{DAEMON} echo $$; exec sleep 1000")).limits(limits()));
    let (one, two) = (pid(&mut process).await, pid(&mut process).await);
    let handle = process.handle();
    handle.pause().await.unwrap();
    assert_eq!((state(one), state(two)), (Some('T'), Some('T')));
    handle.resume().await.unwrap();
    assert!(![state(one), state(two)].contains(&Some('T')));
    handle.kill().await;
    assert!(!lives(one) && !lives(two));
    assert!(matches!(handle.pause().await, Err(Error::Ended)));
}

#[tokio::test]
async fn a_paused_process_is_not_idle_and_can_be_stopped_gently() {
    let limits = Limits { idle_time: Some(ms(500)), ..limits() };
    let script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = start(shell(script).limits(limits));
    assert_eq!(line(&mut process).await, "ready");
    let handle = process.handle();
    handle.pause().await.unwrap();
    tokio::time::timeout(ms(1_200), process.next()).await.expect_err("it is paused and neither prints nor ends");
    let ((), answer) = tokio::join!(handle.stop(support::TOO_LONG), line(&mut process));
    assert_eq!(answer, "bye");
    let exit = exit_of(&mut process).await;
    assert_eq!((exit.status, exit.code), (Status::Stopped, Some(0)));
}

#[tokio::test]
async fn a_stop_gives_time_to_finish() {
    let script = "trap 'echo cleaning; sleep 0.1; echo clean; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let mut process = start(shell(script).limits(limits()));
    assert_eq!(line(&mut process).await, "ready");
    let handle = process.handle();
    let ((), (first, second)) =
        tokio::join!(handle.stop(support::TOO_LONG), async { (line(&mut process).await, line(&mut process).await) });
    assert_eq!((first.as_str(), second.as_str()), ("cleaning", "clean"));
    let exit = exit_of(&mut process).await;
    assert_eq!((exit.status, exit.code, exit.signal), (Status::Stopped, Some(3), None));
}

#[tokio::test]
async fn what_ignores_the_request_is_killed_after_the_grace() {
    let mut process = start(shell("trap '' TERM; echo ready; while :; do sleep 1; done").limits(limits()));
    assert_eq!(line(&mut process).await, "ready");
    process.handle().stop(ms(100)).await;
    let exit = exit_of(&mut process).await;
    assert_eq!((exit.status, exit.code, exit.signal), (Status::Stopped, None, Some(9)));
}

#[tokio::test]
async fn a_kill_cuts_a_long_grace_short() {
    let mut process = start(shell("trap '' TERM; echo ready; while :; do sleep 1; done").limits(limits()));
    assert_eq!(line(&mut process).await, "ready");
    let (gentle, hard) = (process.handle(), process.handle());
    let both = async { tokio::join!(gentle.stop(Duration::MAX), hard.kill()) };
    tokio::time::timeout(support::TOO_LONG, both).await.unwrap();
    assert_eq!(exit_of(&mut process).await.signal, Some(9));
}

#[tokio::test]
async fn stopping_what_has_ended_returns_at_once() {
    let mut process = start(shell("exit 0"));
    let handle = process.handle();
    exit_of(&mut process).await;
    handle.stop(Duration::MAX).await;
    drop(process);
    handle.stop(Duration::MAX).await;
}

#[tokio::test]
async fn dropping_the_process_ends_its_tree() {
    let mut process = start(shell(&format!("{DAEMON} {BACKGROUND} exec sleep 1000")));
    let (one, two, root) = (pid(&mut process).await, pid(&mut process).await, process.id());
    let handle = process.handle();
    drop(process);
    assert!(!lives(one) && !lives(two) && !lives(root));
    handle.stop(Duration::MAX).await;
}

#[test]
fn a_process_that_outlives_its_runtime_ends_with_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut process, daemon) = runtime.block_on(async {
        let mut process = start(shell(&format!("{DAEMON} exec sleep 1000")));
        let daemon = pid(&mut process).await;
        (process, daemon)
    });
    drop(runtime);
    assert!(!lives(daemon));
    let exit = tokio::runtime::Runtime::new().unwrap().block_on(process.wait());
    assert_eq!(exit.status, Status::Unknown);
}

#[tokio::test]
async fn trees_do_not_end_each_other() {
    let script = format!("{DAEMON} exec sleep 1000");
    let (mut one, mut two) = (start(shell(&script)), start(shell(&script)));
    let (first, second) = (pid(&mut one).await, pid(&mut two).await);
    one.handle().kill().await;
    assert!(!lives(first) && lives(second) && lives(two.id()));
    two.handle().kill().await;
    assert!(!lives(second));
}

#[tokio::test]
async fn fifty_processes_run_side_by_side() {
    let mut processes: Vec<Process> =
        (0..50).map(|number| start(shell(&format!("echo {number}; exit {number}")))).collect();
    for (number, process) in processes.iter_mut().enumerate() {
        assert_eq!(line(process).await, number.to_string());
        assert_eq!(exit_of(process).await.code, i32::try_from(number).ok());
    }
}

fn members_of_group(group: u32) -> Vec<u32> {
    let is_member = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        fields.split_whitespace().nth(2) == Some(&group.to_string()) && lives(*pid)
    };
    let all = std::fs::read_dir("/proc").expect("a process table");
    all.filter_map(|one| one.ok()?.file_name().to_str()?.parse().ok()).filter(is_member).collect()
}
