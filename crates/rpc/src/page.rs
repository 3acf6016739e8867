//! Lists in pages: `limit` and `cursor` in, `items` and `nextCursor` out.
//!
//! A list without filters takes [`ListParams`]; one with filters has the fields `limit: Limit` and
//! `cursor: Option<Cursor>` among its own (serde cannot both flatten and deny unknown fields).
//!
//! ```
//! use orchestrator_rpc::page::{Cursor, Page};
//! let last = ("2026-01-31", 7_u64); // whatever the next page starts after
//! let page = Page { items: vec!["a", "b"], next_cursor: Some(Cursor::of(&last)) };
//! let again: (String, u64) = page.next_cursor.unwrap().read()?;
//! assert_eq!(again.1, 7);
//! # Ok::<_, orchestrator_rpc::Error>(())
//! ```

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Error;

/// The parameters of a list without filters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListParams {
    /// How many items at most.
    #[serde(default)]
    pub limit: Limit,
    /// Where to go on: `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

/// How many items a page holds: 1 to 1,000, by default 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64")]
pub struct Limit(u16);

/// The limit is not between 1 and 1,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number from 1 to {}", Limit::MAX.0)]
pub struct InvalidLimit;

impl Limit {
    /// The largest.
    pub const MAX: Self = Self(1_000);

    /// The number of items.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl JsonSchema for Limit {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 1, "maximum": Self::MAX.0 })
    }
}

impl TryFrom<u64> for Limit {
    type Error = InvalidLimit;

    fn try_from(limit: u64) -> Result<Self, InvalidLimit> {
        match u16::try_from(limit) {
            Ok(limit) if (1..=Self::MAX.0).contains(&limit) => Ok(Self(limit)),
            _ => Err(InvalidLimit),
        }
    }
}

/// A place in a list, opaque to clients: base64url of JSON.
///
/// It is not signed. One that was made up but can be read is just another place in the caller's own
/// organisation's list, so put nothing in it that grants anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Cursor(#[schemars(length(min = 1, max = 1_024), regex(pattern = "^[A-Za-z0-9_-]+$"))] String);

/// Longer ones are not ours; checked before they are decoded.
const CURSOR_BYTES_MAX: usize = 1_024;

impl Cursor {
    /// The cursor of a place.
    ///
    /// # Panics
    /// If the place does not serialise as JSON: it is a plain struct or tuple.
    pub fn of<T: Serialize>(place: &T) -> Self {
        let json = serde_json::to_vec(place).expect("a place in a list is plain data");
        Self(URL_SAFE_NO_PAD.encode(json))
    }

    /// The place of the cursor.
    ///
    /// # Errors
    /// [`Code::InvalidParams`](crate::Code::InvalidParams) naming `cursor`, if it is not one of [`Cursor::of`] a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let foreign = || Error::invalid_field("cursor", "not a cursor of this list");
        if self.0.len() > CURSOR_BYTES_MAX {
            return Err(foreign());
        }
        let json = URL_SAFE_NO_PAD.decode(&self.0).map_err(|_| foreign())?;
        serde_json::from_slice(&json).map_err(|_| foreign())
    }

    /// The text as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{parse_json, parse_params};

    #[test]
    fn a_limit_has_bounds_and_a_default() {
        let parsed = |text: &str| parse_params::<ListParams>(Some(&parse_json(text.as_bytes()).unwrap()));
        assert_eq!(parsed("{}").unwrap().limit.get(), 100);
        assert_eq!(parsed(r#"{"limit":1000}"#).unwrap().limit, Limit::MAX);
        for limit in ["0", "1001", "65636", "18446744073709551615"] {
            let error = parsed(&format!(r#"{{"limit":{limit}}}"#)).unwrap_err();
            assert_eq!(error.message, "`limit`: expected a number from 1 to 1000");
        }
        assert_eq!(parsed(r#"{"limit":-1}"#).unwrap_err().field.as_deref(), Some("limit"));
    }

    #[test]
    fn a_tampered_cursor_is_named() {
        let cursor = Cursor::of(&(7, "x"));
        assert_eq!(cursor.read::<(u8, String)>().unwrap(), (7, "x".to_owned()));
        let long = Cursor("A".repeat(CURSOR_BYTES_MAX + 1));
        for bad in
            [Cursor(cursor.as_str()[1..].into()), Cursor("%".into()), Cursor(String::new()), Cursor::of(&1), long]
        {
            let error = bad.read::<(u8, String)>().unwrap_err();
            assert_eq!(error.field.as_deref(), Some("cursor"));
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        assert_eq!(serde_json::to_value(Page { items: vec![1], next_cursor: None }).unwrap(), json!({"items": [1]}));
    }

    #[test]
    fn the_schema_of_a_limit_has_its_bounds() {
        let schema = schemars::schema_for!(ListParams);
        assert!(schema.as_value().to_string().contains(r#""maximum":1000"#), "{schema:?}");
    }
}
