use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::place::Place;
use crate::plist;

const UNIT: &str = "home/.config/systemd/user/orchestrator-daemon.service";
const PLIST: &str = "home/Library/LaunchAgents/orchestrator-daemon.plist";

/// Writes down what it is asked, and knows one service: whether it was started.
const SYSTEMCTL: &str = r#"#!/bin/sh
here=${0%/*}
echo "$*" >> "$here/asked"
case "$*" in
*--version) echo 'systemd 252' ;;
*restart*|*enable\ --now*) touch "$here/started" ;;
*disable*) rm -f "$here/started" ;;
*show*)
    if [ -e "$here/no-bus" ]; then echo 'Failed to connect to bus: No medium found' >&2; exit 1; fi
    if [ -e "$here/started" ]; then printf 'ActiveState=active\nSubState=running\nMainPID=42\nUnitFileState=enabled\n'
    else printf 'ActiveState=inactive\nSubState=dead\nMainPID=0\nUnitFileState=\n'; fi ;;
esac
"#;

const LAUNCHCTL: &str = r#"#!/bin/sh
here=${0%/*}
echo "$*" >> "$here/asked"
case "$1" in
bootstrap) touch "$here/started" ;;
bootout) rm "$here/started" ;;
print) [ -e "$here/started" ] || { echo 'Could not find service' >&2; exit 113; }
    printf 'gui/0/x = {\n\tstate = running\n\tpid = 42\n}\n' ;;
esac
"#;

fn place() -> anyhow::Result<Place> {
    let place = Place::new()?;
    place.write("programs/systemctl", SYSTEMCTL, 0o755)?;
    place.write("programs/launchctl", LAUNCHCTL, 0o755)?;
    Ok(place)
}

/// What the manager was asked since the last time.
fn asked(place: &Place) -> Vec<String> {
    let lines = place.read("programs/asked").lines().map(str::to_owned).collect();
    std::fs::remove_file(place.path("programs/asked")).expect("it was read");
    lines
}

#[tokio::test]
async fn it_is_installed_told_of_and_removed_by_systemd() -> anyhow::Result<()> {
    let place = place()?;
    place.cli(&["service", "status"]).await.failed(5, "not installed");
    place.cli(&["service", "install"]).await.ok();
    let user = |words: &str| format!("--user {words}");
    let asked_for = asked(&place);
    let expected = ["daemon-reload", "enable orchestrator-daemon.service", "restart orchestrator-daemon.service"];
    assert_eq!(asked_for[asked_for.len() - 3..], expected.map(user), "{asked_for:?}");

    let status = place.cli(&["service", "status", "--json"]).await.ok();
    let status: serde_json::Value = serde_json::from_str(&status)?;
    assert_eq!(status["running"], true, "{status}");
    assert_eq!((&status["ours"], &status["pid"], &status["enabled"]), (&json!(true), &json!("42"), &json!("enabled")));
    asked(&place);

    let unit = place.read(UNIT);
    place.cli(&["service", "install"]).await.ok();
    assert_eq!(asked(&place), ["--version", "enable --now orchestrator-daemon.service"].map(user), "nothing changed");
    assert_eq!(place.read(UNIT), unit);

    place.cli(&["service", "remove"]).await.ok();
    let expected = ["--version", "disable --now orchestrator-daemon.service", "daemon-reload"].map(user);
    assert_eq!(asked(&place), expected);
    assert!(!place.path(UNIT).exists());
    let again = place.cli(&["service", "remove"]).await.ok();
    assert!(again.contains("not installed"), "{again}");
    Ok(())
}

#[tokio::test]
async fn it_is_installed_told_of_and_removed_by_launchd() -> anyhow::Result<()> {
    let place = place()?;
    let launchd = ["--manager", "launchd"];
    let service = async |verb: &str| place.cli(&[&["service", verb], &launchd[..]].concat()).await;
    service("status").await.failed(5, "not installed");
    service("install").await.ok();
    let words: Vec<String> =
        asked(&place).iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(words[words.len() - 3..], ["print", "enable", "bootstrap"], "{words:?}");

    let list = plist::parse(&place.read(PLIST));
    assert_eq!((&list["KeepAlive"], &list["RunAtLoad"]), (&json!(true), &json!(true)), "{list}");
    assert_eq!(list["WorkingDirectory"], place.path("work").canonicalize()?.to_str().unwrap_or_default());
    let program = orchestrator_testkit::program("orchestrator-daemon")?.canonicalize()?;
    assert_eq!(list["ProgramArguments"], json!([program]));
    assert!(service("status").await.ok().contains("pid: 42"));

    asked(&place);
    service("install").await.ok();
    assert!(!asked(&place).iter().any(|line| line.starts_with("boot")), "nothing changed, nothing is restarted");
    service("remove").await.ok();
    assert!(!place.path(PLIST).exists() && !place.path("programs/started").exists());
    service("status").await.failed(5, "not installed");
    Ok(())
}

#[tokio::test]
async fn what_somebody_else_wrote_stays() -> anyhow::Result<()> {
    let place = place()?;
    let foreign = "[Service]\nExecStart=/usr/bin/true\n";
    place.write(UNIT, foreign, 0o644)?;
    place.cli(&["service", "install"]).await.failed(1, "not written by this program");
    place.cli(&["service", "remove"]).await.failed(1, "not written by this program");
    assert_eq!(place.read(UNIT), foreign);
    assert!(!place.path("programs/asked").exists(), "nothing was asked of systemd");
    let status = place.cli(&["service", "status", "--json"]).await;
    assert_eq!((status.status, status.document()["ours"].clone()), (1, json!(false)));
    place.cli(&["service", "install", "--name", "mine"]).await.ok();
    assert!(place.path("home/.config/systemd/user/mine.service").exists());
    Ok(())
}

#[tokio::test]
async fn without_systemd_nothing_is_written_and_status_says_so() -> anyhow::Result<()> {
    let place = Place::new()?;
    let cli = orchestrator_testkit::program("orchestrator")?.display().to_string();
    let env = std::path::Path::new("/usr/bin/env");
    let home = format!("HOME={}", place.path("home").display());
    // An empty directory.
    let path = format!("PATH={}", place.path("programs").display());
    let run = async |words: &[&str]| place.run(env, &[&["-i", &home, &path, &cli], words].concat()).await;
    run(&["service", "install"]).await.failed(1, "systemctl is not there");
    assert!(!place.path(UNIT).exists());
    let status = run(&["service", "status", "--json"]).await;
    assert_eq!((status.status, status.document()["installed"].clone()), (5, json!(false)));
    assert!(status.document()["problem"].as_str().is_some_and(|text| text.contains("systemctl")), "{status:?}");
    let printed = run(&["service", "install", "--dry-run"]).await.ok();
    assert!(printed.contains("[Service]"), "{printed}");
    Ok(())
}

#[tokio::test]
async fn a_user_manager_that_cannot_be_reached_is_told_and_not_taken_for_stopped() -> anyhow::Result<()> {
    let place = place()?;
    place.cli(&["service", "install"]).await.ok();
    place.write("programs/no-bus", "", 0o644)?;
    let status = place.cli(&["service", "status", "--json"]).await;
    assert_eq!(status.status, 1);
    let told = status.document();
    assert_eq!(told["installed"], true);
    assert!(told["problem"].as_str().is_some_and(|text| text.contains("No medium found")), "{told}");
    Ok(())
}

#[tokio::test]
async fn secrets_are_named_by_their_files_and_never_written_down() -> anyhow::Result<()> {
    let place = place()?;
    let secret = place.write("secrets/a 100% key", "a-secret-that-is-long-enough-and-random-8731", 0o600)?;
    let given = format!("DAEMON_JWT_SECRET={}", secret.display());
    place.write("work/my orchestrator.yaml", "daemon: { name: served, port: 0 }\n", 0o644)?;
    let install = ["service", "install", "--secret", &given, "--config", "my orchestrator.yaml"];
    let dry = place.cli(&[&install[..], &["--dry-run"]].concat()).await;
    assert!(!place.path(UNIT).exists() && !place.path("programs/asked").exists(), "a dry run changes nothing");
    place.cli(&install).await.ok();
    let unit = place.read(UNIT);
    assert_eq!((dry.status, &dry.stdout), (0, &unit));
    assert!(!unit.contains("8731"), "{unit}");
    let secret = secret.canonicalize()?.display().to_string().replace('%', "%%");
    for line in [
        format!("LoadCredential=DAEMON_JWT_SECRET:{secret}"),
        "Environment=DAEMON_JWT_SECRET_FILE=%d/DAEMON_JWT_SECRET".to_owned(),
        format!("WorkingDirectory={}", place.path("work").canonicalize()?.display()),
        "NoNewPrivileges=yes".to_owned(),
        "UMask=0077".to_owned(),
        "Restart=always".to_owned(),
        "KillMode=mixed".to_owned(),
    ] {
        assert!(unit.lines().any(|there| there == line), "{line} in {unit}");
    }
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap_or_default();
    assert!(command.contains("\"--config\" \"/") && command.ends_with("my orchestrator.yaml\""), "{command}");

    place.cli(&[&install[..], &["--manager", "launchd"]].concat()).await.ok();
    let list = plist::parse(&place.read(PLIST));
    let variable = list["EnvironmentVariables"]["DAEMON_JWT_SECRET_FILE"].as_str().unwrap_or_default();
    assert!(variable.ends_with("a 100% key") && !list.to_string().contains("8731"), "{list}");
    Ok(())
}

#[tokio::test]
async fn what_could_not_start_is_not_installed() -> anyhow::Result<()> {
    let place = place()?;
    let wrong = place.write("work/wrong.yaml", "daemon: { maxSesions: 1 }\n", 0o644)?;
    place.cli(&["service", "install", "--config", "wrong.yaml"]).await.failed(1, "maxSesions");
    std::fs::remove_file(wrong)?;
    let open = place.write("secrets/open", "a-secret-that-is-long-enough-and-random-8731", 0o600)?;
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644))?;
    let given = format!("DAEMON_JWT_SECRET={}", open.display());
    place.cli(&["service", "install", "--secret", &given]).await.failed(1, "can be read by others");
    place.cli(&["service", "install", "--secret", "the-secret-itself-8731"]).await.failed(2, "NAME=FILE");
    place.cli(&["service", "install", "--name", "../elsewhere"]).await.failed(2, "expected letters");
    assert!(!place.path("home").exists());
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o600))?;
    place.cli(&["service", "install", "--secret", &given]).await.ok();
    Ok(())
}
