//! What a crashed run leaves behind is found by its owner's marker.
#![cfg(target_os = "linux")]

mod support;

use std::process::Stdio;

use orchestrator_process::{Environment, Spec, end_strays};
use support::{gone, line, lives, pid, shell, start};
use tokio::io::{AsyncBufReadExt, BufReader};

const OWNER: &str = "ORCHESTRATOR_TEST_OWNER";
const TREE: &str = "( setsid sh -c 'echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' & ); echo $$; exec sleep 1000";

/// Not a test of its own: the run that crashes, started by the test below.
#[tokio::test]
#[ignore = "started by the other test"]
async fn the_run_that_crashes() {
    let Some((_, owner)) = std::env::vars().find(|(name, _)| name == OWNER) else { return };
    let mut processes = Vec::new();
    for owner in [owner.clone(), format!("{owner}-other")] {
        let mut process = start(shell(TREE).owner(owner));
        println!("pids: {} {}", pid(&mut process).await, pid(&mut process).await);
        processes.push(process);
    }
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn the_processes_of_a_crashed_run_are_ended_and_no_others() {
    let owner = format!("strays-test-{}", std::process::id());
    let mut crashing = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["the_run_that_crashes", "--exact", "--ignored", "--nocapture"])
        .env(OWNER, &owner)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(crashing.stdout.take().unwrap()).lines();
    let mut pids: Vec<u32> = Vec::new();
    while pids.len() < 4 {
        let line = lines.next_line().await.unwrap().expect("it prints four pids");
        if let Some((_, numbers)) = line.split_once("pids: ") {
            pids.extend(numbers.split(' ').map(|number| number.parse::<u32>().unwrap()));
        }
    }
    let mut ours = start(shell(TREE).owner(&owner));
    let our_pids = [pid(&mut ours).await, pid(&mut ours).await];

    assert_eq!(end_strays(&owner), [], "its creator still lives");
    crashing.kill().await.unwrap();
    assert!(pids.iter().all(|pid| lives(*pid)), "orphans survive the crash");

    let mut ended: Vec<u32> = end_strays(&owner).iter().filter(|stray| stray.ended).map(|stray| stray.pid).collect();
    ended.sort_unstable();
    let mut expected = pids[..2].to_vec();
    expected.sort_unstable();
    assert_eq!(ended, expected);
    gone(pids[0]).await;
    gone(pids[1]).await;
    assert!(our_pids.iter().chain(&pids[2..]).all(|pid| lives(*pid)), "ours and the other owner's");

    assert_eq!(end_strays(&format!("{owner}-other")).len(), 2);
    ours.handle().kill().await;
}

#[tokio::test]
async fn trees_within_a_tree_end_with_it() {
    let helper = Spec::new(std::env::current_exe().unwrap())
        .args(["the_run_that_crashes", "--exact", "--ignored", "--nocapture"])
        .environment(Environment::empty().set(OWNER, format!("nested-test-{}", std::process::id())));
    let mut process = start(helper);
    let mut pids: Vec<u32> = Vec::new();
    while pids.len() < 4 {
        if let Some((_, numbers)) = line(&mut process).await.split_once("pids: ") {
            pids.extend(numbers.split(' ').map(|number| number.parse::<u32>().unwrap()));
        }
    }
    assert!(pids.iter().all(|pid| lives(*pid)));
    process.handle().kill().await;
    assert!(!pids.iter().any(|pid| lives(*pid)));
}
