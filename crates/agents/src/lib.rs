//! The registry of agents: capabilities, limits, heartbeats, health.
