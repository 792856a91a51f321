//! How do requests come in?

pub mod scan;
