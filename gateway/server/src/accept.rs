//! How does a connection become a request?
//!
//! Pingora's TCP listener hands each connection to [`Front`]; it makes TLS of it, wraps HTTP/1 in the
//! [`Guard`] and gives the result to an [`Engine`]: Pingora's, which calls back into `passage`, or what `passage` puts
//! before it.

mod engine;
mod frames;
mod front;
mod guard;
mod head;
mod http1;
mod http2;
pub(crate) mod lease;
mod limits;
mod names;
mod scan;
pub(crate) mod tls;

pub(crate) use engine::Engine;
pub(crate) use front::{Door, Front, Outcome};
pub(crate) use guard::{Arrival, Guard};
pub(crate) use head::{ends, request};
pub(crate) use http2::Refused;
pub(crate) use limits::Limits;
pub(crate) use names::shown;
pub(crate) use tls::TlsPolicy;
