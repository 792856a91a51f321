//! Where it touches the world: sockets, stores, files, clocks, and the program around them.

pub mod demo;

pub mod world;
