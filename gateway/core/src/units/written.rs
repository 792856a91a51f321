//! The way back: quantities as an operator would write them, for generated documentation and for messages.

use std::fmt::{Display, Formatter, Result};
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{Rate, Size, Span};

const TIMES: [(u128, &str); 6] =
    [(86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
const SIZES: [(u128, &str); 4] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];

fn written(f: &mut Formatter<'_>, amount: u128, zero: &str, units: &[(u128, &str)]) -> Result {
    match units.iter().find(|(unit, _)| amount >= *unit && amount.is_multiple_of(*unit)) {
        Some((unit, name)) => write!(f, "{}{name}", amount / unit),
        None => f.write_str(zero),
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        written(f, self.0.as_micros(), "0s", &TIMES)
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        written(f, u128::from(self.0), "0B", &SIZES)
    }
}

impl Display for Rate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let unit = [(1, "s"), (60, "min"), (3600, "h"), (86_400, "d")]
            .into_iter()
            .find(|(seconds, _)| self.window == Duration::from_secs(*seconds));
        match unit {
            Some((_, name)) => write!(f, "{}/{name}", self.requests),
            None => write!(f, "{}/{}", self.requests, Span(self.window)),
        }
    }
}

macro_rules! as_text {
    ($($unit:ty),*) => {$(
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
    )*};
}

as_text!(Span, Size, Rate);
