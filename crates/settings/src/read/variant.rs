use config::{Value, ValueKind};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor};

use super::{Fault, Input, Reader};

/// An enum is written as the name of a variant, or as a section with that one key.
pub(super) struct Variant<'a> {
    name: &'a str,
    content: Option<Reader<'a>>,
}

impl<'a> Variant<'a> {
    pub(super) fn of(reader: Reader<'a>) -> Result<Self, Fault> {
        let value = match reader.input {
            Input::Item(name) => return Ok(Self { name, content: None }),
            Input::Value(value) => value,
        };
        match &value.kind {
            ValueKind::String(name) => Ok(Self { name, content: None }),
            ValueKind::Table(table) if table.len() == 1 => {
                let (name, value): (&String, &Value) =
                    table.iter().next().expect("the guard above says there is one entry");
                Ok(Self { name, content: Some(Reader { input: Input::Value(value), origins: reader.origins }) })
            }
            _ => Err(Fault::custom("must be one name, or a section with one key")),
        }
    }

    fn content(self) -> Result<Reader<'a>, Fault> {
        self.content.ok_or_else(|| Fault::custom(format!("`{}` needs a value: write it as a section", self.name)))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(Fault::custom(format!("`{}` takes no value", self.name))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Fault> {
        let (name, content) = (self.name.to_owned(), self.content()?);
        seed.deserialize(content).map_err(|fault| content.locate(fault).within(name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        let (name, content) = (self.name.to_owned(), self.content()?);
        content.deserialize_seq(visitor).map_err(|fault| content.locate(fault).within(name))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        let (name, content) = (self.name.to_owned(), self.content()?);
        content.deserialize_map(visitor).map_err(|fault| content.locate(fault).within(name))
    }
}
