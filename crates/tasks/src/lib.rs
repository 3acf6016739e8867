//! A backlog of tasks with dependencies, leases, assignment and recurring schedules.
