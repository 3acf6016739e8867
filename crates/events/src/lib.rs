//! A durable log of events with a dense sequence per organisation, tails, and bounded subscriptions.
