//! Responses: what OpenAI's newer models speak best.

mod input;
mod items;
mod reader;
mod request;

pub(crate) use reader::ResponsesReader;
pub(crate) use request::body;
