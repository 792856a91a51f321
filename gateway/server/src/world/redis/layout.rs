//! Where do the records of the store lie?

/// What every key begins with.
pub(super) const PREFIX: &str = "ptcl:{store}:";

/// The number of the last commit; the key that finds our slot.
pub(crate) const COUNTER: &str = "ptcl:{store}:seq";
