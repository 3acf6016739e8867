//! What the daemon tells of itself: its log, and the traces of tasks.

mod log_file;
