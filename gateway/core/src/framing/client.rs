//! Who asks, once trusted proxies have been believed?

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::refusal::Refusal;
use crate::request::Scheme;

use super::{Connection, Framing, malformed};

/// The longest chain of proxies that is followed.
const MOST_HOPS: usize = 32;

pub(super) struct Client {
    pub(super) address: IpAddr,
    pub(super) scheme: Scheme,
}

/// The peer itself, unless it is a trusted proxy: then the right-most address in `X-Forwarded-For` that is not one.
///
/// Every entry must be an address, even those left of the client, which the client may have made up. Without the field
/// the trusted proxy speaks for itself. `Forwarded` (RFC 7239) and `X-Real-IP` are believed from nobody.
pub(super) fn find(framing: &Framing, headers: &HeaderMap, connection: &Connection) -> Result<Client, Refusal> {
    let peer = connection.peer.to_canonical();
    if !framing.trusts(peer) {
        return Ok(Client { address: peer, scheme: connection.scheme });
    }
    let (mut first, mut nearest, mut hops) = (None, None, 0);
    for line in headers.get_all("x-forwarded-for") {
        let line = line.to_str().map_err(|_| bad_chain())?;
        for entry in line.split(',') {
            hops += 1;
            let address = address(entry.trim()).filter(|_| hops <= MOST_HOPS).ok_or_else(bad_chain)?;
            first = first.or(Some(address));
            if !framing.trusts(address) {
                nearest = Some(address);
            }
        }
    }
    let scheme = scheme(headers)?.unwrap_or(connection.scheme);
    Ok(Client { address: nearest.or(first).unwrap_or(peer), scheme })
}

/// An address, with or without port; IPv6 with or without brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).filter(|entry| entry.contains(':'));
    let address: Option<IpAddr> = bare.unwrap_or(entry).parse().ok();
    let address = address.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address| address.to_canonical())
}

/// One word; a list would leave open which hop is meant.
fn scheme(headers: &HeaderMap) -> Result<Option<Scheme>, Refusal> {
    let mut lines = headers.get_all("x-forwarded-proto").iter();
    let Some(line) = lines.next() else { return Ok(None) };
    match line.as_bytes() {
        _ if lines.next().is_some() => Err(bad_scheme()),
        text if text.eq_ignore_ascii_case(b"https") => Ok(Some(Scheme::Https)),
        text if text.eq_ignore_ascii_case(b"http") => Ok(Some(Scheme::Http)),
        _ => Err(bad_scheme()),
    }
}

fn bad_chain() -> Refusal {
    malformed("`X-Forwarded-For` from a trusted proxy is not a list of at most 32 addresses")
}

fn bad_scheme() -> Refusal {
    malformed("`X-Forwarded-Proto` from a trusted proxy is neither `http` nor `https`")
}
