//! The plain listener that does nothing but send people to HTTPS.

use async_trait::async_trait;
use http::{HeaderValue, StatusCode, header};
use pingora::proxy::{ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use portcullis_core::refusal::{Code, Refusal};

use crate::accept::Guard;
use crate::respond::{self, Envelope, Reply};

/// Answers every request with 308 to the same target at `base`.
pub(crate) struct Redirect {
    base: String,
}

impl Redirect {
    /// `base`: an https origin without a path.
    pub(crate) fn to(base: &str) -> Self {
        Self { base: base.to_owned() }
    }
}

#[async_trait]
impl ProxyHttp for Redirect {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn request_filter(&self, session: &mut Session, (): &mut ()) -> Result<bool> {
        session.set_keepalive(None);
        if Guard::of(session.stream()).is_some_and(Guard::stands_in) {
            let refused = Refusal::new(Code::MalformedRequest);
            return respond::refuse(session, &refused, &Envelope::default()).await.map(|()| true);
        }
        let target = session.req_header().uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let target = if target.starts_with('/') { target } else { "/" };
        let reply = match HeaderValue::try_from(format!("{}{target}", self.base)) {
            Ok(location) => Reply::empty(StatusCode::PERMANENT_REDIRECT).with(header::LOCATION, location),
            Err(_) => Reply::empty(StatusCode::BAD_REQUEST),
        };
        respond::send(session, reply, &Envelope::default()).await?;
        Ok(true)
    }

    async fn upstream_peer(&self, _: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Error::e_explain(ErrorType::InternalError, "nothing is forwarded from here")
    }
}
