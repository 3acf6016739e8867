//! What must hold against whoever is not welcome, checked from outside against the running binary. Each control comes
//! twice: refusing, and letting the same request pass without it.

mod identity;
mod identity_keys;
mod identity_refresh;
mod identity_roles;
mod limits;
mod order;
mod organisations;
mod personal;
mod requests;
mod scopes;
mod secrets;
mod tokens;

use orchestrator_testkit::Daemon;

/// Whatever was tried: the daemon lives and is ready.
async fn still_ready(daemon: &Daemon) {
    let ready = daemon.http().get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
}
