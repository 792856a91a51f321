//! Under which names does the application learn who is calling?

#[cfg(test)]
mod tests;

use http::{HeaderName, HeaderValue};

use portcullis_core::config::IdentityHeaders;
use portcullis_core::identify::{Identity, Principal};

/// The header names of one upstream. `None`: not sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct IdentityNames {
    pub(crate) user: Option<HeaderName>,
    pub(crate) email: Option<HeaderName>,
    pub(crate) groups: Option<HeaderName>,
    pub(crate) auth: Option<HeaderName>,
    pub(crate) assertion: HeaderName,
}

impl IdentityNames {
    /// The names an operator chose; they were checked when the configuration was read.
    pub(crate) fn of(config: &IdentityHeaders) -> Self {
        let name = |name: &Option<String>| name.as_ref().and_then(|name| name.parse().ok());
        Self {
            user: name(&config.user),
            email: name(&config.email),
            groups: name(&config.groups),
            auth: name(&config.auth),
            assertion: HeaderName::from_static("x-portcullis-assertion"),
        }
    }

    /// All names, to be removed from whatever a client sends.
    pub(crate) fn all(&self) -> impl Iterator<Item = &HeaderName> {
        // An application that believes Authelia's names believes this one too, which we never send.
        static REMOTE_NAME: HeaderName = HeaderName::from_static("remote-name");
        [&self.user, &self.email, &self.groups, &self.auth].into_iter().flatten().chain([&self.assertion, &REMOTE_NAME])
    }

    /// Adds what is known; nothing for a caller who is nobody in particular.
    pub(crate) fn write(&self, identity: &Identity, mut into: impl FnMut(HeaderName, HeaderValue)) {
        if identity.principal == Principal::Anonymous {
            return;
        }
        let mut put = |name: &Option<HeaderName>, value: &str| {
            if let (Some(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                into(name.clone(), value);
            }
        };
        put(&self.user, &ascii(identity.principal.subject()));
        if let Some(email) = &identity.email {
            put(&self.email, &ascii(email));
        }
        if !identity.groups.is_empty() {
            put(&self.groups, &string_list(identity.groups.iter().map(|group| local_name(group))));
        }
        put(&self.auth, identity.method.name());
    }
}

/// The group as its issuer names it.
pub(crate) fn local_name(group: &str) -> &str {
    group.split_once('|').map_or(group, |(_, name)| name)
}

/// A field value holds visible ASCII only; the rest is percent-encoded, and so is the sign itself. Spaces at either end are
/// too: they are no part of a field (RFC 9110 §5.5), and who differs in them alone is somebody else.
fn ascii(text: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const UNSAFE: &AsciiSet = &CONTROLS.add(b'%');
    let inner = text.trim_matches(' ');
    let at = text.len() - text.trim_start_matches(' ').len();
    let after = text.len() - at - inner.len();
    format!("{}{}{}", "%20".repeat(at), utf8_percent_encode(inner, UNSAFE), "%20".repeat(after))
}

/// A list of strings as a structured field (RFC 9651 §3.1, §3.3.3).
fn string_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut list = String::new();
    for item in items {
        if !list.is_empty() {
            list.push_str(", ");
        }
        list.push('"');
        for c in ascii(item).chars() {
            if c == '"' || c == '\\' {
                list.push('\\');
            }
            list.push(c);
        }
        list.push('"');
    }
    list
}
