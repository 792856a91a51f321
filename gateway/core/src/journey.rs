//! In which order? `decide` and `admit` are the map of the gateway.
//!
//! A request travels; each stage either learns one fact or refuses; whoever holds a [`Permit`] may forward.
//!
//! ```compile_fail
//! // A permit cannot be made elsewhere.
//! let permit = portcullis_core::journey::Permit { granted: todo!() };
//! ```

mod answers;
mod ask;
mod own;
mod walk;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::cors::{self, Preflight};
use crate::gather::Known;
use crate::identify::{Caller, Identity};
use crate::mode::Mode;
use crate::moment::Now;
use crate::ports::{Clock, World};
use crate::refusal::{Code, Refusal};
use crate::request::Request;
use crate::route::Params;
use crate::snapshot::{Rules, Snapshot};
use crate::trail::{Stage, Trail};
use crate::validate::{BodyPlan, Judged};
pub use own::{approach, whoever};
use walk::Walk;

/// How a request ends that does not go on to the application.
#[derive(Debug)]
pub enum Turned {
    /// The gateway has the answer itself: a preflight, a redirect, one of its own endpoints.
    Answered(Answer),
    Refused(Refusal),
}

impl From<Refusal> for Turned {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// An answer of the gateway's own.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub fields: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// Everything that needs no body has been decided, and nothing refused.
#[derive(Debug)]
pub struct Granted {
    /// Of the snapshot that was in force when the request began.
    rules: Arc<Rules>,
    params: Params,
    identity: Arc<Identity>,
    consumed: &'static [HeaderName],
    ended_session: bool,
    body: BodyPlan,
    asked: Asked,
    /// What was learnt of the resource; `None`: nothing was to be asked.
    known: Result<Option<Known>, Refusal>,
}

/// Whether the policies have been asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    Already,
    /// Never: a preflight that the application answers, without an identity.
    Preflight,
    /// They speak about the body, so they are asked when it is there.
    WithBody,
}

/// The right to forward one request. Made only by [`Granted::admit`] and [`Granted::admit_unread`].
#[derive(Debug)]
pub struct Permit {
    granted: Granted,
    plain: Option<Bytes>,
}

/// Decides everything that needs no body.
pub async fn decide(
    request: &Request<'_>,
    snapshot: &Snapshot,
    world: &World,
    now: Now,
    trail: &mut Trail,
) -> Result<Granted, Turned> {
    let mut walk = Walk::new(trail, &*world.clock);

    let preflight = cors::requested_method(request);
    let method = preflight.as_ref().unwrap_or(request.method);
    let found = walk.brief(true).must(Stage::Route, snapshot.table.find(&request.host, method, request.path))?;
    let rules = Arc::clone(snapshot.rules(found.route)?);
    walk.trail.route = Some(Arc::clone(&rules.name));

    if walk.bites(Stage::Guard, rules.modes.guard) {
        let admitted = rules.guard.admit(request, &*world.local, now);
        walk.brief(true).judge(Stage::Guard, rules.modes.guard, admitted)?;
    }

    if let Some(method) = preflight {
        return match rules.cors.preflight(request, &method) {
            Preflight::Answered(fields) => {
                Err(Turned::Answered(Answer { status: StatusCode::NO_CONTENT, fields, body: Bytes::new() }))
            }
            Preflight::Forwarded => Ok(Granted::preflight(&rules, found.params)),
            Preflight::Refused(refusal) => Err(walk.refuse(Stage::Guard, refusal)),
        };
    }

    let identified = rules.identify.caller(request, world.sources(), now).await;
    let identified = identified
        .map_err(|refusal| own::counted(&mut walk, (&rules.guard, rules.modes.guard), (request, world, now), refusal));
    let admitted = identified.and_then(|Caller { identity, ended_session }| {
        identity.admit(request.client, &rules.name).map(|identity| Caller { identity, ended_session })
    });
    let Caller { identity, ended_session } = walk.brief(rules.public).must(Stage::Identify, admitted)?;
    walk.trail.identity = Some(Arc::clone(&identity));

    if walk.bites(Stage::Limit, rules.modes.limit) {
        let free = rules.limit.is_empty() && identity.bounds.is_none();
        let charged = rules.limit.charge(request, &identity, world.desks(rules.replicas), now).await;
        walk.trail.limits = walk.brief(free).judge(Stage::Limit, rules.modes.limit, charged)?.unwrap_or_default();
    }

    if walk.bites(Stage::Parameters, rules.modes.validate) {
        let checked = rules.validate.parameters(request, found.params.as_slice());
        walk.brief(!rules.validate.wants_parameters()).judge(Stage::Parameters, rules.modes.validate, checked)?;
    }

    let consumed = rules.identify.consumed_headers(request.headers);
    let mut granted = Granted {
        rules: Arc::clone(&rules),
        params: found.params,
        identity,
        consumed,
        ended_session,
        body: BodyPlan::Stream(rules.max_body()),
        asked: if rules.authorize_body { Asked::WithBody } else { Asked::Already },
        known: Ok(None),
    };
    if rules.modes.authorize != Mode::Off && rules.gather.asks() {
        granted.known = rules.gather.learn(&granted.params(), &*world.things).await;
    }
    if granted.asked == Asked::Already {
        granted.ask(&mut walk, request, None, now)?;
    }
    if walk.bites(Stage::Body, rules.modes.validate) {
        let planned = rules.validate.before_body(request);
        granted.body = walk.brief(true).judge(Stage::Body, rules.modes.validate, planned)?.unwrap_or(granted.body);
    }
    if granted.asked == Asked::WithBody {
        match granted.body {
            BodyPlan::Hold(_) => {}
            // Judged or not, the policies want to see it.
            BodyPlan::Stream(most) => granted.body = BodyPlan::Hold(most),
            BodyPlan::Nothing => {
                granted.ask(&mut walk, request, None, now)?;
                granted.asked = Asked::Already;
            }
        }
    }
    Ok(granted)
}

