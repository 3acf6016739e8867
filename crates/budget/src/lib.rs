#![doc = include_str!("../README.md")]

mod amount;
mod book;
mod books;
mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod counting;
mod degrade;
mod error;
mod estimate;
mod event;
mod hold;
mod ledger;
mod limit;
mod memory;
#[cfg(feature = "rpc")]
mod operations;
mod pace;
mod price;
mod report;
mod reservation;
mod savings;
mod scope;
#[cfg(feature = "sql")]
mod sql;
mod status;
mod store;
mod window;

pub use amount::Amount;
pub use book::{Found, PriceBook, PriceSource};
pub use books::{Burn, Command, Outcome};
pub use config::Config;
pub use counting::CountTokens;
pub use degrade::{Degrade, Strain};
pub use error::{Error, Refusal};
pub use hold::Hold;
pub use ledger::{Ledger, NoWitness, Parts, Recovered, Request, Witness};
pub use limit::{InvalidShare, Limit, Policy, Share};
pub use memory::MemoryStore;
#[cfg(feature = "rpc")]
pub use operations::{ReportParams, Reported, SetParams, SetResult, UsageParams, operations};
pub use pace::Pace;
pub use price::{BatchPrice, LongPrice, Price, Rate};
pub use report::{By, Report, ReportRow};
pub use reservation::{
    Counter, CounterKey, End, Owner, Reservation, ReservationKind, Settlement, Spending, SpendingId,
};
pub use savings::{How, Saving};
pub use scope::{InvalidScope, Scope, ScopeKind, Spender};
#[cfg(feature = "sql")]
pub use sql::SqlStore;
pub use status::{LimitStatus, Status};
pub use store::{Answered, Apply, CounterQuery, Group, SpendingQuery, Store, Sum};
pub use window::{InvalidZone, Span, Window, Zone};
