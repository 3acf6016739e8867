//! Chat completions: what every compatible server speaks.

mod calls;
mod messages;
mod reader;
mod request;

pub(crate) use reader::ChatReader;
pub(crate) use request::body;
