//! Canonical paths.

/// A path that has exactly one reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CanonicalPath<'a>(&'a str);

/// Why a path is not canonical.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathFault {}
