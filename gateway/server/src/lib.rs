//! Where Portcullis touches the world.

pub mod world;
