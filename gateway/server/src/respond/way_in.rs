//! Where does whoever was refused for want of a session get one?

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_core::identify::returns_to_us;
use portcullis_core::refusal::LoginOffer;

/// What may stand in a query as it is (RFC 3986 §2.3).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a session is got: with the way back, and what the route demands.
pub(super) fn address(base: &str, back_to: Option<&str>, offer: &LoginOffer) -> String {
    let providers = offer.providers.join(",");
    let age = offer.max_age.map(|age| age.as_secs().to_string());
    let mut pairs = Vec::new();
    let given = [
        ("provider", Some(providers.as_str()).filter(|providers| !providers.is_empty())),
        ("rd", back_to.filter(|target| returns_to_us(target))),
        ("acr_values", offer.acr_values.as_deref()),
        ("max_age", age.as_deref()),
    ];
    pairs.extend(given.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let query = query(&pairs);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{base}/_portcullis/login{mark}{query}")
}

/// Pairs as a query.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, QUERY));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    #[test]
    fn writes_what_it_is_given_as_a_query() {
        assert_eq!(super::query(&[("rd", "/a?b=c&d"), ("e", "f g")]), "rd=%2Fa%3Fb%3Dc%26d&e=f%20g");
    }
}
