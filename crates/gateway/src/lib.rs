//! The server side of the operation table: HTTP, WebSocket, REST, limits, TLS and a graceful drain.
