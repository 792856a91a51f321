//! How does a request come to its permit? Through every stage, and its body after its head.
//!
//! What few requests need is boxed, so that the state of all others is small.

use std::sync::Arc;
use std::time::Duration;

use pingora::Result;
use pingora::proxy::Session;
use portcullis_core::framing::Stream;
use portcullis_core::journey::{self, Granted, Turned};
use portcullis_core::moment::Now;
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::trail::{End, Stage};
use portcullis_core::validate::BodyPlan;

use super::{Ctx, Passage, body, decide, failure, me, outgoing, reserved, straight};
use crate::accept::{self, Arrival, Guard};
use crate::forward::Upstream;
use crate::login::{Place, Visit, clear_session};
use crate::observe::{Ids, Recording};
use crate::respond::{self, Envelope};

impl Passage {
    /// The whole way to a permit.
    pub(super) async fn travel(&self, session: &mut Session, ctx: &mut Ctx) -> std::result::Result<(), Turned> {
        let now = self.now();
        let published = self.shared.current();
        ctx.published = Some(Arc::clone(&published));
        let snapshot = &published.snapshot;
        let facts = outgoing::Facts::of(session, snapshot);
        let ids = Ids::make(&session.req_header().headers, facts.trusted);
        ctx.envelope = Envelope {
            decision: ids.decision.clone(),
            request_id: ids.request.clone(),
            cors: Vec::new(),
            clear_session: None,
            base: Arc::clone(snapshot.public_url()),
            about: None,
        };
        let streams = Arc::clone(&self.shared.streams);
        let clock = Arc::clone(&self.shared.world.clock);
        let recording = Recording::begin(streams, ids, (clock, now), Arc::clone(&snapshot.version));
        let recording = ctx.recording.insert(recording);
        let clock = &*self.shared.world.clock;

        let ends = accept::ends(session);
        let arrival = Guard::of(session.stream()).map_or(Arrival::InTime, Guard::arrival);
        let onward = {
            let request = match arrival {
                Arrival::InTime => accept::request(session, ends, snapshot, &published.tls),
                Arrival::Late => Err(failure::late()),
            };
            recording.head = outgoing::head_facts(session, request.as_ref().ok(), &facts);
            let request = match request {
                Ok(request) => request,
                Err(refusal) => {
                    recording.trail.step(Stage::Accept, End::Refused(refusal.code), clock.steady());
                    recording.trail.refusal = Some(refusal.clone());
                    return Err(Turned::Refused(refusal));
                }
            };
            recording.trail.brief(Stage::Accept, End::Passed);
            if decide::is_asked(request.path.as_str()) {
                let told = (&mut *recording, &mut ctx.envelope);
                return Err(Box::pin(self.consult(&request, facts.trusted, &published, now, told)).await);
            }
            if me::is_asked(request.path.as_str()) {
                ctx.envelope.cors = snapshot.own().cors_fields(&request);
                return Err(Box::pin(self.whoever(&request, snapshot, now, &mut recording.trail)).await);
            }
            if let Some(reply) = reserved::answer(&request, &published, &self.shared) {
                return Err(reply);
            }
            if let Some(place) = Place::of(request.path.as_str()) {
                journey::approach(&request, snapshot, &self.shared.world, now, &mut recording.trail)?;
                Err(Visit::of(place, &request, snapshot))
            } else {
                let granted = journey::decide(&request, snapshot, &self.shared.world, now, &mut recording.trail).await;
                ctx.envelope.cors = outgoing::cors_fields(&recording.trail, snapshot, &request);
                let granted = granted?;
                let authority = session.req_header().uri.authority().map(http::uri::Authority::as_str);
                ctx.facts = Some(facts.with(&request, session.req_header().raw_path(), authority));
                Ok(granted)
            }
        };
        let granted = match onward {
            Ok(granted) => granted,
            Err(visit) => return Err(Box::pin(self.visit(session, ctx, &visit)).await),
        };
        let upstream = published.peers.upstreams.get(granted.rules().upstream).cloned();
        let upstream = upstream.ok_or_else(|| Refusal::new(Code::InternalError).because("no such upstream"))?;
        self.admit(session, ctx, (granted, &upstream), now).await?;
        self.exchange(session, ctx).await?;
        let place = upstream.place().ok_or_else(|| {
            Refusal::new(Code::Overloaded)
                .because("the upstream's `max_connections` are all in use")
                .retry_after(Duration::from_secs(1))
        })?;
        ctx.held.place = Some(place);
        ctx.upstream = Some(upstream);
        Ok(())
    }

