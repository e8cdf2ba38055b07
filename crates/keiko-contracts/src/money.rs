//! Money as integer millionths of a US dollar. Never a float.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Millionths of a US dollar, the currency of the price file.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Micros(pub u64);

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an amount of money: {why}")]
pub struct InvalidAmount {
    /// The text, shortened.
    pub text: String,
    /// The rule it breaks.
    pub why: &'static str,
}

impl Micros {
    /// Nothing.
    pub const ZERO: Micros = Micros(0);
    /// True for nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }
    /// Sum, capped at the largest amount.
    #[must_use]
    pub fn plus(self, other: Micros) -> Micros {
        Micros(self.0.saturating_add(other.0))
    }
    /// Difference, never below nothing.
    #[must_use]
    pub fn minus(self, other: Micros) -> Micros {
        Micros(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Micros {
    /// Dollars with at least two and at most six places: `0.50`, `0.000125`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frac = format!("{:06}", self.0 % 1_000_000);
        let frac = frac.trim_end_matches('0');
        write!(f, "{}.{frac:0<2}", self.0 / 1_000_000)
    }
}

impl FromStr for Micros {
    type Err = InvalidAmount;
    /// Plain dollars with a point: `0.50`. At most six places, at most a million dollars.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let bad = |why| InvalidAmount {
            text: text.chars().take(40).collect(),
            why,
        };
        if text.contains(',') {
            return Err(bad("write a point, not a comma, as in 0.50"));
        }
        if text.starts_with('-') {
            return Err(bad("it cannot be negative"));
        }
        let (whole, frac) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && frac.is_empty()) || !digits(whole) || !digits(frac) {
            return Err(bad("expected dollars such as 0.50"));
        }
        if frac.len() > 6 {
            return Err(bad("at most six places, a millionth is the smallest unit"));
        }
        if whole.len() > 7 {
            return Err(bad("at most a million dollars"));
        }
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole
                .parse()
                .map_err(|_| bad("expected dollars such as 0.50"))?
        };
        let micros: u64 = format!("{frac:0<6}")
            .parse()
            .map_err(|_| bad("expected dollars such as 0.50"))?;
        let total = whole * 1_000_000 + micros;
        if total > 1_000_000_000_000 {
            Err(bad("at most a million dollars"))
        } else {
            Ok(Micros(total))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_people_type_by_mistake() {
        for bad in [
            "0,50",
            "-1",
            "nan",
            "inf",
            "",
            ".",
            "1e3",
            "0.1234567",
            "99999999",
            "1.2.3",
            "１",
        ] {
            assert!(bad.parse::<Micros>().is_err(), "{bad}");
        }
        assert!("0,50".parse::<Micros>().unwrap_err().why.contains("point"));
    }

    proptest! {
        #[test]
        fn shown_and_read_back(n in 0u64..1_000_000_000_000) {
            prop_assert_eq!(Micros(n).to_string().parse::<Micros>(), Ok(Micros(n)));
        }
        #[test]
        fn never_panics(text in ".{0,24}") { let _ = text.parse::<Micros>(); }
    }
}
