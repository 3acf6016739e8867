//! Small helpers for tests with real processes.
#![allow(dead_code, reason = "each test file uses some of them")]

use std::time::Duration;

use orchestrator_process::{Environment, Exit, Limits, Output, Process, Spec, Stream, wait_gone};

/// Fails a test that hangs; far above what anything here needs.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(30);

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A shell script with the system's usual PATH.
pub(crate) fn shell(script: &str) -> Spec {
    Spec::new("/bin/sh").args(["-c", script]).environment(Environment::empty().set("PATH", "/usr/bin:/bin"))
}

/// Limits with a short grace and drain.
pub(crate) fn limits() -> Limits {
    Limits { grace: ms(100), drain: ms(100), ..Limits::default() }
}

pub(crate) fn start(spec: Spec) -> Process {
    Process::spawn(spec).expect("it starts")
}

/// The next line of standard output.
pub(crate) async fn line(process: &mut Process) -> String {
    loop {
        match tokio::time::timeout(TOO_LONG, process.next()).await.expect("it prints in time") {
            Some(Output::Line { stream: Stream::Stdout, text, .. }) => return text,
            Some(_) => {}
            None => panic!("it ended without printing the expected line"),
        }
    }
}

/// The next line, which is the pid of a process that lives.
pub(crate) async fn pid(process: &mut Process) -> u32 {
    let pid = line(process).await.parse().expect("a pid");
    assert!(lives(pid), "{pid} lives");
    pid
}

pub(crate) async fn lines(process: &mut Process) -> Vec<(Stream, String)> {
    let mut lines = Vec::new();
    while let Some(output) = process.next().await {
        if let Output::Line { stream, text, .. } = output {
            lines.push((stream, text));
        }
    }
    lines
}

pub(crate) async fn stdout_of(spec: Spec) -> Vec<String> {
    let mut process = start(spec);
    let lines = lines(&mut process).await;
    lines.into_iter().filter(|(stream, _)| *stream == Stream::Stdout).map(|(_, text)| text).collect()
}

pub(crate) async fn exit_of(process: &mut Process) -> Exit {
    let exit = tokio::time::timeout(TOO_LONG, process.wait()).await.expect("it ends in time");
    assert_eq!(exit.survivors, Vec::<u32>::new());
    exit
}

/// The letter of proc_pid_stat(5), if there is such a process.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

pub(crate) fn lives(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

pub(crate) async fn gone(pid: u32) {
    tokio::time::timeout(TOO_LONG, wait_gone(pid)).await.expect("it is gone in time");
    assert!(!lives(pid));
}
