//! Which methods are there?

use http::Method;

/// The registered methods (IANA HTTP Method Registry; RFC 9110 §9, RFC 5789, `WebDAV` and its extensions, `QUERY`).
///
/// Without `CONNECT` and `TRACE`, which a gateway never forwards, and without `PRI`, which is no method of a request.
/// At most 64, since sets of them are kept in one word.
pub const REGISTERED: &[&str] = &[
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

const _: () = assert!(REGISTERED.len() <= 64);

/// Where a method stands in [`REGISTERED`]; `None` when it is not registered. Methods are case-sensitive.
pub fn position(method: &str) -> Option<usize> {
    REGISTERED.iter().position(|registered| *registered == method)
}

/// Whether requests with this method may be served at all.
pub fn is_registered(method: &Method) -> bool {
    position(method.as_str()).is_some()
}
