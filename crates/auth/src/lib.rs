#![doc = include_str!("../README.md")]

mod address;
#[cfg(feature = "sql")]
mod api_key;
#[cfg(feature = "sql")]
mod auth;
mod config;
mod error;
mod grant;
mod jwt;
mod limiter;
#[cfg(feature = "sql")]
mod manage;
#[cfg(feature = "rpc")]
mod operations;
mod private_file;
mod random;
#[cfg(feature = "sql")]
mod record;
mod secret;
#[cfg(feature = "sql")]
mod sql;
#[cfg(feature = "sql")]
mod standings;
mod window;

pub use address::Source;
#[cfg(feature = "sql")]
pub use auth::Auth;
pub use config::{Config, RateLimitConfig};
pub use error::Error;
pub use grant::{Grant, Issued, Refusal, narrowed};
pub use jwt::{Issuer, Lifetime, Verified};
pub use limiter::{Decision, Limit, Limiter};
#[cfg(feature = "rpc")]
pub use operations::operations;
#[cfg(feature = "sql")]
pub use record::{By, Organisation, TokenKind, TokenRecord};
pub use secret::{Secret, WeakSecret};
