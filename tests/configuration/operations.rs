use std::os::unix::fs::PermissionsExt as _;

use orchestrator_rpc::Code;
use orchestrator_testkit::Daemon;
use serde_json::{Value, json};

use crate::{file, names, told};

const SECRET: &str = "a secret of these tests, set while it runs";

#[tokio::test]
async fn what_is_set_applies_at_once_and_stays_over_a_restart() -> anyhow::Result<()> {
    let daemon = Daemon::builder().config(json!({"daemon": {"maxSessions": 5}})).start().await?;
    let (mut socket, mut admin) = (told(&daemon).await, daemon.admin().await);
    let before = std::fs::read_to_string(file(&daemon))?;
    let values = json!({"daemon": {"maxSessions": 9, "name": "second"}, "tasks.maxAttempts": 4});
    let changed = admin.call("config.set", json!({ "values": values })).await?;
    assert_eq!(names(&changed, "applied"), ["daemon.maxSessions", "tasks.maxAttempts"]);
    assert_eq!(names(&changed, "restart"), ["daemon.name"]);
    let event = socket.next_event().await;
    assert_eq!((event.name.as_str(), &event.payload["trigger"]), ("config.reloaded", &json!("config.set")));
    assert_eq!(admin.call("daemon.status", json!({})).await?["sessions"]["free"], 9);
    assert_eq!(before, std::fs::read_to_string(file(&daemon))?, "the operator's file stays as it is");

    let explained = admin.call("config.explain", json!({"keys": ["daemon"]})).await?;
    let item = |key: &str| {
        let items = explained["items"].as_array().expect("items");
        items.iter().find(|item| item["key"] == key).cloned().unwrap_or_else(|| panic!("no {key} in {explained}"))
    };
    assert_eq!(
        (&item("daemon.name")["value"], &item("daemon.name")["afterRestart"]),
        (&json!("orchestrator"), &json!("second"))
    );
    assert_eq!(item("daemon.name")["effect"], "restart");
    assert!(item("daemon.maxSessions")["source"].as_str().is_some_and(|source| source.starts_with("set at run time")));
    assert_eq!(item("daemon.port")["source"], "flag --port");
    assert_eq!(item("daemon.verbose")["source"], "default");

    let daemon = daemon.kill().await.start().await?;
    let mut admin = daemon.admin().await;
    let status = admin.call("daemon.status", json!({})).await?;
    assert_eq!((&status["name"], &status["sessions"]["free"]), (&json!("second"), &json!(9)));
    let unset = admin.call("config.set", json!({"values": {}, "unset": ["daemon.maxSessions"]})).await?;
    assert_eq!(names(&unset, "applied"), ["daemon.maxSessions"]);
    assert_eq!(admin.call("daemon.status", json!({})).await?["sessions"]["free"], 5, "as the file says");
    let replaced = admin.call("config.set", json!({"values": {"tasks": {"maxAttempts": 5}}, "merge": false})).await?;
    assert_eq!(
        (names(&replaced, "applied"), names(&replaced, "restart")),
        (vec!["tasks.maxAttempts".into()], vec!["daemon.name".into()])
    );
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_key_and_changes_nothing() -> anyhow::Result<()> {
    let daemon = Daemon::builder().env("DAEMON_VERBOSE", "false").start().await?;
    let mut admin = daemon.admin().await;
    let program = json!({"agents": {"mine": {"program": {"command": ["sh", "-c", "id"]}}}});
    for (values, said) in [
        (json!({"rateLimit": {"maxx": 1}}), "unknown key `rateLimit.maxx`, did you mean `max`?"),
        (json!({"rateLimit.max": "many"}), "`rateLimit.max` is \"many\", expected a whole number"),
        (json!({"daemon.maxSessions": 0}), "daemon.maxSessions: expected 1 to 100000"),
        (json!({"logging.level": "no=such=level"}), "level"),
        (json!({"daemon.verbose": true}), "is set by environment variable DAEMON_VERBOSE, which wins"),
        (json!({"daemon.port": 1}), "is set by flag --port, which wins"),
        (json!({"plugins": {"enabled": true}}), "not built yet"),
        (json!({"daemon.dataDir": "/tmp"}), "in the configuration file and nowhere else"),
        (program, "in the configuration file and nowhere else"),
    ] {
        // With something that would be fine, to see that it is all or nothing.
        let mut values = values;
        values["events"] = json!({"retentionDays": 3});
        let refused = admin.call("config.set", json!({ "values": values })).await.expect_err("it is refused");
        assert!(refused.message.contains(said), "{said} is not in {refused:?}");
    }
    let unknown = admin.call("config.get", json!({"keys": ["rateLimit.maxx"]})).await.expect_err("there is none");
    assert!(unknown.code == Code::NotFound && unknown.message.contains("rateLimit.maxx"), "{unknown:?}");
    let set = admin.call("config.get", json!({"keys": ["events"]})).await?;
    assert_eq!(set["values"]["events"]["retentionDays"], 30, "{set}");
    assert!(!daemon.data_directory().join("config.set.json").exists());
    Ok(())
}

#[tokio::test]
async fn a_secret_is_never_shown_and_its_mask_written_back_leaves_it() -> anyhow::Result<()> {
    let daemon = Daemon::builder().env("TOKEN", SECRET).start().await?;
    let (mut socket, mut admin) = (told(&daemon).await, daemon.admin().await);
    let changed = admin.call("config.set", json!({"values": {"auth": {"jwtSecret": SECRET}}})).await?;
    assert_eq!(names(&changed, "restart"), ["auth.jwtSecret"]);
    let event = socket.next_event().await;
    let overlay = daemon.data_directory().join("config.set.json");
    let kept = std::fs::read_to_string(&overlay)?;
    assert!(kept.contains(SECRET));
    assert_eq!(std::fs::metadata(&overlay)?.permissions().mode() & 0o777, 0o600);
    // Everything that was got is set again, as a form does.
    let all = admin.call("config.get", json!({"all": true})).await?;
    assert_eq!(all["values"]["auth"]["jwtSecret"], "***");
    for merge in [true, false] {
        let again = admin.call("config.set", json!({"values": all["values"], "merge": merge})).await?;
        assert!(names(&again, "applied").is_empty(), "{again}");
        assert_eq!(std::fs::read_to_string(&overlay)?, kept);
    }
    let explained = admin.call("config.explain", json!({"all": true})).await?;
    let wrong = admin
        .call(
            "config.set",
            json!({"values": {"auth": {"jwtSecret": 5}, "daemon": {"name": SECRET, "maxSessions": SECRET}}}),
        )
        .await;
    // Written into the file by a reference to a variable, it is not shown either.
    let config = json!({"daemon": {"name": "${TOKEN}"}});
    let reloaded = crate::apply(&daemon, &mut socket, &config).await;
    let interpolated = admin.call("config.explain", json!({"all": true})).await?;
    let metrics = daemon.admin_http().get("/metrics").await.body;
    let texts = [
        format!("{event:?}"),
        all.to_string(),
        explained.to_string(),
        format!("{wrong:?}"),
        reloaded.to_string(),
        interpolated.to_string(),
        metrics,
        daemon.log(),
    ];
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
    // After a restart it is what tokens are signed with, and the daemon starts.
    let daemon = daemon.kill().await.start().await?;
    let issue = json!({"kind": "jwt", "subject": "reader", "scopes": ["daemon.read"]});
    let token = daemon.admin().await.call("auth.token.issue", issue).await?;
    daemon.http().with_token(token["token"].as_str().unwrap_or_default()).call("task.list", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn another_organisation_has_no_configuration() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let other = daemon.organisation("other").await;
    let (mut theirs, http) = (other.socket(&daemon).await, other.http(&daemon));
    theirs.subscribe(&["**"]).await;
    let calls = [
        ("config.get", json!({"all": true})),
        ("config.explain", json!({})),
        ("config.set", json!({"values": {"daemon.maxSessions": 1}})),
        ("config.reload", json!({})),
    ];
    for (method, params) in calls {
        for answer in [theirs.call(method, params.clone()).await, http.call(method, params.clone()).await] {
            let refused = answer.expect_err("it is not theirs");
            assert_eq!((refused.code, refused.message.as_str()), (Code::NotFound, "no such configuration"), "{method}");
        }
        daemon.admin_http().call(method, params).await?;
    }
    // They hear nothing of the operator's changes: the next thing they see is their own.
    let task = theirs.call("task.create", json!({"title": "own"})).await?;
    let event = theirs.next_event().await;
    assert_eq!((event.name.as_str(), &event.payload["taskId"]), ("task.created", &task["id"]), "{event:?}");
    Ok(())
}

#[tokio::test]
async fn reading_takes_less_than_setting() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let reader = daemon.http().with_token(&daemon.token("daemon.read").await);
    reader.call("config.get", json!({})).await?;
    let writer = daemon.http().with_token(&daemon.token("daemon.write").await);
    for (method, params) in [("config.set", json!({"values": {}})), ("config.reload", json!({}))] {
        assert_eq!(writer.call(method, params).await.map_err(|error| error.code), Err::<Value, _>(Code::Forbidden));
    }
    Ok(())
}
