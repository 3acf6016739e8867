//! A program with limits, a gentle stop, and a daemon that does not get away.
//!
//! `cargo run -p orchestrator-examples --example process`

use std::time::Duration;

use orchestrator_process::{Environment, Limits, Output, Process, Spec, Stdin, become_subreaper, end_strays};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // What a crashed run of this example left behind; then orphans come to us.
    println!("left behind: {:?}", tokio::task::spawn_blocking(|| end_strays("process-example")).await?);
    become_subreaper()?;

    println!("\n-- input, output, exit code");
    let sort = Spec::new("sort").stdin(Stdin::Bytes("pear\napple\nquince\n".into()));
    print_all(Process::spawn(ours(sort))?).await;

    println!("\n-- a limit on output");
    let limits = Limits { output_bytes_max: 12, ..Limits::default() };
    print_all(Process::spawn(ours(shell("seq 1 100000")).limits(limits))?).await;

    println!("\n-- a limit on time, and a daemon in a session of its own");
    let limits = Limits { wall_time: Some(Duration::from_millis(300)), ..Limits::default() };
    let script = "(setsid sh -c 'echo the daemon is $$; exec sleep 1000 >/dev/null 2>&1' &); exec sleep 1000";
    print_all(Process::spawn(ours(shell(script)).limits(limits))?).await;

    println!("\n-- a gentle stop");
    let script = "trap 'echo cleaning up; exit 3' TERM; echo at work; while :; do sleep 0.1; done";
    let mut process = Process::spawn(ours(shell(script)))?;
    println!("{:?}", process.next().await);
    let handle = process.handle();
    tokio::join!(handle.stop(Duration::from_secs(5)), print_all(process));

    println!("\n-- what cannot be started says why");
    println!("{}", Process::spawn(Spec::new("no-such-program")).err().map_or_else(String::new, |e| e.to_string()));
    Ok(())
}

fn shell(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script])
}

fn ours(spec: Spec) -> Spec {
    spec.environment(Environment::empty().inherit(["PATH"])).owner("process-example")
}

async fn print_all(mut process: Process) {
    while let Some(output) = process.next().await {
        match output {
            Output::Line { stream, text, .. } => println!("{stream:?}: {text}"),
            other => println!("{other:?}"),
        }
    }
    let exit = process.wait().await;
    println!("{:?} after {} ms", exit.status, exit.duration.as_millis());
}
