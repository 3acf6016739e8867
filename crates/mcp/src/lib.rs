#![doc = include_str!("../README.md")]

mod error;
mod server;

pub use error::Error;
pub use server::{Answer, Asking, Http, Identity, Offer, Offered, Offers, OnStack, Operations, operations, serve};
