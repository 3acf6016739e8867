#![doc = include_str!("../README.md")]

mod call;
mod caller;
mod code;
pub mod contract;
mod discovery;
mod dispatcher;
pub mod envelope;
mod error;
mod extensions;
pub mod jsonrpc;
mod members;
mod message;
mod operation;
pub mod page;
mod params;
mod rest;
mod scope;
mod signal;
pub mod simple;
mod strict;
mod table;
mod text;
pub mod v2;

pub use call::Call;
pub use caller::{Authenticator, Caller, Credential, Standing};
pub use code::Code;
pub use dispatcher::{Dispatcher, Request};
pub use error::Error;
pub use extensions::Extensions;
pub use message::{Frame, Incoming, Message, Reply, RequestId, Tell};
pub use operation::Operation;
pub use params::{NoParams, PARAMS_DEPTH_MAX, parse_json, parse_params};
pub use rest::Rest;
pub use scope::{InvalidScope, Scope, Scopes};
pub use signal::Signal;
pub use table::{Fault, InvalidTable, Table};
