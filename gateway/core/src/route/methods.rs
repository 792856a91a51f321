//! Which methods does a route answer?

use std::fmt;
use std::str::FromStr;

use http::Method;

use crate::request::methods::{REGISTERED, position};

/// Some of the registered methods; never empty.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct MethodSet(u64);

impl MethodSet {
    /// `ANY`: every registered method, which leaves out `CONNECT` and `TRACE`.
    pub const ANY: Self = Self(u64::MAX >> (64 - REGISTERED.len()));

    /// Whether this very method is in the set; `GET` does not stand for `HEAD` here.
    pub fn contains(self, method: &Method) -> bool {
        position(method.as_str()).is_some_and(|bit| self.0 & (1 << bit) != 0)
    }

    /// The methods in both, if any.
    pub fn common(self, other: Self) -> Option<Self> {
        Some(Self(self.0 & other.0)).filter(|common| common.0 != 0)
    }

    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// In the order of the registry, common ones first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        REGISTERED.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| *name)
    }
}

impl FromStr for MethodSet {
    type Err = String;

    /// Reads `GET`, `GET|POST` or `ANY`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "ANY" {
            return Ok(Self::ANY);
        }
        let mut set = 0u64;
        for name in text.split('|') {
            let bit = position(name).ok_or_else(|| unknown(name))?;
            if set & (1 << bit) != 0 {
                return Err(format!("`{name}` stands twice in `{text}`: write it once"));
            }
            set |= 1 << bit;
        }
        Ok(Self(set))
    }
}

fn unknown(name: &str) -> String {
    if name == "TRACE" || name == "CONNECT" {
        return format!("`{name}` is never served: leave it out");
    }
    let upper = name.to_ascii_uppercase();
    let near = REGISTERED.iter().chain(&["ANY"]).min_by_key(|known| strsim::damerau_levenshtein(&upper, known));
    match near.filter(|known| strsim::damerau_levenshtein(&upper, known) <= 2) {
        Some(known) if name == "ANY" => format!("`{known}` stands alone: leave out the other methods"),
        Some(known) => format!("`{name}` is not a method: did you mean `{known}`"),
        None => format!(
            "`{name}` is not a method: write one of GET, POST, PUT, PATCH, DELETE, several as `GET|POST`, or ANY"
        ),
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return out.write_str("ANY");
        }
        for (place, name) in self.names().enumerate() {
            if place > 0 {
                out.write_str("|")?;
            }
            out.write_str(name)?;
        }
        Ok(())
    }
}
