//! What the daemon tells of itself: its log, and the traces of tasks.

mod collector;
mod log_file;
mod traces;
