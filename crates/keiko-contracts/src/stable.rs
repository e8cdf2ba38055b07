//! Values that many requests show unchanged, with what was written of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A value that many requests show unchanged, with room for what a wire wrote of it: written once, copied from then on.
/// Clones share both. What was written is no part of the value: it is neither compared nor shown nor stored.
pub struct Stable<T>(Arc<Slot<T>>);

struct Slot<T> {
    value: T,
    /// The style and the bytes.
    written: OnceLock<(u32, Box<[u8]>)>,
}

impl<T> Stable<T> {
    /// Holds a value.
    pub fn new(value: T) -> Self {
        Stable(Arc::new(Slot {
            value,
            written: OnceLock::new(),
        }))
    }

    /// What is written of the value in a style: a number that stands for all that the bytes depend on beside the value.
    /// Only the first style that is asked for is remembered: a run has one model.
    ///
    /// # Errors
    /// Those of `write`; then nothing is remembered.
    pub fn written<E>(
        &self,
        style: u32,
        write: impl FnOnce(&T) -> Result<Vec<u8>, E>,
    ) -> Result<Cow<'_, [u8]>, E> {
        let Slot { value, written } = self.0.as_ref();
        match written.get() {
            Some((kept, bytes)) if *kept == style => Ok(Cow::Borrowed(bytes)),
            Some(_) => write(value).map(Cow::Owned),
            None => {
                let bytes = write(value)?;
                // Whoever was quicker may have written in another style.
                match written.get_or_init(|| (style, bytes.clone().into())) {
                    (kept, bytes) if *kept == style => Ok(Cow::Borrowed(bytes)),
                    _ => Ok(Cow::Owned(bytes)),
                }
            }
        }
    }
}

impl<T> Clone for Stable<T> {
    fn clone(&self) -> Self {
        Stable(Arc::clone(&self.0))
    }
}
impl<T> Deref for Stable<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}
impl<T> From<T> for Stable<T> {
    fn from(value: T) -> Self {
        Stable::new(value)
    }
}
impl<T: PartialEq> PartialEq for Stable<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.value == other.0.value
    }
}
impl<T: Eq> Eq for Stable<T> {}
impl<T: fmt::Debug> fmt::Debug for Stable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}
impl<T: Serialize> Serialize for Stable<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.value.serialize(s)
    }
}
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Stable<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::deserialize(d).map(Stable::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(text: &str, times: &mut u32) -> Result<Vec<u8>, ()> {
        *times += 1;
        Ok(text.as_bytes().to_vec())
    }

    #[test]
    fn a_style_is_written_once_and_clones_share_it() {
        let (value, mut times) = (Stable::new("x".to_owned()), 0);
        let clone = value.clone();
        for held in [&value, &clone] {
            assert_eq!(
                held.written(1, |text| write(text, &mut times)),
                Ok(b"x".as_slice().into())
            );
        }
        assert_eq!(times, 1);
        assert_eq!(
            value.written(2, |_| write("other", &mut times)),
            Ok(b"other".as_slice().into()),
            "never what another style is"
        );
        assert_eq!(value.written(1, |_| Err(())), Ok(b"x".as_slice().into()));
    }

    #[test]
    fn a_failure_is_not_remembered() {
        let value = Stable::new(1);
        assert_eq!(value.written(1, |_| Err("no")), Err("no"));
        assert_eq!(
            value.written::<()>(1, |_| Ok(vec![7])),
            Ok([7].as_slice().into())
        );
    }
}
