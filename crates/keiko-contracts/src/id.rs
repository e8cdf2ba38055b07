//! Typed ids and names, parsed once at the edge. Nothing here makes an id: randomness comes in from a shell.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not an id or a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {why}")]
pub struct InvalidId {
    /// Which kind of id was asked for.
    pub what: &'static str,
    /// The text, shortened.
    pub text: String,
    /// The rule it breaks.
    pub why: &'static str,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode(bytes: &[u8], out: &mut String) {
    let (mut acc, mut bits) = (0u32, 0u32);
    for byte in bytes {
        acc = (acc << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[((acc >> bits) & 31) as usize]));
        }
    }
}

fn decode(text: &str, out: &mut [u8]) -> bool {
    if text.len() * 5 != out.len() * 8 {
        return false;
    }
    let (mut acc, mut bits, mut next) = (0u32, 0u32, 0usize);
    for byte in text.bytes() {
        let Some(value) = ALPHABET.iter().position(|c| *c == byte) else {
            return false;
        };
        acc = (acc << 5) | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out[next] = (acc >> bits) as u8;
            next += 1;
        }
    }
    true
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);
        impl $name {
            /// How many random bytes make one.
            pub const BYTES: usize = $len;
            /// From bytes that a shell drew.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self { Self(bytes) }
            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = String::with_capacity($len * 8 / 5);
                encode(&self.0, &mut text);
                f.pad(&text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{self}") }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let mut bytes = [0u8; $len];
                if decode(text, &mut bytes) { Ok(Self(bytes)) } else {
                    Err(InvalidId { what: $what, text: text.chars().take(64).collect(), why: "wrong length or a character outside 0-9 a-z without i, l, o, u" })
                }
            }
        }
        text_serde!($name);
    };
}

macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.collect_str(self) }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema { schemars::json_schema!({"type": "string"}) }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $why:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);
        impl $name {
            /// Longest text, in bytes.
            pub const MAX: usize = $max;
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", &self.0) }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let ok: fn(u8) -> bool = $ok;
                if text.is_empty() || text.len() > $max || !text.bytes().all(ok) {
                    return Err(InvalidId { what: $what, text: text.chars().take(64).collect(), why: $why });
                }
                Ok(Self(text.into()))
            }
        }
        text_serde!($name);
    };
}

byte_id!(
    /// A run: the durable execution of a goal. Sixteen characters, random first, so that short prefixes are unique.
    RunId, 10, "run id"
);
byte_id!(
    /// A process that may hold leases.
    WorkerId, 5, "worker id"
);
byte_id!(
    /// An approval: derived from the effect key and the action digest, so that asking twice asks once.
    ApprovalId, 5, "approval id"
);

name!(
    /// A task of a run's plan. A run without a plan has the one task `main`.
    TaskId, "task id", 32, "1 to 32 of a-z, 0-9, -", |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
);
name!(
    /// The name of an agent: the file name of its definition.
    AgentName, "agent name", 64, "1 to 64 of a-z, 0-9, -", |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
);
name!(
    /// The name of an engine that works by rules, without a language model.
    SkillName, "skill", 64, "1 to 64 of a-z, 0-9, -", |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
);
name!(
    /// The name of a tool as models see it.
    ToolName, "tool name", 64, "1 to 64 of a-z, A-Z, 0-9, _ and -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// A model as `vendor/model`; the part after the first slash goes to the vendor as it is.
    ModelName, "model name", 200, "1 to 200 printable characters without spaces", |b| b.is_ascii_graphic()
);

impl ModelName {
    /// The vendor: what stands before the first slash, if there is one.
    #[must_use]
    pub fn vendor(&self) -> Option<&str> {
        self.0.split_once('/').map(|(vendor, _)| vendor)
    }
    /// The name as the vendor knows it.
    #[must_use]
    pub fn model(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, model)| model)
    }
}

impl AgentName {
    /// Of an agent that comes with the program.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }
}

impl SkillName {
    /// The skill that has the name of an agent: agents without a model were known by their name alone once.
    #[must_use]
    pub fn of_agent(agent: &AgentName) -> Self {
        Self(agent.0.clone())
    }
}

impl TaskId {
    /// The task of a run that has no plan.
    #[must_use]
    pub fn main() -> Self {
        Self("main".into())
    }
}

/// What identifies one effect, for ever: a path, never random, so that a repeated effect has the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EffectKey {
    /// The run.
    pub run: RunId,
    /// The task within it.
    pub task: TaskId,
    /// The attempt at the task, from 1.
    pub attempt: u32,
    /// The step of the agent's loop, from 1; 0 is what comes before the first.
    pub step: u32,
    /// The place within the step, from 0.
    pub ordinal: u16,
}

impl fmt::Display for EffectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/{}",
            self.run, self.task, self.attempt, self.step, self.ordinal
        )
    }
}

impl FromStr for EffectKey {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let bad = || InvalidId {
            what: "effect key",
            text: text.chars().take(64).collect(),
            why: "expected run/task/attempt/step/ordinal",
        };
        let parts: Vec<&str> = text.split('/').collect();
        let [run, task, attempt, step, ordinal] = parts.as_slice() else {
            return Err(bad());
        };
        Ok(EffectKey {
            run: run.parse()?,
            task: task.parse()?,
            attempt: attempt.parse().map_err(|_| bad())?,
            step: step.parse().map_err(|_| bad())?,
            ordinal: ordinal.parse().map_err(|_| bad())?,
        })
    }
}
text_serde!(EffectKey);

impl RunId {
    /// The id of the run that an effect starts: begun again after a crash, it is the same run.
    #[must_use]
    pub fn child_of(key: &EffectKey) -> RunId {
        let digest = crate::digest::Digest::of(format!("child of {key}").as_bytes()).0;
        let mut id = [0; 10];
        id.copy_from_slice(&digest[..10]);
        RunId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_is_a_key_or_refused(text in "\\PC{0,60}|[0-9a-z]{14,18}/[a-z]{0,6}/[0-9]{0,12}/[0-9]{0,12}/[0-9]{0,7}") {
            if let Ok(key) = text.parse::<EffectKey>() {
                proptest::prop_assert_eq!(key.to_string().parse(), Ok(key));
            }
            let _ = (text.parse::<ModelName>(), text.parse::<ToolName>(), text.parse::<AgentName>());
        }
    }

    #[test]
    fn ids_round_trip_and_refuse_what_is_not_one() {
        let id = RunId::from_bytes([0, 1, 2, 250, 251, 252, 253, 254, 255, 7]);
        assert_eq!(id.to_string().len(), 16);
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        for bad in [
            "",
            "abc",
            "iiiiiiiiiiiiiiii",
            "0000000000000000x",
            "ÄÖÜÄÖÜÄÖ",
        ] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn effect_key_is_a_path() {
        let key = EffectKey {
            run: RunId::from_bytes([9; 10]),
            task: TaskId::main(),
            attempt: 1,
            step: 12,
            ordinal: 3,
        };
        assert_eq!(key.to_string().parse::<EffectKey>(), Ok(key.clone()));
        assert!("a/b".parse::<EffectKey>().is_err());
        assert!(
            format!("{}/main/1/2", key.run)
                .parse::<EffectKey>()
                .is_err()
        );
    }

    #[test]
    fn model_name_splits_at_the_first_slash() {
        let name: ModelName = "openrouter/meta/llama:free".parse().unwrap();
        assert_eq!(
            (name.vendor(), name.model()),
            (Some("openrouter"), "meta/llama:free")
        );
    }
}
