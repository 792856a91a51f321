//! Where what is in shadow would have it otherwise: counted, with a few examples of each kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_core::moment::Moment;
use portcullis_core::trail::Stage;

use super::super::Recording;

/// Kinds that are told apart; further ones are counted together.
const MOST: usize = 1000;
/// Of each kind, the newest.
const EXAMPLES: usize = 5;

#[derive(Default)]
pub(crate) struct Shadow(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    kinds: BTreeMap<(Arc<str>, &'static str, &'static str), Difference>,
    others: u64,
}

/// One kind of difference: what a check in shadow would have done on a route.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    pub(crate) route: Arc<str>,
    pub(crate) stage: &'static str,
    /// The code it would refuse with, or `would_allow`.
    pub(crate) would: &'static str,
    pub(crate) count: u64,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
    /// Decision ids, newest last.
    pub(crate) examples: Vec<String>,
}

impl Shadow {
    pub(in crate::observe) fn note(&self, recording: &Recording) {
        let trail = &recording.trail;
        if trail.would_refuse.is_empty() && !trail.would_allow {
            return;
        }
        let refusals = trail.would_refuse.iter().map(|(stage, refusal)| (stage.name(), refusal.code.name()));
        let allowed = trail.would_allow.then_some((Stage::Next.name(), "would_allow"));
        let route = trail.route.clone().unwrap_or_else(|| "none".into());
        let at = recording.began.wall;
        let mut seen = self.0.lock();
        for (stage, would) in refusals.chain(allowed) {
            let key = (Arc::clone(&route), stage, would);
            if seen.kinds.len() >= MOST && !seen.kinds.contains_key(&key) {
                seen.others += 1;
                continue;
            }
            let known = seen.kinds.entry(key).or_insert_with(|| Difference {
                route: Arc::clone(&route),
                stage,
                would,
                count: 0,
                first: at,
                last: at,
                examples: Vec::new(),
            });
            known.count += 1;
            known.last = at;
            if known.examples.len() >= EXAMPLES {
                known.examples.remove(0);
            }
            known.examples.push(recording.ids.decision.as_str().to_owned());
        }
    }

    /// By route, stage and what would happen; and how many of further kinds there were.
    pub(crate) fn differences(&self) -> (Vec<Difference>, u64) {
        let seen = self.0.lock();
        (seen.kinds.values().cloned().collect(), seen.others)
    }
}
