use orchestrator_security::verify;

use super::Finding;
use crate::files::DataDir;

const CHECK: &str = "audit log";

/// Looks at every record. A daemon that runs adds to it meanwhile, which does no harm.
pub(super) fn finding(data: &DataDir) -> Finding {
    if !data.audit().exists() {
        return Finding::ok(CHECK, "it begins with the first start");
    }
    let remedy = "find out who changed it, and move the directory away: a new log begins with the next start";
    match verify(&data.audit(), None) {
        Err(error) => Finding::failure(CHECK, error.to_string(), "give the daemon's user the right to read it"),
        Ok(verified) => match verified.faults.first() {
            None => Finding::ok(CHECK, format!("{} records in {} files, intact", verified.records, verified.files)),
            Some(fault) => Finding::failure(CHECK, fault.to_string(), remedy),
        },
    }
}
