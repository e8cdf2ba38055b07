//! Time as data: a journalled timestamp. Nothing here reads a clock.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
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
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant plus a number of milliseconds.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
    }
    /// Milliseconds since an earlier instant; zero if it is not earlier.
    #[must_use]
    pub fn since_ms(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
    /// For lists: `2026-11-20 17:20Z`, in UTC.
    #[must_use]
    pub fn to_minute(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.strftime("%Y-%m-%d %H:%MZ").to_string(),
            Err(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_for_lists() {
        assert_eq!(
            Timestamp(1_740_819_659_999).to_minute(),
            "2025-03-01 09:00Z"
        );
        assert_eq!(Timestamp(-1).to_minute(), "1969-12-31 23:59Z");
        assert_eq!(Timestamp(i64::MAX).to_minute(), format!("{} ms", i64::MAX));
    }
}
