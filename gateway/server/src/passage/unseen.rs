//! What is left behind of a request that nobody here has seen?
//!
//! Pingora answers some HTTP/2 heads itself, with a bare 400 or a reset, before any callback. Each of them still leaves
//! its access line, its decision record and its count.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::refusal::{Code, Refusal};
use portcullis_core::trail::{End, Stage};

use crate::accept::Refused;
use crate::observe::{HeadFacts, Ids, Recording};
use crate::shared::Shared;

/// For the front: writes the lines of a head that Pingora has turned away.
pub(crate) fn tell_of_unseen(shared: &Arc<Shared>) -> Refused {
    let shared = Arc::clone(shared);
    Box::new(move |peer| tell(&shared, peer))
}

fn tell(shared: &Shared, peer: Option<IpAddr>) {
    let clock = Arc::clone(&shared.world.clock);
    let now = clock.now();
    let published = shared.current();
    let ids = Ids::make(&HeaderMap::new(), false);
    let version = Arc::clone(&published.snapshot.version);
    let mut recording = Recording::begin(Arc::clone(&shared.streams), ids, (clock, now), version);
    let refusal = Refusal::new(Code::MalformedRequest)
        .because("the head names no one host, or holds a target or lengths that HTTP/2 does not allow");
    recording.head = HeadFacts { protocol: "2", scheme: "https", client: peer, peer, ..HeadFacts::default() };
    recording.trail.step(Stage::Accept, End::Refused(refusal.code), now.steady);
    recording.status = refusal.code.status().as_u16();
    recording.trail.refusal = Some(refusal);
    recording.ended = Some(now.steady);
    // Dropping it writes the lines.
}
