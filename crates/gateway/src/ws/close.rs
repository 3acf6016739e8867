use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;

use super::dialect::Dialect;

/// Why a WebSocket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    GoingAway,
    HeartbeatMissed,
    NotADialect,
    BinaryFrame,
    NotUtf8,
    TooLarge,
    ProtocolError,
    ProtocolMismatch,
    SlowReader,
    Internal,
    TooManyConnections,
    AuthenticationFailed,
    Revoked,
    RoleChanged,
    AuthenticationTimeout,
    Expired,
    RateLimited,
    PingFlood,
    InsufficientScope,
    TakenOver,
}

impl Close {
    /// The codes are RFC 6455's and, from 4000, this protocol's own, which protocol v2 does not know.
    pub(crate) fn frame(self, dialect: Option<Dialect>) -> CloseFrame {
        let (code, reason) = self.code_and_reason();
        let is_foreign = dialect == Some(Dialect::V2) && (code >= 4000 || self == Self::TooManyConnections);
        let code = if is_foreign { POLICY } else { code };
        CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) }
    }

    fn code_and_reason(self) -> (u16, &'static str) {
        match self {
            Self::GoingAway => (1001, "the daemon is stopping"),
            Self::HeartbeatMissed => (1001, "no sign of life"),
            Self::NotADialect => (1002, "the first frame is in no known dialect"),
            Self::ProtocolError => (1002, "not a message of this dialect"),
            Self::ProtocolMismatch => (1002, "no common protocol version"),
            Self::BinaryFrame => (1003, "text frames only"),
            Self::NotUtf8 => (1007, "a text frame must be UTF-8"),
            Self::TooLarge => (1009, "the message is too large"),
            Self::Internal => (1011, "this cannot be answered now"),
            Self::TooManyConnections => (1013, "too many connections of this credential"),
            Self::SlowReader => (1013, "what is sent is not read fast enough; connect again and resume"),
            Self::AuthenticationFailed => (4001, "authentication failed"),
            Self::Revoked => (4001, "the credential was revoked"),
            Self::RoleChanged => (4006, "the scopes of the credential changed; connect again"),
            Self::AuthenticationTimeout => (4002, "authentication took too long"),
            Self::Expired => (4003, "the credential expired"),
            Self::RateLimited => (4004, "too many attempts"),
            Self::PingFlood => (4004, "too many pings"),
            Self::TakenOver => (4006, "the resume token was shown by another connection"),
            Self::InsufficientScope => (4005, "the credential has no scope"),
        }
    }
}

/// RFC 6455: the policy of this side is violated.
const POLICY: u16 = 1008;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_v2_knows_no_private_codes() {
        for (close, private, plain) in [
            (Close::AuthenticationFailed, 4001, 1008),
            (Close::Expired, 4003, 1008),
            (Close::TooManyConnections, 1013, 1008),
            (Close::ProtocolMismatch, 1002, 1002),
            (Close::GoingAway, 1001, 1001),
        ] {
            let code = |dialect| u16::from(close.frame(dialect).code);
            assert_eq!((code(None), code(Some(Dialect::V2))), (private, plain));
            assert_eq!(code(Some(Dialect::Envelope)), private);
        }
    }
}
