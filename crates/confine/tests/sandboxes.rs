//! Programs in sandboxes as operators write them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![cfg(target_os = "linux")]

mod support;

use orchestrator_confine::{Report, Sandboxes};
use orchestrator_process::{Confine as _, Environment, Mode, Sandbox, Spec};
use support::{Place, Ran, can_confine, run};

/// What is temporary is kept where the place has what is hidden.
async fn ran(place: &Place, spec: Spec, sandbox: &Sandbox) -> Ran {
    let own = Sandboxes::new(env!("CARGO_BIN_EXE_confine-launcher"), Report::of_this_system(), place.data());
    run(own.hiding(place.data()).confine(spec, sandbox).unwrap()).await
}

/// In no directory in particular.
fn anywhere(script: &str) -> Spec {
    Spec::new("sh").args(["-c", script]).environment(Environment::empty().set("PATH", "/usr/bin:/bin"))
}

#[tokio::test]
async fn a_program_has_a_directory_of_its_own_that_goes_with_it() {
    let place = Place::new();
    let script = "pwd; echo $HOME; echo $TMPDIR; echo mine > note && cat note";
    let ran = ran(&place, anywhere(script), &Sandbox::default()).await;
    let lines: Vec<&str> = ran.printed.lines().collect();
    assert!(ran.exit.is_success() && lines.last() == Some(&"mine"), "{}", ran.printed);
    assert!(lines[0].starts_with(place.data().to_str().unwrap()) && lines[1..3] == [lines[0], lines[0]], "{lines:?}");
    assert!(!std::path::Path::new(lines[0]).exists());
}

#[tokio::test]
async fn where_it_works_is_writable_and_what_it_was_told_of_itself_stays() {
    let place = Place::new();
    let environment = Environment::empty().set("PATH", "/usr/bin:/bin").set("HOME", "/nowhere");
    let spec = place.shell("echo $HOME; echo mine > note && cat note").environment(environment);
    ran(&place, spec, &Sandbox::default()).await.succeeded("/nowhere\nmine");
    assert!(place.work().join("note").exists());
}

#[tokio::test]
async fn what_is_hidden_is_not_read_unless_it_is_named_and_off_is_off() {
    if !can_confine() {
        return;
    }
    let place = Place::new();
    let (script, secret) = ("cat $SECRET", place.data().join("secret"));
    let spec = || {
        let environment = Environment::empty().set("PATH", "/usr/bin:/bin").set("SECRET", &secret);
        anywhere(script).environment(environment)
    };
    let required = Sandbox { mode: Mode::Required, ..Sandbox::default() };
    ran(&place, spec(), &required).await.was_refused("Permission denied");
    let around = Sandbox { readable: vec![place.data().parent().unwrap().to_owned()], ..required.clone() };
    ran(&place, spec(), &around).await.was_refused("Permission denied");
    ran(&place, spec(), &Sandbox { readable: vec![secret.clone()], ..required }).await.succeeded("s3cret");
    ran(&place, spec(), &Sandbox::off()).await.succeeded("s3cret");
}

#[tokio::test]
async fn a_path_that_is_relative_is_found_from_where_this_process_is() {
    let place = Place::new();
    let own = Sandboxes::new("/launcher", Report::of_this_system(), place.data());
    let here = Spec::new("./Cargo.toml");
    // Found, though nobody may execute it.
    let refused = own.confine(here, &Sandbox::default()).unwrap_err().to_string();
    assert!(refused.contains("may not be executed"), "{refused}");
}
