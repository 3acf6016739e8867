use std::fmt;
use std::ops::{Add, AddAssign};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Billionths in one.
const NANOS: u64 = 1_000_000_000;
/// Digits behind the point.
const DIGITS: usize = 9;

/// An amount of money in billionths of a US dollar, at most some 18 thousand million dollars. Adding saturates, as for
/// [`Tokens`](crate::Tokens).
///
/// As text it is dollars, exactly: `1.5` is 1,500,000,000. In JSON it is the number of billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(transparent))]
#[serde(transparent)]
pub struct NanoUsd(pub u64);

/// The text is not an amount of dollars.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected US dollars such as 12.50, with at most 9 digits behind the point")]
pub struct InvalidAmount;

impl Add for NanoUsd {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }
}

impl AddAssign for NanoUsd {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, nanos) = (self.0 / NANOS, self.0 % NANOS);
        if nanos == 0 {
            return write!(f, "{dollars}");
        }
        let behind = format!("{nanos:09}");
        write!(f, "{dollars}.{}", behind.trim_end_matches('0'))
    }
}

impl FromStr for NanoUsd {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (dollars, behind) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(dollars) || !is_number(behind) || behind.len() > DIGITS {
            return Err(InvalidAmount);
        }
        let dollars: u64 = dollars.parse().map_err(|_| InvalidAmount)?;
        let nanos: u64 = format!("{behind:0<DIGITS$}").parse().map_err(|_| InvalidAmount)?;
        dollars.checked_mul(NANOS).and_then(|whole| whole.checked_add(nanos)).map(Self).ok_or(InvalidAmount)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dollars_are_read_exactly() {
        for (text, nanos) in [("12.50", 12_500_000_000), ("0.000000001", 1), ("3", 3_000_000_000), ("0", 0)] {
            assert_eq!(text.parse(), Ok(NanoUsd(nanos)), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1,5", "0.0000000001", "99999999999"] {
            assert_eq!(text.parse::<NanoUsd>(), Err(InvalidAmount), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_amount_survives_its_text(nanos: u64) {
            prop_assert_eq!(NanoUsd(nanos).to_string().parse(), Ok(NanoUsd(nanos)));
        }
    }
}
