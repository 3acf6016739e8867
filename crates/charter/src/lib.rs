#![doc = include_str!("../README.md")]

mod action;
mod catalogue;
mod charter;
mod charters;
mod config;
mod document;
mod fault;
mod id;
mod limits;
mod line;
mod meaning;
#[cfg(feature = "rpc")]
mod operations;
mod opinion;

pub use action::{Action, Fact, Facts};
pub use catalogue::{Catalogue, Changes, Documents, Missing, Terms};
pub use charter::{Charter, Constraint, Identity, SafetyHeuristics, Settings};
pub use charters::Charters;
pub use config::{Config, InvalidConfig};
pub use fault::Fault;
pub use id::{CharterId, CharterKind};
pub use limits::{ResourceLimits, TokenBudget};
pub use line::{Entry, Escalation, Line};
pub use meaning::{Actions, Fit, Rule};
#[cfg(feature = "rpc")]
pub use operations::{Observe, operations};
pub use opinion::{Opinion, Verdict};
