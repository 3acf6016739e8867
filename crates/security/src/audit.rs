//! The audit log: files to which only is added, each record bound to the one before it.

mod config;
mod error;
mod forgetting;
mod head;
mod line;
mod log;
mod reading;
mod record;
mod segment;
mod signer;
mod verify;
mod writer;

pub use config::{Config, InvalidConfig};
pub use error::Error;
pub use head::Head;
pub use line::{Begun, Checkpoint};
pub use log::{Audit, Parts};
pub use reading::{Count, Filter, Summary};
pub use record::{Decision, Entry, Record};
pub use signer::Signer;
pub use verify::{Fault, FaultKind, Verified, verify};
