//! Which of our own pages is asked for, and by whom? The way from a request to an answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use portcullis_core::identify::{SessionId, SessionShown, session_shown};
use portcullis_core::mode::Mode;
use portcullis_core::refusal::{Code, LoginFailure, Refusal};
use portcullis_core::request::Request;
use portcullis_core::snapshot::Snapshot;

use super::{Fault, Login};
use crate::respond::Reply;

/// Pages of logins.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    BackchannelLogout,
    /// With the alias that the path names.
    Callback(String),
    Login,
    Logout,
}

/// One request for one of them.
pub(crate) struct Visit {
    pub(super) place: Place,
    pub(super) method: Method,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) client: std::net::IpAddr,
    pub(super) snapshot: Arc<Snapshot>,
}

/// Parameters that are read; further ones are not.
const MOST_PARAMETERS: usize = 32;

impl Place {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.strip_prefix("/_portcullis/")? {
            "backchannel-logout" => Some(Self::BackchannelLogout),
            "login" => Some(Self::Login),
            "logout" => Some(Self::Logout),
            other => other.strip_prefix("callback/").map(|alias| Self::Callback(alias.to_owned())),
        }
    }

    const fn methods(&self) -> &'static [Method] {
        match self {
            Self::BackchannelLogout => &[Method::POST],
            Self::Callback(_) | Self::Login => &[Method::GET],
            Self::Logout => &[Method::GET, Method::POST],
        }
    }
}

impl Visit {
    /// The largest form that is read, in bytes.
    pub(crate) const LARGEST_FORM: u64 = 64 * 1024;

    pub(crate) fn of(place: Place, request: &Request<'_>, snapshot: &Arc<Snapshot>) -> Self {
        Self {
            place,
            method: request.method.clone(),
            query: parameters(request.query.unwrap_or_default()),
            headers: request.headers.clone(),
            client: request.client,
            snapshot: Arc::clone(snapshot),
        }
    }

    pub(crate) fn has_form(&self) -> bool {
        self.method == Method::POST
    }

    /// The one value of a parameter; `None` where it is absent or repeated.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        one(&self.query, name)
    }

    /// The session cookie that was shown, good or not.
    pub(super) fn session_id(&self) -> Option<SessionId> {
        match session_shown(&self.headers, &self.snapshot.sessions().cookie) {
            SessionShown::Id(id) => Some(id),
            SessionShown::Absent | SessionShown::Garbled => None,
        }
    }
}

impl Login {
    /// Answers a visit.
    ///
    /// # Errors
    /// Where there is nothing, or a login came to nothing.
    pub(crate) async fn answer(&self, visit: &Visit, form: Bytes) -> Result<Reply, Refusal> {
        if visit.snapshot.providers().is_empty() {
            return Err(Code::RouteNotFound.into());
        }
        if !visit.place.methods().contains(&visit.method) {
            return Err(Refusal::new(Code::MethodNotAllowed).allow(visit.place.methods().to_vec()));
        }
        let answered = match &visit.place {
            Place::BackchannelLogout => Ok(self.backchannel(visit, &form).await),
            Place::Callback(alias) => {
                self.may_log_in(visit)?;
                let answered = self.callback(visit, alias).await;
                self.note(visit, &answered);
                answered
            }
            Place::Login => self.login(visit).await,
            Place::Logout => return self.logout(visit).await,
        };
        answered.map_err(|(failure, why): Fault| failure.refusal(why))
    }
}

impl Login {
    /// Whether logins from there have failed too often: each costs a question to a provider.
    fn may_log_in(&self, visit: &Visit) -> Result<(), Refusal> {
        let guard = &visit.snapshot.own().guard;
        match (guard.may_log_in(visit.client, &self.failures, self.now()), guard.mode) {
            (Err(over), Mode::Enforce) => {
                let mut refusal = LoginFailure::TooManyFailures.refusal(over.reason);
                let extra = refusal.extra_mut();
                if let Some(of_guard) = over.extra {
                    (extra.retry_after, extra.limits) = (of_guard.retry_after, of_guard.limits.clone());
                }
                Err(refusal)
            }
            (Ok(()) | Err(_), _) => Ok(()),
        }
    }

