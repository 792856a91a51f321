//! How do operators write quantities? Always with their unit: `10s`, `1MiB`, `60/min`.

#[cfg(test)]
mod tests;
mod text;
mod written;

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// A span of time: a whole number and `us`, `ms`, `s`, `m` or `min`, `h`, `d`. At most 10 years.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span(pub Duration);

/// A size: a whole number and `B`, `KiB`, `MiB` or `GiB`. At most 1 TiB.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Size(pub u64);

/// So many requests in so long: `60/min`, `5/s`, `1000/h`, `10/30s`. Both parts are at least 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    pub requests: u64,
    pub window: Duration,
}

macro_rules! from_text {
    ($unit:ty, $parse:path, $name:literal, $pattern:literal, $example:literal) => {
        impl std::str::FromStr for $unit {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                $parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(from)?;
                $parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $unit {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

from_text!(Span, text::span, "Span", "^[0-9]+(us|ms|s|m|min|h|d)$", "10s");
from_text!(Size, text::size, "Size", "^[0-9]+(B|KiB|MiB|GiB)$", "1MiB");
from_text!(Rate, text::rate, "Rate", "^[0-9]+/([0-9]*(s|m|min|h|d)|month)$", "60/min");
