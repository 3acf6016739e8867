//! Time, output, and what is reported at the end.

mod support;

use std::time::Duration;

use bytes::Bytes;
use orchestrator_process::{Error, Framing, Limits, Output, OverOutput, Spec, Status, Stdin, Stream};
use support::{exit_of, limits, line, lines, ms, shell, start, stdout_of};

#[tokio::test]
async fn codes_and_signals_are_reported() {
    for (script, status) in [
        ("exit 0", Status::Exited(0)),
        ("exit 7", Status::Exited(7)),
        ("kill -9 $$", Status::Signalled(9)),
        ("kill -15 $$", Status::Signalled(15)),
    ] {
        let exit = exit_of(&mut start(shell(script))).await;
        assert_eq!(exit.status, status, "{script}");
        assert_eq!(exit.is_success(), status == Status::Exited(0));
    }
}

#[tokio::test]
async fn the_two_streams_are_told_apart_and_counted() {
    let mut process = start(shell("echo out; echo error >&2; printf rest"));
    let mut lines = lines(&mut process).await;
    lines.sort_by_key(|(stream, _)| *stream == Stream::Stderr);
    let expected = [(Stream::Stdout, "out"), (Stream::Stdout, "rest"), (Stream::Stderr, "error")];
    assert_eq!(lines, expected.map(|(stream, text)| (stream, text.to_owned())));
    let exit = exit_of(&mut process).await;
    assert_eq!((exit.stdout_bytes, exit.stderr_bytes, exit.truncated), (8, 6, false));
}

#[tokio::test]
async fn output_that_is_not_utf8_is_shown_with_replacements() {
    assert_eq!(stdout_of(shell(r"printf 'a\377b\nok\n'")).await, ["a\u{fffd}b", "ok"]);
}

#[tokio::test]
async fn chunks_are_the_exact_bytes() {
    let mut process = start(shell(r"printf 'a\377b\n'").framing(Framing::Chunks));
    let expected = Output::Chunk { stream: Stream::Stdout, bytes: Bytes::from_static(b"a\xffb\n") };
    assert_eq!(process.next().await, Some(expected));
    assert_eq!(process.next().await, None);
}

#[tokio::test]
async fn a_process_that_runs_too_long_is_ended() {
    let limits = Limits { wall_time: Some(ms(100)), ..limits() };
    let exit = exit_of(&mut start(shell("sleep 1000").limits(limits))).await;
    assert_eq!((exit.status, exit.code, exit.signal), (Status::TimedOut, None, Some(15)));
    assert!(exit.duration >= ms(100));
}

#[tokio::test]
async fn a_process_that_prints_nothing_for_too_long_is_ended() {
    let limits = Limits { idle_time: Some(ms(150)), ..limits() };
    let mut process = start(shell("echo a; exec sleep 1000").limits(limits));
    assert_eq!(line(&mut process).await, "a");
    assert_eq!(exit_of(&mut process).await.status, Status::Idle);
}

#[tokio::test]
async fn a_process_that_keeps_printing_is_not_idle() {
    let limits = Limits { idle_time: Some(ms(1_000)), ..limits() };
    let spec = shell("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done").limits(limits);
    assert_eq!(exit_of(&mut start(spec)).await.status, Status::Exited(0));
}

#[tokio::test]
async fn time_in_which_output_waits_to_be_read_is_not_idle() {
    let limits = Limits { idle_time: Some(ms(100)), outputs_waiting_max: 1, wall_time: Some(ms(700)), ..limits() };
    let spec = shell("while :; do echo x; done").limits(limits);
    let process = start(spec);
    let handle = process.handle();
    // Nobody reads; the tree ends at its wall time and not before.
    let begin = tokio::time::Instant::now();
    tokio::time::timeout(support::TOO_LONG, support::gone(handle.id())).await.unwrap();
    assert!(begin.elapsed() >= ms(500));
    drop(process);
}

#[tokio::test]
async fn output_beyond_the_limit_is_discarded_and_marked() {
    let limits = Limits { output_bytes_max: 10, ..limits() };
    let mut process = start(shell("printf 'one\ntwo\nthree\nfour\n'; echo fine >&2; exit 3").limits(limits));
    let mut stdout = Vec::new();
    while let Some(output) = process.next().await {
        match output {
            Output::Line { stream: Stream::Stdout, text, ended } => stdout.push(format!("{text} {ended}")),
            Output::Truncated { stream: Stream::Stdout } => stdout.push("truncated".to_owned()),
            other => assert!(matches!(other, Output::Line { stream: Stream::Stderr, .. }), "{other:?}"),
        }
    }
    assert_eq!(stdout, ["one true", "two true", "th false", "truncated"]);
    let exit = exit_of(&mut process).await;
    assert_eq!((exit.status, exit.stdout_bytes, exit.truncated), (Status::Exited(3), 19, true));
}

#[tokio::test]
async fn a_process_that_prints_without_end_does_not_fill_memory_and_can_be_ended_for_it() {
    let limits = Limits { output_bytes_max: 100_000, over_output: OverOutput::End, ..limits() };
    let mut process = start(Spec::new("/usr/bin/yes").limits(limits).framing(Framing::Chunks));
    let mut delivered = 0;
    while let Some(output) = process.next().await {
        if let Output::Chunk { bytes, .. } = output {
            delivered += bytes.len();
        }
    }
    assert_eq!(delivered, 100_000);
    assert_eq!(exit_of(&mut process).await.status, Status::OutputLimit);
}

#[tokio::test]
async fn output_of_exactly_the_limit_is_whole() {
    let limits = Limits { output_bytes_max: 4, ..limits() };
    let mut process = start(shell("printf 'abc\n'").limits(limits));
    assert_eq!(lines(&mut process).await, [(Stream::Stdout, "abc".to_owned())]);
    assert!(!exit_of(&mut process).await.truncated);
}

#[tokio::test]
async fn what_is_printed_just_before_the_end_is_delivered_to_a_slow_reader() {
    let limits = Limits { outputs_waiting_max: 1, drain: ms(1), ..limits() };
    let mut process = start(shell("seq 1 2000").limits(limits));
    let id = process.id();
    assert_eq!(line(&mut process).await, "1");
    support::gone(id).await;
    let handle = process.handle();
    handle.stop(Duration::MAX).await;
    assert!(matches!(handle.pause().await, Err(Error::Ended)), "nothing waits for the reader");
    assert_eq!(lines(&mut process).await.len(), 1_999);
    assert!(exit_of(&mut process).await.is_success());
}

#[tokio::test]
async fn waiting_twice_gives_the_same_answer() {
    let mut process = start(shell("cat; exit 4").stdin(Stdin::Piped));
    assert_eq!(exit_of(&mut process).await, exit_of(&mut process).await);
    assert_eq!(process.next().await, None);
}
