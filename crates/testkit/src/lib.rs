//! Starts real daemons, databases and clients for tests and benches.
