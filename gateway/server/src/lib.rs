//! Where Portcullis touches the world.

pub mod accept;
