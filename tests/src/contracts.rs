//! One suite for each port that has more than one implementation.

pub mod counters;
pub mod store;
