//! What is lost when the disk is full, or the process dies? Nothing that was acknowledged.

mod disk;
mod killed;
mod writer;