impl Granted {
    fn preflight(rules: &Arc<Rules>, params: Params) -> Self {
        Self {
            rules: Arc::clone(rules),
            params,
            identity: Arc::new(Identity::anonymous()),
            consumed: &[],
            ended_session: false,
            body: BodyPlan::Stream(rules.max_body()),
            asked: Asked::Preflight,
            known: Ok(None),
        }
    }

    /// There is a body that the policies cannot see, because validation let pass what does not fit the schema. Asked
    /// without it, a `forbid` that speaks of the body would stay silent.
    fn unreadable(&self, walk: &mut Walk<'_>) -> Result<(), Turned> {
        let mode = self.rules().modes.authorize;
        if walk.bites(Stage::Authorize, mode) {
            let refusal = Refusal::new(Code::PolicyError)
                .because("the policies speak about the body, which does not fit its schema and was let pass");
            walk.judge::<()>(Stage::Authorize, mode, Err(refusal))?;
        }
        Ok(())
    }

    /// The rules of the route that matched.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What is to be done with the body before the permit.
    pub fn body(&self) -> BodyPlan {
        self.body
    }

    /// Whether [`Self::admit`] needs the request again, to ask the policies.
    pub fn asks_with_body(&self) -> bool {
        self.asked == Asked::WithBody
    }

    /// The permit where no body is judged.
    pub fn admit_unread(self, trail: &mut Trail) -> Result<Permit, Turned> {
        let held = match self.body {
            BodyPlan::Hold(_) => true,
            BodyPlan::Nothing | BodyPlan::Stream(_) => self.asked == Asked::WithBody,
        };
        if held {
            let refusal = Refusal::new(Code::InternalError).because("the body was to be judged and was not read");
            trail.refusal = Some(refusal.clone());
            return Err(refusal.into());
        }
        Ok(Permit { granted: self, plain: None })
    }

    /// The permit where another proxy forwards and keeps the body to itself, so that nobody here can judge it.
    ///
    /// # Errors
    /// 403 `body_unavailable` where the route judges bodies, whatever this request says of its own.
    pub fn admit_elsewhere(self, clock: &dyn Clock, trail: &mut Trail) -> Result<Permit, Turned> {
        let rules = self.rules();
        let judges = match rules.modes.validate {
            Mode::Enforce | Mode::Shadow => rules.validate.wants_body(),
            Mode::Off => false,
        };
        if judges || self.asked == Asked::WithBody {
            return Err(Walk::new(trail, clock).refuse(Stage::Body, Code::BodyUnavailable.into()));
        }
        Ok(Permit { granted: self, plain: None })
    }

    /// Judges the whole body: against the schema, then, where the policies speak about it, by them.
    pub fn admit(
        self,
        body: &Bytes,
        (method, headers): (&Method, &HeaderMap),
        request: Option<&Request<'_>>,
        (clock, now): (&dyn Clock, Now),
        trail: &mut Trail,
    ) -> Result<Permit, Turned> {
        let mut walk = Walk::new(trail, clock);
        let rules = self.rules();
        let checked = rules.validate.body(method, headers, body);
        let judged = match rules.modes.validate {
            Mode::Enforce | Mode::Shadow => walk.judge(Stage::Body, rules.modes.validate, checked)?.unwrap_or_default(),
            // It was read for the policies alone.
            Mode::Off => checked.unwrap_or_default(),
        };
        let Judged { value, plain } = judged;
        if self.asked == Asked::WithBody {
            let Some(request) = request else {
                let refusal = Refusal::new(Code::InternalError).because("no request to ask the policies about");
                return Err(walk.refuse(Stage::Authorize, refusal));
            };
            if value.is_none() && !body.is_empty() {
                self.unreadable(&mut walk)?;
            } else {
                self.ask(&mut walk, request, value.as_ref(), now)?;
            }
        }
        Ok(Permit { granted: self, plain })
    }
}

impl Permit {
    /// The rules of the route that matched, of the snapshot that decided.
    pub fn rules(&self) -> &Rules {
        self.granted.rules()
    }

    pub fn identity(&self) -> &Arc<Identity> {
        &self.granted.identity
    }

    /// The body to forward in the place of the one that came: what was judged, without its content coding.
    pub fn plain(&self) -> Option<&Bytes> {
        self.plain.as_ref()
    }

    /// The fields that carried the credential, which end here.
    pub fn consumed(&self) -> &'static [HeaderName] {
        self.granted.consumed
    }

    /// Whether the cookie of a session that is no more was shown.
    pub fn ended_session(&self) -> bool {
        self.granted.ended_session
    }

    /// Whether the application learns who is calling.
    pub fn forwards_identity(&self) -> bool {
        self.granted.asked != Asked::Preflight && !self.rules().public
    }
}
