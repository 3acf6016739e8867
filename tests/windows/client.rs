//! The Rust client on the windows of the daemon.

use std::time::Duration;

use orchestrator_client::{Client, Config, Delivery, Error, Gap, Reconnect, Resumption, Subscription, Topics};
use orchestrator_rpc::Code;
use orchestrator_testkit::{Backend, Daemon, Socket, on_both_backends, patiently};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::create;
use super::proxy::Proxy;

fn config(url: &str, token: &str) -> Config {
    let reconnect =
        Reconnect { delay_first: Duration::from_millis(5), delay_max: Duration::from_millis(50), attempts_max: None };
    Config { reconnect, ..Config::new(url).token(token) }
}

fn durable() -> Topics {
    Topics::new(["task.created"]).durable("tail")
}

async fn next(events: &mut Subscription) -> Delivery {
    patiently("a delivery", events.next()).await.expect("the stream goes on").expect("no error")
}

/// What came, up to this many events.
#[derive(Debug, Default)]
struct Came {
    seqs: Vec<u64>,
    breaks: Vec<Resumption>,
    /// With how many events had come before.
    gaps: Vec<(usize, Gap)>,
}

async fn take(events: &mut Subscription, count: usize) -> Came {
    let mut came = Came::default();
    while came.seqs.len() < count {
        match next(events).await {
            Delivery::Event(event) => came.seqs.push(event.seq.expect("a stored event")),
            Delivery::Gap(gap) => came.gaps.push((came.seqs.len(), gap)),
            Delivery::Resumed(by) => came.breaks.push(by),
        }
    }
    came
}

/// The numbers of all tasks that were created, as the log has them.
async fn created(socket: &mut Socket) -> Vec<u64> {
    let mut seqs = Vec::new();
    let mut params = json!({"events": ["task.created"], "limit": 200});
    loop {
        let page = socket.call("event.list", params.clone()).await.expect("a page");
        seqs.extend(page["items"].as_array().into_iter().flatten().filter_map(|event| event["seq"].as_u64()));
        match page["nextCursor"].as_str() {
            Some(cursor) => params["cursor"] = json!(cursor),
            None => return seqs,
        }
    }
}

async fn a_daemon_killed_in_the_middle_costs_nothing(backend: Backend) -> anyhow::Result<()> {
    let mut daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let proxy = Proxy::to(daemon.url()).await;
    let client = Client::connect(config(&proxy.url, daemon.admin_token())).await?;
    let mut events = client.subscribe(durable()).await?;
    assert_eq!(events.resumed(), None, "no token was shown");
    let mut seqs = Vec::new();
    for round in 0..4 {
        create(&mut daemon.admin().await, 20).await;
        // Some of them are taken, some of those acknowledged; the others are in some buffer when the daemon is killed.
        let came = take(&mut events, 7).await;
        events.acknowledge(came.seqs[2]);
        seqs.extend(came.seqs);
        daemon = daemon.kill().await.start().await?;
        create(&mut daemon.admin().await, 20).await;
        proxy.lead_to(daemon.url());
        let came = take(&mut events, 33).await;
        assert_eq!((came.breaks, came.gaps), (vec![Resumption::Window], vec![]), "round {round}");
        seqs.extend(came.seqs);
        events.acknowledge(seqs[seqs.len() - 1 - round]);
    }
    assert_eq!(seqs, created(&mut daemon.admin().await).await, "each once, in order");
    Ok(())
}

async fn what_is_more_than_a_window_keeps_is_told_first(backend: Backend) -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(backend).without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let proxy = Proxy::to(daemon.url()).await;
    let client = Client::connect(config(&proxy.url, daemon.admin_token())).await?;
    let mut events = client.subscribe(durable()).await?;
    // The other one keeps no window: it goes on by its number, and has everything.
    let mut plain = client.subscribe(Topics::new(["task.created"])).await?;
    create(&mut maker, 2).await;
    let before = take(&mut events, 2).await.seqs;
    events.acknowledge(before[1]);
    take(&mut plain, 2).await;
    // Answered after the acknowledgement was heard.
    client.call::<_, serde_json::Value>("health.ping", &()).await?;
    proxy.cut();
    create(&mut maker, 1_200).await;
    proxy.lead_to(daemon.url());

    assert!(matches!(next(&mut events).await, Delivery::Resumed(Resumption::Window)));
    let Delivery::Gap(gap) = next(&mut events).await else { panic!("the gap comes first") };
    assert_eq!((gap.count, gap.reason.as_str()), (200, "window"));
    let kept = take(&mut events, 1_000).await;
    let all = created(&mut maker).await;
    assert!(gap.from > Some(before[1]) && gap.to < Some(all[202]), "{gap:?}");
    assert_eq!((kept.seqs.as_slice(), kept.gaps.len()), (&all[202..], 0));
    let came = take(&mut plain, 1_200).await;
    // More than its queue holds: it may have fallen behind as well.
    assert!(came.breaks.iter().all(|by| *by == Resumption::Number), "{:?}", came.breaks);
    assert_eq!((came.gaps, came.seqs.as_slice()), (vec![], &all[2..]));
    Ok(())
}

on_both_backends!(a_daemon_killed_in_the_middle_costs_nothing, what_is_more_than_a_window_keeps_is_told_first);

