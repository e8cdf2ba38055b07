//! Texts that are no id, no name and no amount, as sentences.

use crate::id::InvalidId;
use crate::money::InvalidAmount;
use crate::said::{Said, ToValue, Value};
use crate::say;

impl InvalidId {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        say!(
            "{text} is not a {what}: {why}",
            text = format_args!("{:?}", self.text),
            what = Said::from(self.what),
            why = Said::from(self.why)
        )
    }
}

impl ToValue for InvalidId {
    fn to_value(&self) -> Value {
        self.said().into()
    }
}

impl InvalidAmount {
    /// As it is told.
    #[must_use]
    pub fn said(&self) -> Said {
        say!(
            "{text} is not an amount of money: {why}",
            text = format_args!("{:?}", self.text),
            why = Said::from(self.why)
        )
    }
}

impl ToValue for InvalidAmount {
    fn to_value(&self) -> Value {
        self.said().into()
    }
}
