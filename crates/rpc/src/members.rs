use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Error;
use crate::params::shortened;
use crate::strict::Key;

/// The members of a message as they were written, and the first thing wrong with them. None is looked into.
pub(crate) struct Members<'a, const N: usize> {
    names: [&'static str; N],
    values: [Option<&'a RawValue>; N],
    fault: Option<String>,
}

impl<'a, const N: usize> Members<'a, N> {
    /// Reads one object and nothing after it. That it has other members, or one twice, is told by [`Members::check`], so
    /// that the answer can carry the id.
    pub(crate) fn read(text: &'a str, names: [&'static str; N]) -> Result<Self, Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let empty = Self { names, values: [None; N], fault: None };
        let members = json.deserialize_any(empty).and_then(|members| json.end().map(|()| members));
        members.map_err(|error| {
            // Valid JSON that is no object ends here too.
            if error.is_data() && serde_json::from_str::<IgnoredAny>(text).is_ok() {
                return Error::invalid_request("a message is an object");
            }
            Error::parse(format!("not JSON: {error}"))
        })
    }

    /// The same for the bytes of a frame.
    pub(crate) fn of_frame(frame: &'a [u8], names: [&'static str; N]) -> Result<Self, Error> {
        Self::read(std::str::from_utf8(frame).map_err(|_| Error::parse("not UTF-8"))?, names)
    }

    /// Refuses what has unknown or repeated members.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.fault.as_ref().map_or(Ok(()), |fault| Err(Error::invalid_request(fault.as_str())))
    }

    /// The member, as it was written.
    ///
    /// # Panics
    /// If it is none of the names that were asked for.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.values[self.place(name).expect("only known names are asked for")]
    }

    /// The same, with `null` taken for absent.
    pub(crate) fn some(&self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|raw| raw.get() != "null")
    }

    /// The member, if it is a string.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let json = self.raw(name)?.get();
        match json.strip_prefix('"')?.strip_suffix('"') {
            Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
            _ => serde_json::from_str(json).ok().map(Cow::Owned),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| *known == name)
    }
}

impl<'de, const N: usize> Visitor<'de> for Members<'de, N> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self, A::Error> {
        while let Some(key) = members.next_key_seed(Key)? {
            let value: &'de RawValue = members.next_value()?;
            let fault = match self.place(&key) {
                Some(place) if self.values[place].is_some() => format!("`{key}` is given twice"),
                Some(place) => {
                    self.values[place] = Some(value);
                    continue;
                }
                None => format!("unknown member `{}`", shortened(&key)),
            };
            self.fault.get_or_insert(fault);
        }
        Ok(self)
    }
}
