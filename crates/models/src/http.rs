//! What providers over HTTP have in common, and nothing of anybody's protocol: a client that follows no redirect and tries
//! nothing twice, answers read within bounds, and what a status and its headers say as a [`ProviderError`](crate::ProviderError).

mod answer;
mod cassette;
mod client;
mod events;

pub use answer::{Told, json, refused};
pub use cassette::{Cassette, CassetteError, OnLoss};
pub use client::{check_base_url, client, send};
pub use events::{EVENTS_BYTES_MAX, events};
pub use eventsource_stream::Event;
