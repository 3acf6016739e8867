#![doc = include_str!("../README.md")]

mod address;
#[cfg(feature = "sql")]
mod api_key;
#[cfg(feature = "sql")]
mod auth;
mod config;
mod error;
#[cfg(feature = "sql")]
mod family;
mod grant;
mod jwt;
mod key;
#[cfg(feature = "sql")]
mod key_ring;
mod limiter;
#[cfg(feature = "sql")]
mod logout;
#[cfg(feature = "sql")]
mod manage;
#[cfg(feature = "rpc")]
mod operations;
mod pem;
mod private_file;
mod random;
#[cfg(feature = "sql")]
mod record;
#[cfg(feature = "sql")]
mod refresh;
#[cfg(feature = "sql")]
mod rotation;
#[cfg(feature = "sql")]
mod seal;
mod secret;
#[cfg(feature = "sql")]
mod sql;
#[cfg(feature = "sql")]
mod standings;
#[cfg(feature = "sql")]
mod upkeep;
mod window;

pub use address::Source;
#[cfg(feature = "sql")]
pub use auth::Auth;
pub use config::{Config, RateLimitConfig};
pub use error::Error;
#[cfg(feature = "sql")]
pub use family::Refreshed;
pub use grant::{Grant, Issued, Refusal, narrowed};
pub use jwt::{Issuer, Lifetime, Verified};
pub use key::{Algorithm, Keys, PublicKey, SigningKey};
#[cfg(feature = "sql")]
pub use key_ring::{KeyRecord, KeyState};
pub use limiter::{Decision, Limit, Limiter};
#[cfg(feature = "rpc")]
pub use operations::operations;
#[cfg(feature = "sql")]
pub use record::{By, Organisation, TokenKind, TokenRecord};
pub use secret::{Secret, WeakSecret};
