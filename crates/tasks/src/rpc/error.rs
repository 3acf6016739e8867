use std::time::Duration;

use orchestrator_rpc::{Code, Error as RpcError};
use serde_json::json;

use crate::Error;

/// When to try again after somebody else wrote at the same time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

impl From<Error> for RpcError {
    /// Ids are left out where something is not found: a foreign one must answer like an unknown one.
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found("no such task"),
            Error::NoSchedule(_) => Self::not_found("no such schedule"),
            Error::NoAgent(_) => Self::not_found("no such agent"),
            Error::Invalid { field, problem } => Self::invalid_field(field, problem),
            Error::UnknownDependencies(ids) => {
                Self::new(Code::InvalidParams, message).with_field("dependsOn").with_data(json!({ "unknown": ids }))
            }
            Error::Cycle { path } => {
                Self::conflict(message).with_field("dependsOn").with_data(json!({ "cycle": path }))
            }
            Error::Transition { source, .. } => Self::conflict(message).with_data(json!({ "status": source.from })),
            Error::Finished { field, status } => {
                Self::conflict(message).with_field(field).with_data(json!({ "status": status }))
            }
            Error::Stale { expected, .. } => {
                Self::conflict(message).with_field("fence").with_data(json!({ "stale": true, "fence": expected }))
            }
            Error::Refused(_) => Self::forbidden(message),
            Error::Conflict => Self::unavailable(message).with_retry_after(CONFLICT_PAUSE),
            Error::Store(source) => Self::internal(source),
        }
    }
}
