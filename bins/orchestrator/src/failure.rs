use std::error::Error as _;
use std::process::ExitCode;

use orchestrator_client::Error;
use orchestrator_rpc::Code;
use serde_json::{Value, json};

use crate::out::Out;

/// Why a command did not do what it was asked: the status of the program, a message, and what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    status: Status,
    message: String,
    hint: Option<String>,
    /// The daemon's error object, for `--json`.
    object: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Whoever read our output has gone: nothing to report, and nobody to report it to.
    Unheard = 0,
    Failed = 1,
    Usage = 2,
    Unreachable = 3,
    Unauthorized = 4,
    NotFound = 5,
}

impl Failure {
    fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None, object: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Status::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Status::NotFound, message)
    }

    pub(crate) fn is_unreachable(&self) -> bool {
        self.status == Status::Unreachable
    }

    pub(crate) fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on standard error.
    pub(crate) fn report(self, out: &Out) -> ExitCode {
        if self.status == Status::Unheard {
            return ExitCode::SUCCESS;
        }
        if out.is_json() {
            let object = self.object.unwrap_or_else(|| json!({ "message": self.message }));
            eprintln!("{}", json!({ "error": object, "exitStatus": self.status as u8 }));
        } else if !self.message.is_empty() {
            eprintln!("{} {}", out.paint_error("error:"), self.message);
            if let Some(hint) = &self.hint {
                eprintln!("{hint}");
            }
        }
        ExitCode::from(self.status as u8)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::new(Status::Unheard, ""),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Refused(refusal) = &error {
            return Self::refused(refusal);
        }
        let (status, hint) = match &error {
            Error::InvalidConfig(_) | Error::Parameters(_) | Error::Certificates { .. } => (Status::Usage, None),
            Error::Insecure { .. } => (Status::Usage, Some("use https://, or --allow-insecure on a network you trust")),
            Error::Unauthorized(_) => (Status::Unauthorized, Some(TOKEN)),
            Error::Unreachable { .. } => {
                (Status::Unreachable, Some("is the daemon running? Start `orchestrator-daemon`, or give its --url"))
            }
            Error::Disconnected | Error::Timeout(_) => {
                (Status::Unreachable, Some("it may have been done all the same: look before you repeat it"))
            }
            Error::Unexpected { .. } => (Status::Failed, Some("are this program and the daemon of the same version?")),
            _ => (Status::Failed, None),
        };
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        Self { hint: hint.map(str::to_owned), ..Self::new(status, message) }
    }
}

const TOKEN: &str =
    "give a token with ORCHESTRATOR_TOKEN or --token-file; the administrator's is in <data dir>/admin.token";

impl Failure {
    fn refused(error: &orchestrator_rpc::Error) -> Self {
        let status = match error.code {
            Code::InvalidParams | Code::UnknownMethod | Code::InvalidRequest | Code::PayloadTooLarge => Status::Usage,
            Code::Unauthorized | Code::Forbidden => Status::Unauthorized,
            Code::NotFound => Status::NotFound,
            Code::Unavailable | Code::Timeout => Status::Unreachable,
            _ => Status::Failed,
        };
        let mut failure = Self::new(status, error.message.clone());
        failure.object = serde_json::to_value(error).ok();
        failure.hint = match error.code {
            Code::Unauthorized => Some(TOKEN.to_owned()),
            Code::Forbidden if error.message.contains("scope") => {
                Some("the token lacks a scope; an administrator gives out others: orchestrator token issue".into())
            }
            Code::UnknownMethod => Some("`orchestrator methods` lists what there is".into()),
            Code::RateLimited | Code::Unavailable => {
                error.retry_after.map(|span| format!("try again in {} s", span.as_secs_f64().ceil()))
            }
            Code::Internal => error.correlation().map(|id| format!("the daemon's log has the cause under {id}")),
            _ => None,
        };
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_status() {
        let status = |error: orchestrator_rpc::Error| Failure::from(Error::Refused(error)).status as u8;
        assert_eq!(status(orchestrator_rpc::Error::conflict("the task is completed")), 1);
        assert_eq!(status(orchestrator_rpc::Error::invalid_field("title", "too long")), 2);
        assert_eq!(status(orchestrator_rpc::Error::unavailable("draining")), 3);
        assert_eq!(status(orchestrator_rpc::Error::forbidden("no")), 4);
        assert_eq!(status(orchestrator_rpc::Error::not_found("no such task")), 5);
        assert_eq!(Failure::from(Error::Disconnected).status as u8, 3);
        assert_eq!(Failure::from(Error::Unauthorized("no".into())).status as u8, 4);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(broken).status, Status::Unheard);
    }
}
