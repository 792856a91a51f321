//! Is the head unambiguous HTTP?
//!
//! What leaves here has one length, one host, one path and one value of every field that may have one; whatever could
//! be read in two ways is refused, even where RFC 9110 or 9112 let a recipient repair it, because the upstream might
//! repair it otherwise. Pure functions over what the connection delivered: the connection's own byte scanner adds, as
//! [`RawFacts`], what the HTTP library mends or drops before anybody can see it.

mod client;
mod fields;
mod length;
mod raw;
mod target;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use http::{HeaderMap, Method, Version};
use ipnet::IpNet;

use crate::refusal::{Code, Refusal};
use crate::request::{Request, Scheme};

pub use raw::{RawFacts, ScanFault};
pub use target::authority_of;

/// A request's head as it was received, before anything is believed.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: &'a Method,
    /// The request target as received: origin form, or whatever came instead.
    pub target: &'a [u8],
    /// `:authority`, under HTTP/2.
    pub authority: Option<&'a str>,
    /// `:scheme`, under HTTP/2.
    pub scheme: Option<&'a str>,
    pub version: Version,
    pub headers: &'a HeaderMap,
    /// What the scanner saw, under HTTP/1; the default under HTTP/2.
    pub raw: RawFacts,
    /// Under HTTP/2, whether the head ended the stream. Not looked at under HTTP/1.
    pub stream: Stream,
}

/// Whether anything may follow an HTTP/2 head (`END_STREAM`, RFC 9113 §8.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stream {
    Ended,
    Open,
}

/// The connection a head came on.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The other end of the TCP connection.
    pub peer: IpAddr,
    /// [`Scheme::Https`] when we ended TLS ourselves.
    pub scheme: Scheme,
}

/// How much head is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of path and query.
    pub target: usize,
    /// Bytes of all names and values, plus four for each field (RFC 9112's `: ` and line end).
    pub header_bytes: usize,
    /// Field lines.
    pub header_fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { target: 8 << 10, header_bytes: 32 << 10, header_fields: 100 }
    }
}

/// The request gate, compiled.
#[derive(Clone, Debug)]
pub struct Framing {
    limits: Limits,
    trusted_proxies: Vec<IpNet>,
}

impl Framing {
    /// `trusted_proxies`: the peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub fn new(limits: Limits, trusted_proxies: Vec<IpNet>) -> Self {
        Self { limits, trusted_proxies }
    }

    /// Whether this peer's `X-Forwarded-*` are believed. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&peer))
    }

    /// Judges a head. Refuses with 400, 405 (`TRACE`, `CONNECT`, unregistered methods), 414 or 431.
    pub fn check<'a>(&self, head: &Head<'a>, connection: &Connection) -> Result<Request<'a>, Refusal> {
        if let Some(fault) = head.raw.fault {
            return Err(fault.refusal());
        }
        target::check_version(head)?;
        target::check_length(head.target, self.limits.target)?;
        fields::check_sizes(head, &self.limits)?;
        target::check_method(head.method)?;
        fields::check(head)?;
        let body = length::declared(head)?;
        length::check_upgrade(head, body)?;

        let target = target::read(head)?;
        let host = target::host(head, target.authority)?;
        let client = client::find(self, head.headers, connection)?;
        Ok(Request {
            method: head.method,
            scheme: client.scheme,
            host,
            path: target.path,
            query: target.query,
            headers: head.headers,
            version: head.version,
            client: client.address,
            peer: connection.peer.to_canonical(),
            certificate: None,
            body,
        })
    }
}

/// 400 with one sentence for both the operator and the caller; `what` holds nothing the client sent.
fn malformed(what: &'static str) -> Refusal {
    Refusal::new(Code::MalformedRequest).because(what).detail(what)
}
