//! The newest decisions, in memory: to be searched, followed and explained.

mod shadow;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_core::moment::Now;
use portcullis_core::trail::Trail;
use tokio::sync::broadcast;

use super::{HeadFacts, Ids, View};

pub(crate) use shadow::{Difference, Shadow};

/// Followers that are so many decisions behind miss some.
const BEHIND: usize = 1024;
/// What a question to the policies weighs besides the body: request, entities and their maps.
const QUESTION: usize = 2048;

/// One decision, whole. Nothing in it is a secret, and nothing in it goes out but by way of its record.
pub(crate) struct Decision {
    /// Counts up, from 1.
    pub(crate) number: u64,
    pub(crate) trail: Trail,
    pub(crate) ids: Ids,
    pub(crate) head: HeadFacts,
    pub(crate) began: Now,
    pub(crate) took: Duration,
    pub(crate) config_version: Arc<str>,
    pub(crate) status: u16,
    pub(crate) upstream: Option<Arc<str>>,
    pub(crate) resends: u32,
    pub(crate) failed: Vec<(Arc<str>, &'static str)>,
    pub(crate) error: &'static str,
    /// In bytes, more or less.
    pub(crate) weight: usize,
}

impl Decision {
    pub(crate) fn view(&self) -> View<'_> {
        View {
            trail: &self.trail,
            ids: &self.ids,
            head: &self.head,
            began: self.began,
            took: self.took,
            config_version: &self.config_version,
            status: self.status,
            upstream: self.upstream.as_deref(),
            resends: self.resends,
            failed: &self.failed,
            error: self.error,
        }
    }

    /// What it takes to keep it; `body`: bytes that policies saw.
    pub(super) fn weigh(&self, body: u64) -> usize {
        let trail = &self.trail;
        let texts = self.head.words.len();
        let body = usize::try_from(body).unwrap_or(usize::MAX);
        let asked = usize::from(trail.asked.is_some()) + usize::from(trail.asked_next.is_some());
        size_of::<Self>() + 512 + texts + asked.saturating_mul(QUESTION.saturating_add(body))
    }
}

/// Bounded by number and by weight; the oldest make room.
pub(crate) struct Kept {
    most: usize,
    memory: usize,
    ring: Mutex<Ring>,
    live: broadcast::Sender<Arc<Decision>>,
    pub(crate) shadow: Shadow,
}

#[derive(Default)]
struct Ring {
    decisions: VecDeque<Arc<Decision>>,
    weight: usize,
    last: u64,
}

impl Kept {
    pub(crate) fn new(most: usize, memory: u64) -> Self {
        Self {
            most,
            memory: usize::try_from(memory).unwrap_or(usize::MAX),
            ring: Mutex::default(),
            live: broadcast::channel(BEHIND).0,
            shadow: Shadow::default(),
        }
    }

    /// Whether anything is kept or followed.
    pub(super) fn wanted(&self) -> bool {
        self.most > 0 || self.live.receiver_count() > 0
    }

    pub(super) fn push(&self, mut decision: Decision) {
        // Dropped outside the lock.
        let mut gone = Vec::new();
        let mut ring = self.ring.lock();
        ring.last += 1;
        decision.number = ring.last;
        let decision = Arc::new(decision);
        if self.most > 0 && decision.weight <= self.memory {
            ring.weight += decision.weight;
            ring.decisions.push_back(Arc::clone(&decision));
        }
        while ring.decisions.len() > self.most || ring.weight > self.memory {
            let Some(oldest) = ring.decisions.pop_front() else { break };
            ring.weight = ring.weight.saturating_sub(oldest.weight);
            gone.push(oldest);
        }
        drop(ring);
        if self.live.receiver_count() > 0 {
            // Nobody may be left to hear.
            let _ = self.live.send(decision);
        }
    }

    /// Newest first, from those before `before`; `wanted` picks, at most `limit`. The number to go on before, where
    /// there may be more.
    pub(crate) fn search(
        &self,
        before: Option<u64>,
        limit: usize,
        wanted: impl Fn(&Decision) -> bool,
    ) -> (Vec<Arc<Decision>>, Option<u64>) {
        let all: Vec<Arc<Decision>> = self.ring.lock().decisions.iter().map(Arc::clone).collect();
        let older = all.into_iter().rev().filter(|decision| before.is_none_or(|before| decision.number < before));
        let mut found: Vec<_> = older.filter(|decision| wanted(decision)).take(limit.saturating_add(1)).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|decision| decision.number);
        (found, next)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Decision>> {
        self.ring.lock().decisions.iter().rev().find(|decision| decision.ids.decision.as_str() == id).cloned()
    }

    pub(crate) fn follow(&self) -> broadcast::Receiver<Arc<Decision>> {
        self.live.subscribe()
    }
}
