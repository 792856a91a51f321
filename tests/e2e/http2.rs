//! Can an HTTP/2 request be read in two ways, or a connection be made to cost too much?

mod floods;
mod frames;
mod heads;
mod refused;