#[tokio::test]
async fn a_refused_token_is_told_and_loses_nothing() -> anyhow::Result<()> {
    let config_of_daemon = json!({"events": {"windows": {"perSubjectMax": 1}}});
    let daemon = Daemon::builder().without_rate_limits().config(config_of_daemon).start().await?;
    let mut maker = daemon.admin().await;
    let proxy = Proxy::to(daemon.url()).await;
    let client = Client::connect(config(&proxy.url, daemon.admin_token())).await?;
    let mut events = client.subscribe(durable()).await?;
    let first_token = client.resume_token().expect("a token");
    create(&mut maker, 5).await;
    let mut seqs = take(&mut events, 5).await.seqs;
    events.acknowledge(seqs[1]);
    proxy.cut();
    // Its window is one too many now.
    let mut other = daemon.admin().await;
    other.subscribe(&["task.deleted"]).await;
    other.leave().await;
    create(&mut maker, 1_100).await;
    proxy.lead_to(daemon.url());
    let came = take(&mut events, 600).await;
    assert_eq!(came.breaks, [Resumption::WindowLost]);
    // Without it no more would come than a window holds.
    events.acknowledge(came.seqs[599]);
    seqs.extend(came.seqs);
    let came = take(&mut events, 500).await;
    assert_eq!((came.breaks.len(), came.gaps.len()), (0, 0), "the log has more than a window");
    seqs.extend(came.seqs);
    let token = client.resume_token().expect("another token");
    assert_ne!(token.expose_secret(), first_token.expose_secret());
    // The new window is as good as the first.
    proxy.cut();
    create(&mut maker, 3).await;
    proxy.lead_to(daemon.url());
    let came = take(&mut events, 3).await;
    assert_eq!(came.breaks, [Resumption::Window]);
    seqs.extend(came.seqs);
    assert_eq!(seqs, created(&mut maker).await);
    Ok(())
}

#[tokio::test]
async fn another_process_goes_on_after_what_was_acknowledged() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let first = Client::connect(config(daemon.url(), daemon.admin_token())).await?;
    let mut events = first.subscribe(durable()).await?;
    let token = first.resume_token().expect("a token");
    create(&mut maker, 5).await;
    let seqs = take(&mut events, 5).await.seqs;
    events.acknowledge(seqs[2]);
    first.call::<_, serde_json::Value>("health.ping", &()).await?;
    first.close().await;
    create(&mut maker, 2).await;
    let all = created(&mut maker).await;

    let again = || config(daemon.url(), daemon.admin_token()).resume_token(token.clone());
    let second = Client::connect(again()).await?;
    let refused =
        second.subscribe(Topics::new(["task.*"]).durable("tail")).await.map(|_| ()).expect_err("other events");
    assert!(matches!(&refused, Error::Refused(error) if error.code == Code::Conflict), "{refused:?}");
    let mut events = second.subscribe(durable()).await?;
    assert_eq!((events.resumed(), events.after_seq()), (Some(Resumption::Window), seqs[2]));
    assert_eq!(take(&mut events, 4).await.seqs, all[3..]);
    let twice = second.subscribe(durable()).await.map(|_| ()).expect_err("one of a name");
    assert_eq!(twice.code(), Some(Code::Conflict));
    let unknown = second.subscribe(Topics::new(["task.deleted"]).durable("other")).await?;
    assert_eq!(unknown.resumed(), Some(Resumption::WindowLost), "the window has none of this name");

    // A third one takes the window from the second, which goes on without it.
    let third = Client::connect(again()).await?;
    let mut taken = third.subscribe(durable().after(all[4])).await?;
    assert_eq!((taken.resumed(), taken.after_seq()), (Some(Resumption::Window), all[4]));
    create(&mut maker, 1).await;
    let came = take(&mut taken, 3).await.seqs;
    assert_eq!(came, created(&mut maker).await[5..], "not what it says it has");
    let came = take(&mut events, 1).await;
    assert_eq!((came.breaks, came.gaps.len()), (vec![Resumption::WindowLost], 0));
    Ok(())
}

#[tokio::test]
async fn a_token_of_somebody_else_is_told_to_be_refused() -> anyhow::Result<()> {
    let daemon = Daemon::builder().without_rate_limits().start().await?;
    let mut maker = daemon.admin().await;
    let owner = Client::connect(config(daemon.url(), daemon.admin_token())).await?;
    let _events = owner.subscribe(durable()).await?;
    let token = owner.resume_token().expect("a token");
    let colleague = daemon.token("daemon.admin").await;
    let client = Client::connect(config(daemon.url(), &colleague).resume_token(token.clone())).await?;
    create(&mut maker, 2).await;
    let mut events = client.subscribe(durable().after(0)).await?;
    assert_eq!(events.resumed(), Some(Resumption::WindowLost));
    assert_eq!(take(&mut events, 2).await.seqs, created(&mut maker).await, "it may listen for itself");
    let nobody = Client::connect(Config::new(daemon.url()).resume_token(token)).await.map(|_| ()).expect_err("nobody");
    assert!(matches!(nobody, Error::InvalidConfig(_)), "{nobody:?}");
    Ok(())
}
