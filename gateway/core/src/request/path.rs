//! Canonical paths.

/// A path that has exactly one reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CanonicalPath<'a>(&'a str);

/// Why a path is not canonical.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PathFault {}

#[cfg(test)]
impl CanonicalPath<'_> {
    /// `/`, for the tests of stages that do not look at the path.
    pub(crate) const ROOT: Self = Self("/");
}
