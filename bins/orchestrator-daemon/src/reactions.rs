//! When something happens in one domain, what follows in another: one file per arrow. Each is idempotent.

mod outcomes;

pub(crate) use outcomes::health_of_agents;
