use comfy_table::Cell;
use serde_json::Value;

use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::out::toned;
use crate::params::Params;
use crate::show::{ago, text};

pub(super) async fn list(daemon: &Daemon) -> Result<(), Failure> {
    let mut answer = daemon.call("auth.key.list", Params::new()).await?;
    let keys = match answer["items"].take() {
        Value::Array(keys) => keys,
        _ => Vec::new(),
    };
    let header = ["KEY ID", "STATE", "ALGORITHM", "FROM", "AGE", "RETIRED"];
    daemon.out.show(&Answer::list(&daemon.out, keys, &header, "no keys", row))
}

pub(super) async fn rotate(daemon: &Daemon) -> Result<(), Failure> {
    let answer = daemon.call("auth.key.rotate", Params::new()).await?;
    let told =
        format!("{} signs from now on; retire the key before it when its tokens have ended", text(&answer, "id"));
    daemon.out.show(&Answer::told(answer, told))
}

pub(super) async fn retire(daemon: &Daemon, id: &str) -> Result<(), Failure> {
    let answer = daemon.call("auth.key.retire", Params::new().with("keyId", id)).await?;
    daemon.out.show(&Answer::told(answer, format!("{id} retired")))
}

fn row(key: &Value) -> Vec<Cell> {
    let from = if key["configured"] == true { "configuration" } else { "rotation" };
    vec![
        Cell::new(text(key, "id")),
        toned(text(key, "state")),
        Cell::new(text(key, "algorithm")),
        Cell::new(from),
        Cell::new(ago(&key["createdAt"])),
        Cell::new(ago(&key["retiredAt"])),
    ]
}
