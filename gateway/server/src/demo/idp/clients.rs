//! Who may ask for tokens?

use std::fmt;

use openidconnect::url::Url;

/// An application that is registered with the provider.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// `None`: a public client, which proves nothing but that it began what it ends (PKCE).
    pub secret: Option<Secret>,
    /// Where codes may go, compared character by character.
    pub redirect_uris: Vec<Uri>,
    /// Where a browser may go after logout, compared character by character.
    pub post_logout_uris: Vec<Uri>,
    /// Where it wants to be told of logouts.
    pub backchannel_logout_uri: Option<Uri>,
}

impl Client {
    pub fn new(id: &str, secret: Option<&str>) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.map(|secret| Secret(secret.to_owned())),
            redirect_uris: Vec::new(),
            post_logout_uris: Vec::new(),
            backchannel_logout_uri: None,
        }
    }

    pub(super) fn may_return_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|known| known.0 == uri)
    }

    pub(super) fn may_leave_to(&self, uri: &str) -> bool {
        self.post_logout_uris.iter().any(|known| known.0 == uri)
    }

    pub(super) fn proves(&self, shown: Option<&str>) -> bool {
        match (&self.secret, shown) {
            (Some(secret), Some(shown)) => {
                aws_lc_rs::constant_time::verify_slices_are_equal(secret.0.as_bytes(), shown.as_bytes()).is_ok()
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

/// `Debug` prints nothing of it.
#[derive(Clone)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An absolute URL without a fragment, kept as it was written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Uri(String);

impl Uri {
    /// `None` where the text is no such URL.
    pub fn new(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let web = url.scheme() == "https" || url.scheme() == "http";
        (web && url.fragment().is_none() && url.host().is_some()).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
