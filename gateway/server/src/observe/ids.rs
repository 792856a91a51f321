//! The names of one request: decision id, request id, trace context.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::world::random;

/// Random bytes of one request: for the decision, the trace and the span.
const DRAWN: usize = 40;

/// Where the parts stand in the one text that holds them: a `traceparent`, then the decision id.
const TRACE: std::ops::Range<usize> = 3..35;
const SPAN: std::ops::Range<usize> = 36..52;
const PARENT: std::ops::Range<usize> = 0..55;
const DECISION: std::ops::Range<usize> = 55..87;

/// Made once per request from one draw of randomness.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ids {
    /// 128 random bits in hexadecimal.
    pub(crate) decision: Id,
    /// Kept from a trusted proxy, else made.
    pub(crate) request: Id,
    pub(crate) trace: TraceContext,
}

/// Visible ASCII, as it may stand in a field; cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Id(HeaderValue);

/// W3C Trace Context: the trace we continue or began, and our own span in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceContext {
    /// `traceparent` for the upstream, with our span as the parent.
    pub(crate) parent: Id,
}

impl Ids {
    /// `trusted`: the peer is a trusted proxy, whose request id and trace are continued. Anybody else's
    /// are not believed: they could collide on purpose.
    pub(crate) fn make(headers: &HeaderMap, trusted: bool) -> Self {
        let mut drawn = [0; DRAWN];
        // Ids name requests; they guard nothing. Where the system has no randomness they repeat, and the keys that
        // need it are refused elsewhere.
        let _ = random::fill_from_stock(&mut drawn);
        let (decision, rest) = drawn.split_at(16);
        let (trace, span) = rest.split_at(16);
        let kept = |name: &str| if trusted { headers.get(name).and_then(|v| v.to_str().ok()) } else { None };
        let continued = kept("traceparent").and_then(TraceContext::parse);

        let mut text = [b'-'; DECISION.end];
        put(&mut text, 0..2, b"00");
        match continued {
            Some((trace, _)) => put(&mut text, TRACE, trace.as_bytes()),
            None => put_hex(&mut text, TRACE, trace),
        }
        put_hex(&mut text, SPAN, span);
        put(&mut text, 53..55, if continued.is_none_or(|(_, sampled)| sampled) { b"01" } else { b"00" });
        put_hex(&mut text, DECISION, decision);
        let text = Bytes::from_owner(text);

        let decision = Id::of(text.slice(DECISION));
        let request = match kept("x-request-id").filter(|id| is_plain_id(id)) {
            Some(id) => Id::of(Bytes::copy_from_slice(id.as_bytes())),
            None => decision.clone(),
        };
        Self { decision, request, trace: TraceContext { parent: Id::of(text.slice(PARENT)) } }
    }
}

impl Id {
    /// Empty where `text` is no field value; what is put together here is one.
    pub(crate) fn of(text: Bytes) -> Self {
        Self(HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("")))
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn field(&self) -> HeaderValue {
        self.0.clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Id {
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl TraceContext {
    pub(crate) fn trace_id(&self) -> &str {
        self.parent.as_str().get(TRACE).unwrap_or_default()
    }

    pub(crate) fn span_id(&self) -> &str {
        self.parent.as_str().get(SPAN).unwrap_or_default()
    }

    /// The trace, and whether it is sampled.
    fn parse(text: &str) -> Option<(&str, bool)> {
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
        good.then_some((trace, sampled))
    }
}

fn is_plain_id(id: &str) -> bool {
    (8..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Writes as much of `part` as there is room for.
fn put(text: &mut [u8], at: std::ops::Range<usize>, part: &[u8]) {
    for (place, byte) in text.get_mut(at).into_iter().flatten().zip(part) {
        *place = *byte;
    }
}

fn put_hex(text: &mut [u8], at: std::ops::Range<usize>, bytes: &[u8]) {
    let places = text.get_mut(at).unwrap_or_default().as_chunks_mut::<2>().0;
    for (place, byte) in places.iter_mut().zip(bytes) {
        // Of the table's length: an index of one byte is always there.
        *place = HEX.get(usize::from(*byte)).copied().unwrap_or_default();
    }
}

/// The two digits of each byte.
static HEX: [[u8; 2]; 256] = {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    #[expect(clippy::indexing_slicing, reason = "computed when it is compiled")]
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};
