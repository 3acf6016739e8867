#![doc = include_str!("../README.md")]

mod find;
mod forget;
mod forms;
mod json;
mod patterns;
mod personal;
mod redactor;
mod spoken;
mod stream;

pub use forget::{ERASED, Forget, Forgotten, Shape};
pub use redactor::{Builder, LENGTH_MIN, Redactor, TooShort};
pub use stream::Stream;
