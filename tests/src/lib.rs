//! Tests of the running binary, through its socket.
