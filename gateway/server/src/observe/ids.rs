//! The names of one request: decision id, request id, trace context.

#[cfg(test)]
mod tests;

use http::HeaderMap;

use crate::world::random;

/// Made once per request from one draw of randomness.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    /// 128 random bits in hexadecimal.
    pub(crate) decision: String,
    /// Kept from a trusted proxy, else made.
    pub(crate) request: String,
    pub(crate) trace: TraceContext,
}

/// W3C Trace Context: the trace we continue or began, and our own span in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceContext {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) sampled: bool,
}

impl Ids {
    /// `trusted`: the peer is a trusted proxy, whose request id and trace are continued. Anybody else's
    /// are not believed: they could collide on purpose.
    pub(crate) fn make(headers: &HeaderMap, trusted: bool) -> Self {
        let mut drawn = [0u8; 40];
        // Ids name requests; they guard nothing. Where the system has no randomness they repeat, and the keys that
        // need it are refused elsewhere.
        let _ = random::fill(&mut drawn);
        let (decision, rest) = drawn.split_at(16);
        let (trace, span) = rest.split_at(16);
        let decision = hex(decision);
        let kept = |name: &str| if trusted { headers.get(name).and_then(|v| v.to_str().ok()) } else { None };
        let request = match kept("x-request-id").filter(|id| is_plain_id(id)) {
            Some(id) => id.to_owned(),
            None => decision.clone(),
        };
        let continued = kept("traceparent").and_then(TraceContext::parse);
        let (trace_id, sampled) = continued.unwrap_or_else(|| (hex(trace), true));
        Self { decision, request, trace: TraceContext { trace_id, span_id: hex(span), sampled } }
    }
}

impl TraceContext {
    /// `traceparent` for the upstream, with our span as the parent.
    pub(crate) fn header(&self) -> String {
        format!("00-{}-{}-{}", self.trace_id, self.span_id, if self.sampled { "01" } else { "00" })
    }

    fn parse(text: &str) -> Option<(String, bool)> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let nonzero = |s: &str| s.bytes().any(|b| b != b'0');
        let known = lower_hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        let good = known
            && lower_hex(flags, 2)
            && lower_hex(trace, 32)
            && nonzero(trace)
            && lower_hex(span, 16)
            && nonzero(span);
        let sampled = u8::from_str_radix(flags, 16).is_ok_and(|f| f & 1 == 1);
        good.then(|| (trace.to_owned(), sampled))
    }
}

fn is_plain_id(id: &str) -> bool {
    (8..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let text: Vec<u8> = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    // Digits are ASCII.
    String::from_utf8(text).unwrap_or_default()
}
