//! How is a key read that takes a word, a list or a table? By what stands there, with errors that keep their place.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A value written in one of several forms.
pub(super) trait Choice: Sized {
    /// Completes the sentence "expected …".
    const EXPECTED: &'static str;
    type List: for<'de> Deserialize<'de>;
    type Table: for<'de> Deserialize<'de>;

    fn word(word: &str) -> Result<Self, String>;
    fn list(list: Self::List) -> Result<Self, String>;
    fn table(table: Self::Table) -> Result<Self, String>;
}

/// Reads whichever form stands there.
pub(super) fn choose<'de, T: Choice, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(Forms(PhantomData))
}

struct Forms<T>(PhantomData<T>);

impl<'de, T: Choice> Visitor<'de> for Forms<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::word(word).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(T::List::deserialize(SeqAccessDeserializer::new(list))?).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::table(T::Table::deserialize(MapAccessDeserializer::new(table))?).map_err(A::Error::custom)
    }
}