    /// Reads and judges the body where the route asks for it, and makes the permit.
    async fn admit(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        (granted, upstream): (Granted, &Upstream),
        now: Now,
    ) -> std::result::Result<(), Turned> {
        let timeout = granted.rules().timeout;
        ctx.deadline = timeout.map(|timeout| now.steady.saturating_add(timeout));
        let trail = ctx.recording.as_mut().map(|recording| &mut recording.trail);
        let Some(trail) = trail else { return Err(Refusal::new(Code::InternalError).into()) };
        let permit = match granted.body() {
            BodyPlan::Nothing | BodyPlan::Stream(_) => granted.admit_unread(trail)?,
            BodyPlan::Hold(most) => {
                let straight = straight::leads_to(upstream, granted.rules());
                let needs = if straight || ctx.ours { body::Replay::Never } else { body::Replay::InPlace };
                let rest = ctx.deadline.map(|end| end.saturating_sub(self.shared.world.clock.steady()));
                let whole = match body::read_whole(session, most, rest, (needs, &self.shared)).await {
                    Ok(read) => read,
                    Err(refusal) => {
                        trail.step(Stage::Body, End::Refused(refusal.code), self.shared.world.clock.steady());
                        trail.refusal = Some(refusal.clone());
                        return Err(refusal.into());
                    }
                };
                ctx.held.memory = Some(whole.memory);
                ctx.replay = whole.replay;
                let again = match &ctx.published {
                    Some(published) if granted.asks_with_body() => {
                        accept::request(session, Stream::Open, &published.snapshot, &published.tls).ok()
                    }
                    _ => None,
                };
                let clock = &*self.shared.world.clock;
                let head = session.req_header();
                let beside = granted.rules().validate.beside(&head.headers);
                if beside > 0 {
                    ctx.held.plain = Some(body::reserve(&self.shared, usize::try_from(beside).unwrap_or(usize::MAX))?);
                }
                let head = (&head.method, &head.headers);
                let permit = granted.admit(&whole.bytes, head, again.as_ref(), (clock, now), trail)?;
                ctx.body = Some(permit.plain().unwrap_or(&whole.bytes).clone());
                ctx.came = Some(whole.bytes);
                permit
            }
        };
        ctx.permit = Some(permit);
        Ok(())
    }

    pub(super) async fn answer(&self, session: &mut Session, ctx: &mut Ctx, turned: Turned) -> Result<()> {
        match turned {
            Turned::Refused(refusal) => {
                if let Some(recording) = &mut ctx.recording
                    && recording.trail.refusal.is_none()
                {
                    recording.trail.refusal = Some(refusal.clone());
                }
                if refusal.extra.as_ref().is_some_and(|extra| extra.ended_session) {
                    ctx.envelope.clear_session =
                        ctx.published.as_ref().map(|published| clear_session(&published.snapshot));
                }
                if matches!(refusal.code, Code::InvalidHost | Code::MalformedRequest) {
                    // Whoever bends one request is not trusted with the boundary of the next.
                    session.set_keepalive(None);
                }
                respond::refuse(session, &refusal, &ctx.envelope).await
            }
            Turned::Answered(answer) => respond::send(session, reserved::reply(answer), &ctx.envelope).await,
        }
    }
}
