//! Paths in records, also those that are no text: a file's name is bytes, and its record must not fail over it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Text where it is text, as in every record so far.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

fn written(path: &Path) -> Written {
    match path.to_str() {
        Some(text) => Written::Text(text.to_owned()),
        None => Written::Bytes(path.as_os_str().as_bytes().to_vec()),
    }
}

fn read(written: Written) -> PathBuf {
    match written {
        Written::Text(text) => text.into(),
        Written::Bytes(bytes) => OsString::from_vec(bytes).into(),
    }
}

pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    written(path).serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    Written::deserialize(from)
        .map(read)
        .map_err(|_| D::Error::custom("this is no path"))
}

/// The same for lists.
pub(super) mod many {
    use super::{
        Deserialize as _, Deserializer, PathBuf, Serialize as _, Serializer, Written, read, written,
    };

    pub(in super::super) fn serialize<S: Serializer>(
        paths: &[PathBuf],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        paths
            .iter()
            .map(|path| written(path))
            .collect::<Vec<_>>()
            .serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<PathBuf>, D::Error> {
        Ok(Vec::<Written>::deserialize(from)?
            .into_iter()
            .map(read)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Record {
        #[serde(with = "super")]
        path: PathBuf,
        #[serde(with = "super::many")]
        all: Vec<PathBuf>,
    }

    #[test]
    fn every_name_comes_back() {
        for name in [
            &b"a/b c"[..],
            "\u{fc}".as_bytes(),
            b"in\xffvalid",
            b"new\nline",
        ] {
            let path = PathBuf::from(OsString::from_vec(name.to_vec()));
            let text = serde_json::to_string(&Record {
                path: path.clone(),
                all: vec![path.clone()],
            })
            .unwrap();
            let back: Record = serde_json::from_str(&text).unwrap();
            assert_eq!((back.path, back.all), (path.clone(), vec![path]));
        }
        assert!(serde_json::from_str::<Record>(r#"{"path":"old","all":["older"]}"#).is_ok());
    }
}
