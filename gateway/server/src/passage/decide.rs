//! What would become of a request that another proxy holds? `/_portcullis/decide`, for subrequests.
//!
//! nginx's `auth_request`, forward-auth of Traefik and Caddy, and Envoy's `ext_authz` over HTTP ask before they forward.
//! The request they tell of takes the same way as any other, and leaves the same record. Only trusted proxies are
//! answered: whoever may ask may also speak for others.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use portcullis_core::framing::{Connection, Head, RawFacts, Stream, authority_of};
use portcullis_core::identify::Principal;
use portcullis_core::journey::{self, Answer, Permit, Turned};
use portcullis_core::moment::Now;
use portcullis_core::refusal::{Code, LimitState, Refusal};
use portcullis_core::request::{DeclaredBody, Request};
use portcullis_core::trail::Trail;

use super::Passage;
use super::outgoing::cors_fields;
use crate::control::Published;
use crate::forward::head;
use crate::observe::{Recording, Words};
use crate::respond::{About, Asks, Envelope, rate_fields};

const DECIDE: &str = "/_portcullis/decide";

/// Where a proxy says what it asks about: the fields of its target and its method.
struct Dialect {
    target: &'static str,
    method: &'static str,
    /// Where the host stands, if it is not that of the question.
    host: Option<&'static str>,
    asks: Asks,
}

/// As configured for nginx; as Traefik and Caddy send by themselves.
const DIALECTS: [Dialect; 2] = [
    Dialect { target: "x-original-url", method: "x-original-method", host: None, asks: Asks::TwoStatuses },
    Dialect {
        target: "x-forwarded-uri",
        method: "x-forwarded-method",
        host: Some(FORWARDED_HOST),
        asks: Asks::AnyStatus,
    },
];

const FORWARDED_HOST: &str = "x-forwarded-host";

/// The request that is asked about.
pub(super) struct Subrequest {
    method: Method,
    /// As its client sent it.
    target: String,
    headers: HeaderMap,
    connection: Connection,
    asks: Asks,
}

/// Whether this path is where proxies ask.
pub(super) fn is_asked(path: &str) -> bool {
    path.strip_prefix(DECIDE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Subrequest {
    /// # Errors
    /// 400 where it is not told, or told twice, what is asked about.
    pub(super) fn read(request: &Request<'_>) -> Result<Self, Refusal> {
        let spoken = DIALECTS.iter().filter(|dialect| {
            request.headers.contains_key(dialect.target) || request.headers.contains_key(dialect.method)
        });
        let spoken: Vec<&Dialect> = spoken.collect();
        let rest = request.path.as_str().strip_prefix(DECIDE).unwrap_or_default();
        let told = spoken.first().and_then(|dialect| dialect.host);
        if told.is_none() && request.headers.contains_key(FORWARDED_HOST) {
            // A client's: where it counts, the host that is asked about would be the client's choice.
            return Err(unclear("`X-Forwarded-Host` belongs to another way to ask; the proxy must take it away"));
        }
        let (method, target, asks) = match (spoken.as_slice(), rest) {
            // Caddy repeats the query behind the question.
            ([dialect], "") => (told_method(request, dialect)?, told_target(request, dialect)?, dialect.asks),
            // Envoy puts the path behind ours and keeps method and host.
            ([], rest) if !rest.is_empty() => {
                let target = request.query.map_or_else(|| rest.to_owned(), |query| format!("{rest}?{query}"));
                (request.method.clone(), target, Asks::AnyStatus)
            }
            // A client may have added the other dialect's: its proxy must take it away.
            _ => return Err(unclear("it is not said, or said in two ways, what is asked about")),
        };
        let mut headers = request.headers.clone();
        if let Some(host) = host(request, &target)? {
            headers.insert(header::HOST, host);
        } else if !headers.contains_key(header::HOST)
            && let Ok(host) = HeaderValue::try_from(request.host.to_string())
        {
            // Asked over HTTP/2, it stands in `:authority`.
            headers.insert(header::HOST, host);
        }
        for name in DIALECTS.iter().flat_map(|dialect| [dialect.target, dialect.method]).chain([FORWARDED_HOST]) {
            headers.remove(name);
        }
        join_cookies(&mut headers);
        // Of the body nothing is known here.
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        headers.remove(header::EXPECT);
        let connection = Connection { peer: request.peer, scheme: request.scheme };
        Ok(Self { method, target, headers, connection, asks })
    }

    /// For the answer.
    pub(super) fn about(&self) -> About {
        let target = authority_of(&self.target).map_or(self.target.as_str(), |authority| {
            self.target.split_once(authority).map_or("/", |(_, rest)| if rest.is_empty() { "/" } else { rest })
        });
        About { method: self.method.clone(), target: target.to_owned(), asks: self.asks }
    }

    /// As the journey sees it.
    pub(super) fn request(&self, published: &Published) -> Result<Request<'_>, Refusal> {
        let head = Head {
            method: &self.method,
            target: self.target.as_bytes(),
            authority: None,
            scheme: None,
            version: Version::HTTP_11,
            headers: &self.headers,
            raw: RawFacts::default(),
            stream: Stream::Ended,
        };
        let mut request = published.snapshot.framing.check(&head, &self.connection)?;
        // There may be one, which its own proxy holds. The certificate of the connection is that proxy's.
        request.body = if self.method.is_safe() { DeclaredBody::Absent } else { DeclaredBody::Unknown };
        Ok(request)
    }
}

/// A proxy that asks over HTTP/2 may have split the client's line (RFC 9113 §8.2.3); what is asked about is judged as
/// HTTP/1, where there is one.
fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1
        && let Ok(joined) = HeaderValue::try_from(lines.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, joined);
    }
}

