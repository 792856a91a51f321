//! Which token of the caller's own does the application get, where its route relays one?

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use portcullis_core::identify::{AuthMethod, Identity, SessionShown, session_shown};

use crate::login::Keeper;

/// `Authorization` for the application: the token that was shown, or that of the session. `headers` are still the
/// client's own, `cookie` is the name of the session's.
///
/// `None` for whoever has no token, or one that is bound to a key which the application cannot prove.
pub(crate) fn authorization(headers: &HeaderMap, identity: &Identity, cookie: &str) -> Option<HeaderValue> {
    let mut value = match identity.method {
        AuthMethod::Jwt => {
            let shown = headers.get(AUTHORIZATION)?;
            shown.as_bytes().get(..7).filter(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))?;
            shown.clone()
        }
        AuthMethod::Session => {
            let SessionShown::Id(id) = session_shown(headers, cookie) else { return None };
            let live = identity.session.as_ref().filter(|live| live.hash == id.hash())?;
            let tokens = Keeper::tokens(&id, &live.session)?;
            HeaderValue::try_from(format!("Bearer {}", tokens.access)).ok()?
        }
        AuthMethod::ApiKey | AuthMethod::Mtls | AuthMethod::None => return None,
    };
    value.set_sensitive(true);
    Some(value)
}
