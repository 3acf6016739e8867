#![doc = include_str!("../README.md")]

mod audit;
#[cfg(feature = "rpc")]
mod operations;

pub use audit::{
    Audit, Begun, Checkpoint, Config, Count, Decision, Entry, Error, Fault, FaultKind, Filter, Head, InvalidConfig,
    Parts, Record, Signer, Summary, Verified, verify,
};
#[cfg(feature = "rpc")]
pub use operations::operations;
