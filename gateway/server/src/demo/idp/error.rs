//! Why the provider cannot start or sign.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::world::random::NoRandomness;

/// Why the local identity provider cannot do its work.
#[derive(Debug)]
pub enum IdpError {
    /// The issuer is not a URL.
    Issuer {
        issuer: String,
        why: String,
    },
    /// The signing key cannot be had.
    Key(portcullis_certs::Error),
    /// The listener failed.
    Listen(io::Error),
    /// The listener can be reached from other machines.
    NotLoopback(SocketAddr),
    NoRandomness,
    /// The metadata or a token could not be written.
    Sign(String),
    /// The certificate authority to be trusted is none.
    Trust(String),
}

impl fmt::Display for IdpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer { issuer, why } => {
                write!(f, "`{issuer}` is no issuer: {why}; write a URL such as `http://localhost:9444`")
            }
            Self::Key(error) => write!(f, "the identity provider has no key: {error}"),
            Self::Listen(error) => write!(f, "the identity provider cannot listen: {error}"),
            Self::NotLoopback(address) => write!(
                f,
                "the identity provider is for development and gives tokens to anyone who can reach it, so it refuses `{address}`: use a loopback address such as `127.0.0.1:9444`"
            ),
            Self::NoRandomness => NoRandomness.fmt(f),
            Self::Trust(why) => write!(f, "the certificate authority to be trusted cannot be used: {why}"),
            Self::Sign(why) => write!(f, "the identity provider cannot sign: {why}"),
        }
    }
}

impl std::error::Error for IdpError {}

impl From<portcullis_certs::Error> for IdpError {
    fn from(error: portcullis_certs::Error) -> Self {
        Self::Key(error)
    }
}

impl From<NoRandomness> for IdpError {
    fn from(_: NoRandomness) -> Self {
        Self::NoRandomness
    }
}
