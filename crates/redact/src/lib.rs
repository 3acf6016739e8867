#![doc = include_str!("../README.md")]

mod find;
mod forms;
mod json;
mod patterns;
mod personal;
mod redactor;
mod stream;

pub use redactor::{Builder, LENGTH_MIN, Redactor, TooShort};
pub use stream::Stream;
