//! One runnable example per subsystem.