    fn note(&self, visit: &Visit, answered: &Result<Reply, Fault>) {
        let guard = &visit.snapshot.own().guard;
        if answered.as_ref().is_err_and(|(failure, _)| failure.is_guess()) && guard.mode != Mode::Off {
            guard.login_failed(visit.client, &self.failures, self.now());
        }
    }
}

/// The pairs of a query or form (`application/x-www-form-urlencoded`). What is not UTF-8 is left out.
pub(super) fn parameters(text: &str) -> Vec<(String, String)> {
    let decoded = |part: &str| {
        let plain = part.replace('+', " ");
        percent_decode_str(&plain).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).take(MOST_PARAMETERS);
    pairs
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// The one value; `None` where it is absent or repeated (RFC 6749 §3.1).
pub(super) fn one<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let mut values = pairs.iter().filter(|(at, _)| at == name).map(|(_, value)| value.as_str());
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Sends the browser on.
pub(super) fn redirect(status: StatusCode, to: &str) -> Result<Reply, Fault> {
    let location = HeaderValue::try_from(to);
    let location =
        location.map_err(|_| (LoginFailure::ProviderUnreachable, "an address cannot be written".to_owned()))?;
    Ok(Reply::empty(status).with(header::LOCATION, location))
}

/// `Set-Cookie` for one of ours. `age` in seconds; 0 takes it away.
pub(super) fn cookie(name: &str, value: &str, age: u64) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax");
    // INVARIANT: names are configured within ASCII, values are base64url.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

/// What somebody between us and the browser has made of a [`cookie`] of ours, if anything.
pub(super) fn spoilt(line: &str) -> Option<String> {
    let attributes: Vec<String> = line.split(';').skip(1).map(|part| part.trim().to_ascii_lowercase()).collect();
    let mut ours = ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"].into_iter();
    if let Some(lost) = ours.find(|own| !attributes.contains(&own.to_ascii_lowercase())) {
        return Some(format!(
            "`{lost}` of the gateway's cookies gets lost, without which browsers do not keep them well"
        ));
    }
    let domain = attributes.iter().any(|part| part.starts_with("domain"));
    domain.then(|| "the gateway's cookies get a `Domain`, with which browsers do not keep them".to_owned())
}

/// `Set-Cookie` that takes the cookie of a session away.
pub(crate) fn clear_session(snapshot: &Snapshot) -> HeaderValue {
    cookie(&snapshot.sessions().cookie, "", 0)
}

#[cfg(test)]
mod tests {
    use super::{Place, cookie, one, parameters, spoilt};

    #[test]
    fn reads_a_query_as_forms_are_written() {
        let read = parameters("code=a%2Bb+c&state=x&state=y&empty=&%FF=z&flag");
        assert_eq!(one(&read, "code"), Some("a+b c"));
        assert_eq!(one(&read, "state"), None, "repeated");
        assert_eq!((one(&read, "empty"), one(&read, "flag"), one(&read, "none")), (Some(""), Some(""), None));
    }

    #[test]
    fn knows_what_became_of_its_cookies() {
        let line = cookie("__Host-portcullis-flow-0a", "v", 600).to_str().unwrap().to_owned();
        assert_eq!(spoilt(&line), None);
        assert_eq!(spoilt(&line.to_ascii_lowercase().replace("; ", ";")), None);
        for (bent, told) in [
            (line.replace("Path=/", "Path=/app"), "`Path=/`"),
            (line.replace("; Secure", ""), "`Secure`"),
            (line.replace("; HttpOnly", ""), "`HttpOnly`"),
            (line.replace("SameSite=Lax", "SameSite=None"), "`SameSite=Lax`"),
            (format!("{line}; Domain=example.com"), "`Domain`"),
        ] {
            assert!(spoilt(&bent).is_some_and(|said| said.contains(told)), "{bent}");
        }
    }

    #[test]
    fn knows_its_places() {
        assert_eq!(Place::of("/_portcullis/callback/demo"), Some(Place::Callback("demo".into())));
        for nothing in
            ["/_portcullis/", "/_portcullis/loginx", "/_portcullis/callback", "/login", "/_portcullis/jwks.json"]
        {
            assert_eq!(Place::of(nothing), None, "{nothing}");
        }
    }
}
