//! What can be seen without anything of one's own? An app to protect and someone who says who is who.
//!
//! Both serve plain HTTP on loopback, keep nothing of value, and are for development only.

pub mod app;
pub mod idp;
mod serving;
pub mod shipped;

#[cfg(test)]
mod testing;
