//! Reads the merged tree into the configuration type, so that each complaint knows its key and where it was written.

mod fault;
mod variant;

use config::{Value, ValueKind};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::merge::{Origin, Origins, number_of};
use crate::tree::Form;
use crate::variables::parse_bool;

pub(crate) use fault::{Fault, Problem};
use variant::Variant;

pub(crate) fn read<T: DeserializeOwned>(value: &Value, origins: &Origins) -> Result<T, Fault> {
    T::deserialize(Reader { input: Input::Value(value), origins }).map_err(|fault| fault.at(number_of(value)))
}

#[derive(Clone, Copy)]
enum Input<'a> {
    Value(&'a Value),
    /// One of several texts that a variable or flag held, separated by commas.
    Item(&'a str),
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    input: Input<'a>,
    origins: &'a Origins,
}

impl<'a> Reader<'a> {
    fn origin(&self) -> Option<&'a Origin> {
        match self.input {
            Input::Value(value) => self.origins.of(value),
            Input::Item(_) => None,
        }
    }

    /// The text, if it may be read as another type.
    fn flexible(&self) -> Option<&'a str> {
        match self.input {
            Input::Item(text) => Some(text),
            Input::Value(Value { kind: ValueKind::String(text), .. }) => {
                self.origin().is_some_and(|origin| origin.form != Form::Literal).then_some(text.as_str())
            }
            Input::Value(_) => None,
        }
    }

    fn whole<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.flexible().and_then(|text| text.trim().parse::<i128>().ok()) {
            Some(number) => visit_whole(number, visitor),
            None => self.deserialize_any(visitor),
        }
    }

    fn float<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.flexible().and_then(|text| text.trim().parse::<f64>().ok()) {
            Some(number) => visitor.visit_f64(number),
            None => self.deserialize_any(visitor),
        }
    }
}

/// Derived visitors know the 64-bit methods best.
fn visit_whole<'de, V: Visitor<'de>>(number: i128, visitor: V) -> Result<V::Value, Fault> {
    match (u64::try_from(number), i64::try_from(number)) {
        (Ok(number), _) => visitor.visit_u64(number),
        (_, Ok(number)) => visitor.visit_i64(number),
        _ => visitor.visit_i128(number),
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let value = match self.input {
            Input::Item(text) => return visitor.visit_str(text),
            Input::Value(value) => value,
        };
        match &value.kind {
            ValueKind::Nil => visitor.visit_unit(),
            ValueKind::Boolean(value) => visitor.visit_bool(*value),
            ValueKind::I64(value) => visit_whole((*value).into(), visitor),
            ValueKind::I128(value) => visit_whole(*value, visitor),
            ValueKind::U64(value) => visitor.visit_u64(*value),
            ValueKind::U128(value) => visitor.visit_u128(*value),
            ValueKind::Float(value) => visitor.visit_f64(*value),
            ValueKind::String(text) => visitor.visit_str(text),
            ValueKind::Array(items) => visitor.visit_seq(Items {
                items: items.iter().map(Input::Value).collect::<Vec<_>>().into_iter(),
                origins: self.origins,
                next: 0,
            }),
            ValueKind::Table(table) => {
                let mut entries: Vec<_> = table.iter().collect();
                // In the order of the file, so that the first complaint is about the first mistake.
                entries.sort_by_key(|(name, value)| (number_of(value), *name));
                let (origins, value) = (self.origins, None);
                visitor.visit_map(Entries { entries: entries.into_iter(), value, origins })
            }
        }
    }

    forward_to_deserialize_any! { char str string bytes byte_buf unit unit_struct identifier ignored_any }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.whole(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.float(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.float(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.flexible().and_then(parse_bool) {
            Some(value) => visitor.visit_bool(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.input {
            Input::Value(Value { kind: ValueKind::Nil, .. }) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Some(text) = self.flexible() else { return self.deserialize_any(visitor) };
        let items: Vec<_> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Input::Item).collect();
        visitor.visit_seq(Items { items: items.into_iter(), origins: self.origins, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.input {
            // `daemon:` with every key beneath it commented out.
            Input::Value(Value { kind: ValueKind::Nil, .. }) => {
                visitor.visit_map(Entries { entries: Vec::new().into_iter(), value: None, origins: self.origins })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(Variant::of(self)?)
    }
}

struct Items<'a> {
    items: std::vec::IntoIter<Input<'a>>,
    origins: &'a Origins,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some(input) = self.items.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let reader = Reader { input, origins: self.origins };
        seed.deserialize(reader).map(Some).map_err(|fault| reader.locate(fault).within(format!("[{index}]")))
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<(&'a String, &'a Value)>,
    value: Option<(&'a String, &'a Value)>,
    origins: &'a Origins,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((name, value));
        let located = |fault: Fault| fault.at(first_number(value)).of_key().within(name.clone());
        seed.deserialize(name.as_str().into_deserializer()).map(Some).map_err(located)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (name, value) = self.value.take().expect("serde asks for a value after its key only");
        let reader = Reader { input: Input::Value(value), origins: self.origins };
        seed.deserialize(reader).map_err(|fault| reader.locate(fault).within(name.clone()))
    }
}

impl Reader<'_> {
    /// Where this value was written, unless a value within it is already blamed.
    fn locate(&self, fault: Fault) -> Fault {
        match self.input {
            Input::Value(value) => {
                let table = matches!(value.kind, ValueKind::Table(_));
                fault.at_value(number_of(value), table)
            }
            Input::Item(_) => fault,
        }
    }
}

/// A table made by merging has no place of its own; the first value in it has.
fn first_number(value: &Value) -> Option<usize> {
    number_of(value).or_else(|| match &value.kind {
        ValueKind::Table(table) => table.values().filter_map(first_number).min(),
        _ => None,
    })
}
