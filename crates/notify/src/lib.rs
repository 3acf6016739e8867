#![doc = include_str!("../README.md")]

mod bounds;
mod config;
mod delivering;
mod destination;
mod email;
mod error;
mod failure;
mod lane;
mod message;
mod notifier;
mod pace;
mod plain;
mod plan;
mod post;
mod recent;
mod retry;
mod signature;
mod slack;
mod webhook;

pub use bounds::Bounds;
pub use config::Config;
pub use destination::{Destination, Kind, Tls};
pub use error::Error;
pub use failure::{Failure, FailureKind};
pub use message::{Message, Severity};
pub use notifier::{Info, Last, Notifier, Outcome, Parts, Receipt, Report};
pub use signature::{InvalidSecret, InvalidSignature, SignedHeaders, Signer};
