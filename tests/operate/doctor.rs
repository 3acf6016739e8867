use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use orchestrator_testkit::{Backend, Daemon, Ran, program};
use serde_json::{Value, json};

use crate::place::Place;

/// The offline doctor over `data` in the working directory.
pub(crate) async fn doctor(place: &Place, more: &[&str]) -> Ran {
    let fixed = ["--json", "doctor", "--offline", "--data-dir", "state"];
    place.cli(&[&fixed[..], more].concat()).await
}

/// The worst that this check found.
#[track_caller]
pub(crate) fn severity<'a>(report: &'a Value, check: &str) -> &'a str {
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("no findings: {report}"));
    let of_check: Vec<_> = findings.iter().filter(|finding| finding["check"] == check).collect();
    assert!(!of_check.is_empty(), "nothing about {check}: {report:#}");
    for finding in &of_check {
        assert_eq!(
            finding["severity"] == "ok",
            finding["remedy"].is_null(),
            "what is wrong says what to do: {finding}"
        );
    }
    let has = |severity: &str| of_check.iter().any(|finding| finding["severity"] == severity);
    ["failure", "warning", "ok"].into_iter().find(|severity| has(severity)).unwrap_or("none")
}

/// Whether all is well, the machine's disk apart: how full that is, is nothing to a test.
#[track_caller]
pub(crate) fn healthy(report: &Value) -> bool {
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("no findings: {report}"));
    let failed: Vec<_> = findings.iter().filter(|finding| finding["severity"] == "failure").collect();
    assert_eq!(report["healthy"], failed.is_empty(), "{report:#}");
    failed.iter().all(|finding| finding["check"] == "disk")
}

/// The exit status, the machine's disk apart.
#[track_caller]
pub(crate) fn status(ran: &Ran) -> i32 {
    let report = ran.document();
    assert_eq!(ran.status, i32::from(report["healthy"] != true), "{ran:?}");
    i32::from(!healthy(&report))
}

