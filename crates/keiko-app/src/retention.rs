//! How long what runs leave behind is kept, and how much of it: as people write it.

use keiko_contracts::code::{Code, Fault};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The formats that mark such texts in the schema.
pub(crate) const AGE: &str = "age";
pub(crate) const BYTES: &str = "bytes";
/// What is said of a text that is none.
pub(crate) const AGE_EXPECTED: &str =
    "expected an age such as \"14d\": a whole number and w, d, h, m or s";
pub(crate) const BYTES_EXPECTED: &str =
    "expected a size such as \"20GiB\": a whole number and KiB, MiB, GiB or TiB";
/// The longest age, seconds: a hundred years.
const AGE_MAX: u64 = 100 * 366 * 86_400;

/// An age in whole seconds: `14d`, `2w`, `12h`, `30m`, `90s`, `0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(u64);

/// Bytes: `20GiB` or `20G`, `500M`, `1T`, `0`. Units are powers of 1024; those that end with `B` alone, of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A text that is no age or no size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd(pub(crate) &'static str);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Age {
    /// Two weeks: what holds if nobody says otherwise.
    pub const DEFAULT: Age = Age(14 * 86_400);

    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Of a flag.
    ///
    /// # Errors
    /// KEI-1242 when it is none.
    pub fn of_flag(text: &str) -> Result<Age, Fault> {
        text.parse().map_err(|_| {
            Fault::new(Code::AGE_IS_NONE, "this is no age")
                .at("--older-than")
                .hint("such as --older-than 14d (w, d, h, m, s)")
        })
    }
}

impl Bytes {
    /// Of a flag.
    ///
    /// # Errors
    /// KEI-1243 when it is none.
    pub fn of_flag(text: &str) -> Result<Bytes, Fault> {
        text.parse().map_err(|_| {
            Fault::new(Code::SIZE_IS_NONE, "this is no size")
                .at("--keep")
                .hint("such as --keep 20GiB (KiB, MiB, GiB, TiB)")
        })
    }
}

/// A whole number, and what stands behind it.
fn parts(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let (number, unit) = text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    );
    Some((number.parse().ok()?, unit.trim_start()))
}

impl FromStr for Age {
    type Err = Odd;
    fn from_str(text: &str) -> Result<Age, Odd> {
        let (number, unit) = parts(text).ok_or(Odd(AGE_EXPECTED))?;
        let seconds = match unit {
            "w" => 7 * 86_400,
            "d" => 86_400,
            "h" => 3_600,
            "m" | "min" => 60,
            "s" => 1,
            "" if number == 0 => 1,
            _ => return Err(Odd(AGE_EXPECTED)),
        };
        number
            .checked_mul(seconds)
            .filter(|all| *all <= AGE_MAX)
            .map(Age)
            .ok_or(Odd(AGE_EXPECTED))
    }
}

impl FromStr for Bytes {
    type Err = Odd;
    fn from_str(text: &str) -> Result<Bytes, Odd> {
        let (number, unit) = parts(text).ok_or(Odd(BYTES_EXPECTED))?;
        let unit = unit.to_ascii_lowercase();
        let power = |letter: &str| {
            ["", "k", "m", "g", "t"]
                .iter()
                .position(|one| *one == letter)
                .and_then(|n| u32::try_from(n).ok())
        };
        let one = match (unit.strip_suffix("ib"), unit.strip_suffix('b')) {
            (Some(letter), _) if !letter.is_empty() => {
                power(letter).map(|power| 1024u64.pow(power))
            }
            (_, Some(letter)) => power(letter).map(|power| 1000u64.pow(power)),
            _ => power(&unit).map(|power| 1024u64.pow(power)),
        };
        one.and_then(|one| number.checked_mul(one))
            .map(Bytes)
            .ok_or(Odd(BYTES_EXPECTED))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        match units
            .iter()
            .find(|(seconds, _)| self.0 > 0 && self.0.is_multiple_of(*seconds))
        {
            Some((seconds, unit)) => write!(f, "{}{unit}", self.0 / seconds),
            None => write!(f, "{}s", self.0),
        }
    }
}

impl fmt::Display for Bytes {
    /// For people, rounded down: two digits at least.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 10 << 30 => write!(f, "{} GiB", n >> 30),
            n if n >= 10 << 20 => write!(f, "{} MiB", n >> 20),
            n => write!(f, "{} KiB", n >> 10),
        }
    }
}

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Age {
    fn schema_name() -> Cow<'static, str> {
        "Age".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An age: a whole number and w, d, h, m or s, such as \"14d\".",
            "type": "string",
            "format": AGE,
            "pattern": r"^([0-9]+ *(w|d|h|m|min|s)|0+)$"
        })
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> Cow<'static, str> {
        "Bytes".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size: a whole number and KiB, MiB, GiB or TiB, such as \"20GiB\".",
            "type": "string",
            "format": BYTES,
            "pattern": r"^[0-9]+ *([KkMmGgTt](i?[Bb])?|[Bb])?$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_once_and_others_are_refused() {
        let seconds = |text: &str| text.parse::<Age>().map(|age| age.duration().as_secs());
        for (text, expected) in [
            ("14d", 1_209_600),
            ("2w", 1_209_600),
            ("12h", 43_200),
            ("30m", 1_800),
            ("90s", 90),
            ("0", 0),
            (" 1 d ", 86_400),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "d",
            "14",
            "-1d",
            "1.5d",
            "14 days",
            "14D",
            "99999999999999999999d",
            "9999999999w",
            "1d2h",
        ] {
            assert!(seconds(bad).is_err(), "{bad}");
            assert_eq!(Age::of_flag(bad).unwrap_err().code, "KEI-1242");
        }
        assert_eq!(
            (
                Age::DEFAULT.to_string().as_str(),
                Age(90).to_string().as_str(),
                Age(0).to_string().as_str()
            ),
            ("14d", "90s", "0s")
        );
        assert_eq!(Age::DEFAULT.to_string().parse(), Ok(Age::DEFAULT));
    }

    #[test]
    fn sizes_are_powers_of_1024_unless_they_say_otherwise() {
        let bytes = |text: &str| text.parse::<Bytes>().map(|bytes| bytes.0);
        for (text, expected) in [
            ("20GiB", 20 << 30),
            ("20G", 20 << 30),
            ("1 GB", 1_000_000_000),
            ("500m", 500 << 20),
            ("1T", 1 << 40),
            ("7", 7),
            ("7b", 7),
            ("0", 0),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "G",
            "-1G",
            "1.5G",
            "1 gig",
            "1ib",
            "99999999999T",
            "20000000000000000000000",
        ] {
            assert!(bytes(bad).is_err(), "{bad}");
            assert_eq!(Bytes::of_flag(bad).unwrap_err().code, "KEI-1243");
        }
    }
}
