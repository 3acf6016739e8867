#![doc = include_str!("../README.md")]

mod arguments;
mod capabilities;
mod catalogue;
mod config;
mod error;
mod fault;
mod front_matter;
mod info;
mod listing;
mod memory;
mod name;
#[cfg(feature = "rpc")]
mod operations;
mod reading;
mod scan;
mod shelf;
mod skill;
mod skills;
#[cfg(feature = "sql")]
mod sql;
mod state;
mod store;
mod words;

pub use arguments::{tokens, with_arguments, within_tokens};
pub use capabilities::{Capabilities, Difference};
pub use catalogue::{Catalogue, Root};
pub use config::{Config, InvalidConfig, Pin};
pub use error::Error;
pub use fault::Fault;
pub use info::{Changed, Details, SkillInfo};
pub use listing::{Listing, listing};
pub use memory::MemoryStore;
pub use name::{InvalidName, SkillName};
#[cfg(feature = "rpc")]
pub use operations::operations;
pub use scan::{Finding, Rule, Severity, scan};
pub use skill::{AllowedTool, Skill, SkillFile};
pub use skills::{Activation, By, Changes, Choice, Parts, Skills, Usage};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use state::State;
pub use store::{Remembered, Store, Summary};