/// A data directory in which a daemon has run and ended.
pub(crate) async fn used() -> anyhow::Result<Place> {
    let place = Place::new()?;
    place.write("work/orchestrator.json", r#"{"daemon": {"port": 0}, "gateway": {"connectionsMax": 64}}"#, 0o644)?;
    let daemon = program("orchestrator-daemon")?;
    let demo = place.run(&daemon, &["demo", "--once", "--data-dir", "state"]).await;
    assert_eq!(demo.status, 0, "{demo:?}");
    Ok(place)
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[tokio::test]
async fn all_is_well_before_the_first_start_and_after_it() -> anyhow::Result<()> {
    let place = Place::new()?;
    place.write("work/orchestrator.json", r#"{"daemon": {"port": 0}, "gateway": {"connectionsMax": 64}}"#, 0o644)?;
    let fresh = doctor(&place, &[]).await;
    assert_eq!(status(&fresh), 0, "{fresh:?}");
    assert!(!place.path("work/state").exists(), "looking changes nothing");

    let place = used().await?;
    let report = doctor(&place, &[]).await;
    assert_eq!(status(&report), 0, "{report:?}");
    for check in [
        "configuration",
        "data directory",
        "administrator token",
        "signing key",
        "leftovers",
        "clock",
        "open files",
        "port",
        "encryption",
        "store",
        "integrity",
        "schema",
        "free pages",
    ] {
        assert_eq!(severity(&report.document(), check), "ok", "{check}");
    }
    let text = place.cli(&["doctor", "--offline", "--data-dir", "state"]).await.ok();
    assert!(text.contains("ok       integrity: every page is in order"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_configuration_is_found_and_one_that_is_of_no_use_is_a_warning() -> anyhow::Result<()> {
    let place = Place::new()?;
    place.write("work/wrong.yaml", "daemon: { maxSesions: 1 }\n", 0o644)?;
    let wrong = doctor(&place, &["--config", "wrong.yaml"]).await;
    assert_eq!((status(&wrong), severity(&wrong.document(), "configuration")), (1, "failure"));
    place.write("work/idle.yaml", "daemon: { port: 0 }\nplugins: { some: true }\n", 0o644)?;
    let idle = doctor(&place, &["--config", "idle.yaml"]).await;
    assert_eq!((status(&idle), severity(&idle.document(), "configuration")), (0, "warning"), "{idle:?}");
    Ok(())
}

#[tokio::test]
async fn a_data_directory_of_others_or_none_is_found() -> anyhow::Result<()> {
    let place = used().await?;
    let check = async |path: &str| {
        let report = place.cli(&["--json", "doctor", "--offline", "--data-dir", path]).await.document();
        severity(&report, "data directory").to_owned()
    };
    assert_eq!(check("state").await, "ok");
    chmod(&place.path("work/state"), 0o755);
    assert_eq!(check("state").await, "warning");
    chmod(&place.path("work/state"), 0o777);
    assert_eq!(check("state").await, "failure");
    assert_eq!(check("orchestrator.json").await, "failure", "a file");
    assert_eq!(check("/proc/self").await, "failure", "nobody can write there");
    Ok(())
}

#[tokio::test]
async fn secrets_that_others_can_read_or_that_are_none_are_found() -> anyhow::Result<()> {
    let place = used().await?;
    for (check, name) in [("administrator token", "work/state/admin.token"), ("signing key", "work/state/jwt.key")] {
        let path = place.path(name);
        let content = std::fs::read(&path)?;
        chmod(&path, 0o640);
        let report = doctor(&place, &[]).await;
        assert_eq!((status(&report), severity(&report.document(), check)), (1, "failure"), "{report:?}");
        chmod(&path, 0o600);
        std::fs::write(&path, "")?;
        assert_eq!(severity(&doctor(&place, &[]).await.document(), check), "failure", "empty");
        std::fs::write(&path, content)?;
        assert_eq!(severity(&doctor(&place, &[]).await.document(), check), "ok");
    }
    Ok(())
}

#[tokio::test]
async fn an_ed25519_key_that_others_can_read_is_none_or_is_somebody_elses_is_found() -> anyhow::Result<()> {
    let place = used().await?;
    let config = json!({"daemon": {"port": 0}, "auth": {"algorithm": "EdDSA"}});
    place.write("work/eddsa.json", &config.to_string(), 0o644)?;
    let demo = ["demo", "--once", "--data-dir", "state", "--config", "eddsa.json"];
    let demo = place.run(&program("orchestrator-daemon")?, &demo).await;
    assert_eq!(demo.status, 0, "{demo:?}");
    let path = place.path("work/state/jwt.ed25519.pem");
    let content = std::fs::read(&path)?;
    let found = async || {
        let report = doctor(&place, &["--config", "eddsa.json"]).await;
        (status(&report), severity(&report.document(), "signing key").to_owned())
    };
    let (ok, failure) = ((0, "ok".to_owned()), (1, "failure".to_owned()));
    assert_eq!(found().await, ok);
    chmod(&path, 0o644);
    assert_eq!(found().await, failure, "others can read it");
    assert_eq!(status(&doctor(&place, &[]).await), 1, "also where it is not the one in use");
    chmod(&path, 0o600);
    std::fs::write(&path, "no key")?;
    assert_eq!(found().await, failure, "it is none");
    assert_eq!(status(&doctor(&place, &[]).await), 0, "which is nothing to those who do not use it");
    std::fs::write(&path, content)?;
    assert_eq!(found().await, ok);
    give_away(&path)?;
    assert_eq!(found().await, failure, "it is somebody else's");
    Ok(())
}

/// The file becomes another user's: root may say so, everybody else needs one that is root's already.
fn give_away(path: &Path) -> anyhow::Result<()> {
    let ours = std::fs::metadata(path)?.uid();
    if ours == 0 {
        return Ok(std::os::unix::fs::chown(path, Some(65_534), None)?);
    }
    std::fs::remove_file(path)?;
    Ok(std::os::unix::fs::symlink("/dev/null", path)?)
}

#[tokio::test]
async fn what_a_killed_daemon_left_is_found() -> anyhow::Result<()> {
    let place = used().await?;
    place.write("work/state/daemon.addr", "http://127.0.0.1:1", 0o600)?;
    let report = doctor(&place, &[]).await;
    assert_eq!((status(&report), severity(&report.document(), "leftovers")), (0, "warning"));
    std::fs::remove_file(place.path("work/state/daemon.addr"))?;
    place.write("work/state/orchestrator.db.restoring", "half", 0o600)?;
    assert_eq!(severity(&doctor(&place, &[]).await.document(), "leftovers"), "warning");
    Ok(())
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_found_and_the_daemons_own_is_not() -> anyhow::Result<()> {
    let place = Place::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let config = json!({"daemon": {"port": listener.local_addr()?.port()}});
    place.write("work/taken.json", &config.to_string(), 0o644)?;
    let taken = doctor(&place, &["--config", "taken.json"]).await;
    assert_eq!((status(&taken), severity(&taken.document(), "port")), (1, "failure"));
    // As a daemon would: who listens there is the one that the data directory names.
    place.write("work/state/daemon.addr", &format!("http://{}", listener.local_addr()?), 0o600)?;
    chmod(&place.path("work/state"), 0o700);
    let own = doctor(&place, &["--config", "taken.json"]).await;
    assert_eq!(severity(&own.document(), "port"), "ok", "{own:?}");
    place.write("work/far.json", r#"{"daemon": {"host": "203.0.113.1", "port": 0}}"#, 0o644)?;
    let far = doctor(&place, &["--config", "far.json"]).await.document();
    assert_eq!((severity(&far, "port"), severity(&far, "encryption")), ("failure", "warning"));
    place.write("work/tls.json", r#"{"daemon": {"port": 0}, "tls": {"cert": "no.pem", "key": "no.key"}}"#, 0o644)?;
    assert_eq!(severity(&doctor(&place, &["--config", "tls.json"]).await.document(), "encryption"), "failure");
    Ok(())
}

#[tokio::test]
async fn a_clock_that_went_back_is_found() -> anyhow::Result<()> {
    let place = used().await?;
    let file = std::fs::File::options().append(true).open(place.path("work/state/node.id"))?;
    file.set_modified(file.metadata()?.modified()? + Duration::from_secs(3_600))?;
    let report = doctor(&place, &[]).await;
    assert_eq!((status(&report), severity(&report.document(), "clock")), (1, "failure"), "{report:?}");
    Ok(())
}

#[tokio::test]
async fn too_few_open_files_are_found() -> anyhow::Result<()> {
    let place = used().await?;
    let cli = program("orchestrator")?.display().to_string();
    let with_limit = async |limit: &str| {
        let script = format!("ulimit -n {limit} && exec {cli} --json doctor --offline --data-dir state");
        let report = place.run(Path::new("/bin/sh"), &["-c", &script]).await.document();
        severity(&report, "open files").to_owned()
    };
    assert_eq!(with_limit("400").await, "ok", "64 connections and 256 files");
    assert_eq!(with_limit("300").await, "warning");
    assert_eq!(with_limit("100").await, "failure");
    Ok(())
}

#[tokio::test]
async fn a_disk_without_room_is_found() -> anyhow::Result<()> {
    let place = Place::new()?;
    place.write("work/orchestrator.json", r#"{"daemon": {"port": 0}}"#, 0o644)?;
    std::fs::create_dir(place.path("work/state"))?;
    let cli = program("orchestrator")?.display().to_string();
    // A small disk of one's own, in a namespace of one's own: it goes with the process.
    let with_disk = async |size: &str| {
        let mount = format!("mount -t tmpfs -o mode=700,size={size} none state");
        let script = format!("{mount} && exec {cli} --json doctor --offline --data-dir state");
        let arguments = ["--user", "--map-root-user", "--mount", "sh", "-c", &script];
        let ran = place.run(Path::new("/usr/bin/unshare"), &arguments).await;
        assert!(!ran.stdout.is_empty(), "namespaces are needed for this test: {ran:?}");
        severity(&ran.document(), "disk").to_owned()
    };
    assert_eq!(with_disk("8m").await, "failure");
    assert_eq!(with_disk("500m").await, "warning");
    assert_eq!(with_disk("2g").await, "ok");
    Ok(())
}

#[tokio::test]
async fn a_damaged_database_and_one_that_somebody_else_has_open_are_found() -> anyhow::Result<()> {
    let place = used().await?;
    let path = place.path("work/state/orchestrator.db");
    let whole = std::fs::read(&path)?;
    // The pages that were used last, so that it still opens; then half of them all.
    for (from, check) in [(whole.len() - 4 * 4_096, "integrity"), (whole.len() / 2, "store")] {
        let mut damaged = whole.clone();
        damaged[from..].fill(0x5a);
        std::fs::write(&path, &damaged)?;
        let report = doctor(&place, &[]).await;
        assert_eq!((status(&report), severity(&report.document(), check)), (1, "failure"), "{report:?}");
    }
    std::fs::write(
        &path,
        "this is no database, whatever its name says; it only has to be long enough for a header of a file",
    )?;
    assert_eq!(severity(&doctor(&place, &[]).await.document(), "store"), "failure");
    std::fs::write(&path, &whole)?;
    let lock = std::fs::File::options().write(true).open(place.path("work/state/orchestrator.db.lock"))?;
    lock.lock()?;
    assert_eq!(severity(&doctor(&place, &[]).await.document(), "store"), "failure", "held, and nobody answers");
    lock.unlock()?;
    assert_eq!(severity(&doctor(&place, &[]).await.document(), "store"), "ok");
    Ok(())
}

#[tokio::test]
async fn a_running_daemon_examines_itself_and_its_doctor_agrees() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let place = Place::new()?;
    let data = daemon.data_directory().display().to_string();
    let whole = place.cli(&["--json", "doctor", "--data-dir", &data]).await;
    assert_eq!(status(&whole), 0, "{whole:?}");
    for check in ["daemon", "clock of the daemon", "parts", "schema", "administrator token", "tokens", "store"] {
        assert_eq!(severity(&whole.document(), check), "ok", "{check}");
    }
    assert_ne!(severity(&whole.document(), "disk"), "none", "it is looked at, however full it is");
    let mut admin = daemon.admin().await;
    let report = admin.call("daemon.doctor", json!({})).await?;
    assert_eq!((healthy(&report), severity(&report, "integrity")), (true, "ok"), "{report}");

    // A token that ends soon, and then no administrator's any more.
    let soon = json!({"subject": "soon", "scopes": ["daemon.read"], "expiresInSeconds": 60, "kind": "apiKey"});
    admin.call("auth.token.issue", soon).await?;
    let report = admin.call("daemon.doctor", json!({})).await?;
    assert_eq!((healthy(&report), severity(&report, "tokens")), (true, "warning"), "{report}");
    std::fs::write(daemon.data_directory().join("admin.token"), "orc_nobody_knows_this")?;
    let report = admin.call("daemon.doctor", json!({})).await?;
    assert_eq!((healthy(&report), severity(&report, "administrator token")), (false, "failure"));
    let refused = place.cli(&["--json", "doctor", "--data-dir", &data]).await;
    assert_eq!((status(&refused), severity(&refused.document(), "daemon")), (1, "failure"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn only_the_operator_may_examine_the_daemon() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let mut theirs = daemon.organisation("other").await.socket(&daemon).await;
    let refused = theirs.call("daemon.doctor", json!({})).await.expect_err("it is the operator's alone");
    assert_eq!(refused.code, orchestrator_rpc::Code::Forbidden);
    daemon.admin().await.call("daemon.doctor", json!({})).await?;
    Ok(())
}

#[tokio::test]
async fn a_daemon_that_was_named_and_is_not_there_is_a_failure() -> anyhow::Result<()> {
    let place = Place::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    drop(listener);
    let named = place.cli(&["--json", "doctor", "--url", &url]).await;
    assert_eq!((status(&named), severity(&named.document(), "daemon")), (1, "failure"), "{named:?}");
    place.write("work/orchestrator.json", r#"{"daemon": {"port": 0}}"#, 0o644)?;
    let unnamed = place.cli(&["--json", "doctor", "--data-dir", "state"]).await;
    assert_eq!((status(&unnamed), severity(&unnamed.document(), "daemon")), (0, "ok"), "{unnamed:?}");
    Ok(())
}

#[tokio::test]
async fn a_database_server_is_examined_and_one_that_is_not_there_is_found() -> anyhow::Result<()> {
    let daemon = Daemon::builder().backend(Backend::Postgres).start().await?;
    let report = daemon.admin().await.call("daemon.doctor", json!({})).await?;
    assert_eq!((severity(&report, "store"), severity(&report, "schema")), ("ok", "ok"), "{report}");
    assert_eq!(severity(&report, "clock of the database"), "ok");
    let place = Place::new()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let config =
        json!({"daemon": {"port": 0}, "database": {"url": format!("postgres://nobody@{}/x", listener.local_addr()?)}});
    drop(listener);
    place.write("work/gone.json", &config.to_string(), 0o644)?;
    let gone = doctor(&place, &["--config", "gone.json"]).await;
    assert_eq!((status(&gone), severity(&gone.document(), "store")), (1, "failure"), "{gone:?}");
    Ok(())
}