fn told_method(request: &Request<'_>, dialect: &Dialect) -> Result<Method, Refusal> {
    let method = request.single(dialect.method).and_then(|text| text.parse().ok());
    method.ok_or_else(|| unclear("the proxy does not say the method: see docs/forward-auth.md"))
}

fn told_target(request: &Request<'_>, dialect: &Dialect) -> Result<String, Refusal> {
    let target = request.single(dialect.target).map(str::to_owned);
    target.ok_or_else(|| unclear("the proxy does not say the target: see docs/forward-auth.md"))
}

/// The host that was asked for, where it is not that of the subrequest itself.
fn host(request: &Request<'_>, target: &str) -> Result<Option<HeaderValue>, Refusal> {
    if let Some(authority) = authority_of(target) {
        return HeaderValue::try_from(authority).map(Some).map_err(|_| unclear("the target names no host"));
    }
    let mut lines = request.headers.get_all(FORWARDED_HOST).iter();
    match (lines.next(), lines.next()) {
        (host, None) => Ok(host.cloned()),
        (_, Some(_)) => Err(unclear("`X-Forwarded-Host` is there twice")),
    }
}

fn unclear(what: &'static str) -> Refusal {
    Refusal::new(Code::MalformedRequest).because(what).detail(what)
}

impl Passage {
    /// Answers a proxy that asks; 404 for whoever is none of ours.
    pub(super) async fn consult(
        &self,
        request: &Request<'_>,
        trusted: bool,
        published: &Published,
        now: Now,
        (recording, envelope): (&mut Recording, &mut Envelope),
    ) -> Turned {
        if !trusted {
            return Refusal::new(Code::RouteNotFound).into();
        }
        let subrequest = match Subrequest::read(request) {
            Ok(subrequest) => subrequest,
            Err(refusal) => return refusal.into(),
        };
        envelope.about = Some(subrequest.about());
        let request = match subrequest.request(published) {
            Ok(request) => request,
            Err(refusal) => return refusal.into(),
        };
        // The record is about what is asked about.
        let agent = recording.head.words.user_agent();
        recording.head.words = Words::of(request.method.as_str(), request.path.as_str(), &request.host, agent);
        let turned = self.decide(&request, published, now, &mut recording.trail).await;
        envelope.cors = cors_fields(&recording.trail, &published.snapshot, &request);
        turned
    }

    /// How the request that is asked about would end, said as an answer.
    async fn decide(&self, request: &Request<'_>, published: &Published, now: Now, trail: &mut Trail) -> Turned {
        let world = &self.shared.world;
        let granted = match journey::decide(request, &published.snapshot, world, now, trail).await {
            Ok(granted) => granted,
            // Our answer to a preflight would tell the proxy to forward it.
            Err(Turned::Answered(_)) => {
                let refusal = Refusal::new(Code::CorsOriginDenied)
                    .because("a preflight was asked about: the proxy in front has to answer those itself");
                trail.refusal = Some(refusal.clone());
                return refusal.into();
            }
            Err(refused) => return refused,
        };
        match granted.admit_elsewhere(&*world.clock, trail) {
            Ok(permit) => {
                let about = (request, &*trail.limits);
                self.tell(&permit, about, published, now).map_or_else(Turned::Refused, Turned::Answered)
            }
            Err(refused) => refused,
        }
    }

    /// What the proxy is to hand to the application.
    fn tell(
        &self,
        permit: &Permit,
        (request, limits): (&Request<'_>, &[LimitState]),
        published: &Published,
        now: Now,
    ) -> Result<Answer, Refusal> {
        let upstream = published.peers.upstreams.get(permit.rules().upstream);
        let upstream = upstream.ok_or_else(|| Refusal::new(Code::InternalError).because("no such upstream"))?;
        let mut fields: Vec<(HeaderName, HeaderValue)> = rate_fields(limits).collect();
        let identity = permit.identity();
        if permit.forwards_identity() && identity.principal != Principal::Anonymous {
            upstream.names.write(identity, |name, value| fields.push((name, value)));
            // Whoever asks from afar needs the proof, whatever the upstream is told.
            let statement = self.shared.assertions.about(identity, &upstream.name, now.wall);
            let unsigned = || Refusal::new(Code::InternalError).because("the assertion could not be signed");
            fields.push((upstream.names.assertion.clone(), statement.ok_or_else(unsigned)?));
        }
        // Every name is there, empty where there is nothing to tell: proxies write it over what a client sent.
        for name in upstream.names.all() {
            if !fields.iter().any(|(known, _)| known == name) {
                fields.push((name.clone(), HeaderValue::from_static("")));
            }
        }
        // In the place of the client's, so that a session never reaches the application.
        fields.push((header::COOKIE, head::others_cookies(request.headers)));
        Ok(Answer { status: StatusCode::OK, fields, body: bytes::Bytes::new() })
    }
}
