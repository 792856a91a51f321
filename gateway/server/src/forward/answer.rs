//! What of the application's answer reaches the client? One answer to what was asked, with one length, and nothing that
//! was about the application's own connection.

#[cfg(test)]
mod tests;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use portcullis_core::request::cookies;

/// Interim answers to one request; more are no hints any more (RFC 9110 §15.2 knows no bound).
pub(crate) const MOST_INTERIM: u32 = 64;

/// Fields about one connection (RFC 9110 §7.6.1), whether `Connection` names them or not.
const ABOUT_THE_CONNECTION: [HeaderName; 3] =
    [HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection"), header::UPGRADE];
/// What only a proxy says, to whoever asked it (RFC 9110 §11.7).
const OF_A_PROXY: [HeaderName; 2] = [header::PROXY_AUTHENTICATE, HeaderName::from_static("proxy-authentication-info")];

/// Whether the client, on this route, asked to leave HTTP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Switch {
    Asked,
    NotAsked,
}

/// Refuses what cannot be passed on in one reading, and takes away what is not for the client.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn clean(status: StatusCode, headers: &mut HeaderMap, switch: Switch) -> Result<(), &'static str> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        if switch == Switch::NotAsked {
            // Whatever follows would be a conversation with the application that nobody decides about.
            return Err("it switches protocols, which nobody asked for");
        }
    } else {
        one_length(status, headers)?;
        strip_connection(headers);
    }
    strip_cookies(headers);
    Ok(())
}

/// RFC 9112 §6: a client must not read another end of the answer than we did.
fn one_length(status: StatusCode, headers: &mut HeaderMap) -> Result<(), &'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) || codings.next().is_some() {
        return Err("its `Transfer-Encoding` is not exactly `chunked`");
    }
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        return Ok(());
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    let several = lengths.next().is_some() || length.as_bytes().contains(&b',');
    if several {
        // Pingora has refused those that differ (RFC 9110 §8.6).
        let first = length.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default();
        let length = HeaderValue::from_bytes(first.trim_ascii()).map_err(|_| "its `Content-Length` is no number")?;
        headers.insert(header::CONTENT_LENGTH, length);
    }
    Ok(())
}

fn strip_connection(headers: &mut HeaderMap) {
    let kept = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let lines = headers.get_all(header::CONNECTION).iter();
    let names = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let named: Vec<HeaderName> =
        names.filter_map(|name| name.trim().parse().ok()).filter(|name| !kept.contains(name)).collect();
    for name in named.iter().chain(&ABOUT_THE_CONNECTION).chain(&OF_A_PROXY) {
        headers.remove(name);
    }
}

/// Nobody but us sets our cookies.
fn strip_cookies(headers: &mut HeaderMap) {
    let ours = |value: &HeaderValue| cookies::is_ours(value.as_bytes());
    if !headers.get_all(header::SET_COOKIE).iter().any(ours) {
        return;
    }
    let kept: Vec<HeaderValue> =
        headers.get_all(header::SET_COOKIE).iter().filter(|value| !ours(value)).cloned().collect();
    headers.remove(header::SET_COOKIE);
    for value in kept {
        headers.append(header::SET_COOKIE, value);
    }
}
