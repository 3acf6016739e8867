//! Child processes with limits: environment from empty, bounded time and output, the whole tree ended.
