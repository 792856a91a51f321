//! Where Portcullis touches the world: sockets, files, stores, clocks. What is decided lies in
//! `portcullis_core`.

mod accept;
mod admin;
pub mod app;
pub mod cli;
mod control;
pub mod demo;
mod forward;
mod login;
mod observe;
mod outbox;
mod passage;
mod respond;
mod shared;
mod turns;
pub mod world;
