//! Agent programs that the operator configured work the backlog by themselves.

use orchestrator_testkit::{Backend, Event, on_both_backends, shell};
use serde_json::{Value, json};

use crate::{create, create_many, daemon, get, items};

on_both_backends![
    programs_work_a_graph_and_all_who_listen_see_the_same,
    a_program_reads_its_task_and_what_came_before_it,
    a_task_that_failed_goes_to_another_agent,
    a_task_goes_to_the_agent_that_fits_and_explains_why,
    never_more_sessions_run_than_are_allowed,
    what_a_program_reports_is_seen_while_it_runs,
    programs_that_do_not_exist_or_take_too_long_fail_their_tasks,
];

fn named(events: &[Event], name: &str) -> Vec<String> {
    let titles = events.iter().filter(|event| event.name == name);
    titles.map(|event| event.payload["taskId"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn programs_work_a_graph_and_all_who_listen_see_the_same(backend: Backend) -> anyhow::Result<()> {
    let agents = json!({"agents": {"first": shell("cat; echo done", &[], 2), "second": shell("echo done", &[], 2)}});
    let daemon = daemon(backend).config(agents).start().await?;
    let (mut socket, mut other) = (daemon.admin().await, daemon.admin().await);
    for listener in [&mut socket, &mut other] {
        listener.subscribe(&["task.*", "scheduler.*", "session.*"]).await;
    }
    let graph = (0..12).map(|n| match n {
        0..3 => json!({"title": n.to_string(), "ref": n.to_string()}),
        n => json!({"title": n.to_string(), "ref": n.to_string(), "dependsOnRefs": [(n - 3).to_string(), (n - 2).to_string()]}),
    });
    let tasks = create_many(&mut socket, graph.collect()).await?;
    let (mut left, mut count) = (tasks.len(), 0);
    let mut until_the_last = |event: &Event| {
        left -= usize::from(event.name == "task.completed");
        count += 1;
        left == 0
    };
    let seen = socket.events_until("twelve completions", &mut until_the_last).await;
    let mut left = seen.len();
    let same = other
        .events_until("as many events", |_| {
            left -= 1;
            left == 0
        })
        .await;
    let plain = |events: &[Event]| events.iter().map(|event| (event.seq, event.name.clone())).collect::<Vec<_>>();
    assert_eq!(plain(&seen), plain(&same));
    assert!(plain(&seen).windows(2).all(|pair| pair[0].0 < pair[1].0), "in the order of the log");

    let (started, ended) = (named(&seen, "task.claimed"), named(&seen, "task.completed"));
    let place = |list: &[Event], name: &str, id: &Value| {
        list.iter().position(|event| event.name == name && event.payload["taskId"] == *id).expect("it happened")
    };
    assert_eq!((started.len(), ended.len()), (12, 12));
    for n in 3..12 {
        for blocker in [n - 3, n - 2] {
            let (done, begun) = (&tasks[blocker]["id"], &tasks[n]["id"]);
            assert!(
                place(&seen, "task.completed", done) < place(&seen, "task.claimed", begun),
                "{n} began before {blocker}"
            );
        }
    }
    assert_eq!(named(&seen, "scheduler.assigned").len(), 12);
    for task in &tasks {
        assert_eq!(get(&mut socket, &task["id"]).await?["result"], "done");
    }
    Ok(())
}

async fn a_program_reads_its_task_and_what_came_before_it(backend: Backend) -> anyhow::Result<()> {
    let echo = shell(r#"read -r task; echo "an earlier line"; echo "$task""#, &[], 1);
    let daemon = daemon(backend).config(json!({"agents": {"echo": echo}})).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.completed"]).await;
    let first = create(&mut socket, json!({"title": "first; $(id) `id` \" '", "metadata": {"n": 1}})).await?;
    let second = create(&mut socket, json!({"title": "second", "dependsOn": [first["id"]]})).await?;
    socket.event_about("task.completed", &second["id"]).await;
    let read = get(&mut socket, &first["id"]).await?["result"].clone();
    for key in ["id", "title", "metadata"] {
        assert_eq!(read[key], first[key], "{read}");
    }
    let read = get(&mut socket, &second["id"]).await?["result"].clone();
    assert_eq!(read["dependencies"][0]["taskId"], first["id"], "{read}");
    assert_eq!(read["dependencies"][0]["result"]["title"], first["title"], "{read}");
    Ok(())
}

async fn a_task_that_failed_goes_to_another_agent(backend: Backend) -> anyhow::Result<()> {
    let agents =
        json!({"a-breaks": shell("echo 'out of cheese' >&2; exit 3", &[], 1), "b-works": shell("echo fine", &[], 1)});
    let quick = json!({"agents": agents, "tasks": {"backoff": {"initialMs": 1, "capMs": 1}}});
    let daemon = daemon(backend).config(quick).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.*"]).await;
    let mut tried = std::collections::HashSet::new();
    // Which of two equal agents is asked first is the scheduler's business; with both busy both are asked.
    let tasks = create_many(&mut socket, vec![json!({"title": "a"}), json!({"title": "b"})]).await?;
    let mut left = tasks.len();
    let events = socket
        .events_until("two completions", |event| {
            left -= usize::from(event.name == "task.completed");
            left == 0
        })
        .await;
    for event in &events {
        match event.name.as_str() {
            "task.released" => {
                assert_eq!(
                    (&event.payload["agentId"], &event.payload["reason"]),
                    (&json!("a-breaks"), &json!("failed"))
                );
                let error = event.payload["error"].as_str().unwrap_or_default();
                assert!(error.contains("code 3") && error.contains("out of cheese"), "{error}");
                tried.insert(event.payload["taskId"].to_string());
            }
            "task.claimed" if tried.contains(&event.payload["taskId"].to_string()) => {
                assert_eq!(event.payload["agentId"], "b-works", "the one that failed it is avoided");
            }
            "task.completed" => assert_eq!(event.payload["agentId"], "b-works"),
            _ => {}
        }
    }
    assert!(!tried.is_empty(), "the agent that breaks was tried: {events:#?}");
    Ok(())
}

async fn a_task_goes_to_the_agent_that_fits_and_explains_why(backend: Backend) -> anyhow::Result<()> {
    let wait = "until [ -e go ]; do sleep 0.02; done; echo done";
    let agents = json!({"coder": shell(wait, &["rust", "sql"], 1), "generalist": shell(wait, &["rust"], 2), "writer": shell(wait, &["prose"], 1)});
    let daemon = daemon(backend).config(json!({"agents": agents})).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.claimed", "task.completed", "scheduler.skipped"]).await;
    let task = create(&mut socket, json!({"title": "a query", "requiredCapabilities": ["rust"]})).await?;
    let claimed = socket.event_about("task.claimed", &task["id"]).await;
    let why = socket.call("task.explain", json!({"taskId": task["id"]})).await?;
    assert_eq!((&why["why"], &why["agentId"]), (&json!("runs"), &claimed.payload["agentId"]), "{why}");
    let decision = why["decision"].to_string();
    let losers = ["coder", "generalist"].iter().filter(|agent| claimed.payload["agentId"] != **agent).count();
    assert!(losers == 1 && decision.contains("losers") && decision.contains("scores"), "{decision}");
    assert!(!decision.contains("writer"), "who cannot do it is no loser: {decision}");

    let impossible = create(&mut socket, json!({"title": "x", "requiredCapabilities": ["rust", "prose"]})).await?;
    let skipped = socket.event_about("scheduler.skipped", &impossible["id"]).await;
    assert_eq!(skipped.payload["why"]["reason"], "no_capable_agent", "{skipped:?}");
    std::fs::write(daemon.work_directory().join("go"), "")?;
    socket.event_about("task.completed", &task["id"]).await;
    Ok(())
}

async fn never_more_sessions_run_than_are_allowed(backend: Backend) -> anyhow::Result<()> {
    const MAX: usize = 10;
    const TASKS: usize = 200;
    let script = "until [ -e go ]; do sleep 0.02; done; echo done";
    let config = json!({"agents": {"many": shell(script, &[], 1_000)}, "daemon": {"maxSessions": MAX}});
    let daemon = daemon(backend).config(config).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["session.created", "session.stopped"]).await;
    create_many(&mut socket, (0..TASKS).map(|n| json!({"title": n.to_string()})).collect()).await?;
    let (mut active, mut most, mut ended) = (0_usize, 0, 0);
    let mut count = |event: &Event| {
        match event.name.as_str() {
            "session.created" => active += 1,
            _ => (active, ended) = (active - 1, ended + 1),
        }
        most = most.max(active);
        (active, ended)
    };
    socket.events_until("ten sessions", |event| count(event).0 == MAX).await;
    std::fs::write(daemon.work_directory().join("go"), "")?;
    socket.events_until("two hundred ends", |event| count(event).1 == TASKS).await;
    assert_eq!(most, MAX, "the limit is reached and holds");
    let done = items(&socket.call("task.list", json!({"status": ["completed"], "limit": 1000})).await?);
    assert_eq!(done.len(), TASKS);
    let returned = json!({"events": ["task.released"], "limit": 1000});
    let returned = items(&socket.call("event.list", returned).await?).len();
    assert!(returned <= TASKS, "{returned} claims were made for which there was no session");
    Ok(())
}

async fn what_a_program_reports_is_seen_while_it_runs(backend: Backend) -> anyhow::Result<()> {
    let script = r#"echo "counting"; echo '{"progress": {"percent": 50}}'; echo '{"usage": {"inputTokens": 10, "outputTokens": 5}}'
        until [ -e go ]; do sleep 0.02; done; echo "half of it" >&2; echo '{"result": {"files": 3}}'"#;
    let agents = json!({"agents": {"counter": shell(script, &[], 1)}});
    let daemon = daemon(backend).config(agents).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["stream.*", "task.progressed", "task.completed", "session.*"]).await;
    let task = create(&mut socket, json!({"title": "count"})).await?;
    let progressed = socket.event_about("task.progressed", &task["id"]).await;
    assert_eq!(progressed.payload["progress"], json!({"percent": 50}));
    std::fs::write(daemon.work_directory().join("go"), "")?;
    let mut chunks = Vec::new();
    let events = socket.events_until("the end", |event| event.name == "session.stopped").await;
    for event in events.iter().filter(|event| event.name == "stream.chunk") {
        chunks.push((event.payload["chunkType"].clone(), event.payload["content"].clone()));
    }
    assert!(chunks.contains(&(json!("error"), json!("half of it"))), "{chunks:?}");
    let done = get(&mut socket, &task["id"]).await?;
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!({"files": 3})));
    let sessions = socket.call("session.list", json!({})).await?;
    assert_eq!(sessions["sessions"][0]["metrics"]["tokensUsed"], 15, "{sessions}");
    Ok(())
}

async fn programs_that_do_not_exist_or_take_too_long_fail_their_tasks(backend: Backend) -> anyhow::Result<()> {
    let missing = json!({"program": {"command": ["/no/such/program"]}, "capabilities": ["missing"]});
    let mut slow = shell("sleep 600", &["slow"], 1);
    slow["program"]["timeoutMs"] = json!(200);
    let mut loud = shell("yes", &["loud"], 1);
    loud["program"]["outputBytesMax"] = json!(10_000);
    let agents = json!({"agents": {"missing": missing, "slow": slow, "loud": loud}});
    let daemon = daemon(backend).config(agents).start().await?;
    let mut socket = daemon.admin().await;
    socket.subscribe(&["task.failed"]).await;
    for (needs, text) in [("missing", "/no/such/program"), ("slow", "timeoutMs"), ("loud", "outputBytesMax")] {
        let task = json!({"title": needs, "requiredCapabilities": [needs], "maxAttempts": 1});
        let task = create(&mut socket, task).await?;
        let failed = socket.event_about("task.failed", &task["id"]).await;
        assert!(failed.payload["error"].as_str().is_some_and(|error| error.contains(text)), "{needs}: {failed:?}");
    }
    Ok(())
}
