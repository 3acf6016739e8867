//! Configuration from defaults, a file, the environment and flags, with errors that name the line.
