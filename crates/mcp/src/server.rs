//! The daemon as a server of the protocol.

mod handler;
mod http;
mod offer;
mod ports;
mod streams;

pub use handler::Identity;
pub use http::{Answer, Http};
pub use offer::{Offer, Offered, Offers, operations};
pub use ports::{Asking, OnStack, Operations};
pub use streams::serve;
