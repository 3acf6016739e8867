//! One agent at work on one task at a time: lifecycle, limits, and the runtime for agent programs.
