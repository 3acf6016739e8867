//! A program that may write to one directory and reads no other: this example starts itself again as the launcher.

use std::sync::Arc;

use orchestrator_confine::{CONFINE, Confinement, Launcher, Sandboxes, confine_and_exec};
use orchestrator_egress::{Proxy, ProxyConfig};
use orchestrator_process::{Environment, Host, Mode, Output, Process, Sandbox, Spec};

fn main() -> anyhow::Result<()> {
    // Before any thread is started: what is given up is given up for this thread.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == CONFINE) {
        let error = confine_and_exec(arguments);
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let (work, outside) = (tempfile::tempdir()?, tempfile::NamedTempFile::new()?);
    let launcher = Launcher::of_this_program(Mode::Preferred);
    println!("this system has: {}", launcher.report());
    let confinement = Confinement { writable: vec![work.path().to_owned()], ..Confinement::system() };
    let script = format!("echo mine > note && cat note; cat {} || echo 'and nothing else'", outside.path().display());
    let environment = Environment::empty().set("PATH", "/usr/bin:/bin");
    let spec = Spec::new("sh").args(["-c", &script]).working_directory(work.path()).environment(environment);
    let mut process = Process::spawn(launcher.confine(spec, &confinement)?)?;
    while let Some(output) = process.next().await {
        if let Output::Line { text, .. } = output {
            println!("{text}");
        }
    }
    println!("{:?}", process.wait().await.status);
    with_hosts().await
}

/// One that may speak to a host, and tries to speak to another.
async fn with_hosts() -> anyhow::Result<()> {
    let work = tempfile::tempdir()?;
    let proxy = Proxy::new(
        ProxyConfig::default(),
        Arc::new(|asked| {
            println!("it asked for {}:{}: {:?}", asked.host, asked.port, asked.outcome);
            Box::pin(std::future::ready(()))
        }),
    )?;
    let sandboxes = Sandboxes::of_this_program(work.path()).through(proxy);
    println!("what it lacks to be kept to hosts: {:?}", sandboxes.without_hosts());
    let host = Host { owner: "an example".to_owned(), confine: Arc::new(sandboxes) };
    let sandbox = Sandbox { hosts: vec!["api.example.org".parse()?], ..Sandbox::default() };
    let environment = Environment::empty().set("PATH", "/usr/bin:/bin");
    let script = "echo \"its proxy is $HTTPS_PROXY\"; curl -s http://elsewhere.example/ || echo 'and nobody else'";
    let mut process = host.spawn(&sandbox, Spec::new("sh").args(["-c", script]).environment(environment)).await?;
    while let Some(output) = process.next().await {
        if let Output::Line { text, .. } = output {
            println!("{text}");
        }
    }
    println!("{:?}", process.wait().await.status);
    Ok(())
}
