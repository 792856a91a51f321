//! Which rules apply?
