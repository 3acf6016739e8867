//! What is spoken on a connection until, and unless, it becomes a WebSocket.

mod auth;
mod body;
mod connection;
mod guard;
mod json_rpc;
mod link;
mod mounted;
mod pace;
mod pages;
mod query;
mod reply;
mod rest;
mod router;
mod trace;

pub(crate) use auth::{TOKEN_EXPIRED, credential};
pub(crate) use connection::{Client, UpgradeSlot, serve};
pub(crate) use json_rpc::traceparent;
pub(crate) use pace::Paced;
pub(crate) use pages::described;
pub(crate) use reply::Refusal;
pub(crate) use router::{Routers, routers};
