//! What do we leave behind? One access line, one decision record and the metrics of each request, all
//! from its trail.

mod access;
mod decision;
mod ids;
mod kept;
mod metrics;
mod streams;
mod words;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::moment::Now;
use portcullis_core::ports::Clock;
use portcullis_core::trail::Trail;

pub(crate) use decision::record;
pub(crate) use ids::{Id, Ids};
pub(crate) use kept::{Decision, Difference, Kept};
pub(crate) use metrics::Metrics;
pub(crate) use streams::{Streams, Target};
pub(crate) use words::Words;

/// Everything about one request that a stream may tell. Recorded when dropped, so that a client who
/// leaves while we wait is recorded too.
pub(crate) struct Recording {
    streams: Arc<Streams>,
    clock: Arc<dyn Clock>,
    pub(crate) trail: Trail,
    pub(crate) ids: Ids,
    pub(crate) began: Now,
    /// The steady clock when it was over; `None` while it is not, or was cut off.
    pub(crate) ended: Option<Duration>,
    pub(crate) config_version: Arc<str>,
    pub(crate) head: HeadFacts,
    /// When and why an answer under way is cut off.
    pub(crate) lease: Option<(Duration, &'static str)>,
    /// 0 while nothing was answered: the client left.
    pub(crate) status: u16,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) upstream: Option<Arc<str>>,
    /// Attempts beyond the first.
    pub(crate) resends: u32,
    /// Attempts that failed: the target, and how.
    pub(crate) failed: Vec<(Arc<str>, &'static str)>,
    /// What failed, in the words of a closed list; empty when nothing did.
    pub(crate) error: &'static str,
}

/// What the head said, copied once. No query, no cookie, no credential.
#[derive(Debug, Default)]
pub(crate) struct HeadFacts {
    pub(crate) words: Words,
    pub(crate) scheme: &'static str,
    pub(crate) protocol: &'static str,
    pub(crate) client: Option<IpAddr>,
    pub(crate) peer: Option<IpAddr>,
}

/// What records tell of a request, while it ends or afterwards.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) trail: &'a Trail,
    pub(crate) ids: &'a Ids,
    pub(crate) head: &'a HeadFacts,
    pub(crate) began: Now,
    pub(crate) took: Duration,
    pub(crate) config_version: &'a str,
    pub(crate) status: u16,
    pub(crate) upstream: Option<&'a str>,
    pub(crate) resends: u32,
    pub(crate) failed: &'a [(Arc<str>, &'static str)],
    pub(crate) error: &'static str,
}

impl Recording {
    fn view(&self) -> View<'_> {
        View {
            trail: &self.trail,
            ids: &self.ids,
            head: &self.head,
            began: self.began,
            took: self.took(),
            config_version: &self.config_version,
            status: self.status,
            upstream: self.upstream.as_deref(),
            resends: self.resends,
            failed: &self.failed,
            error: self.error,
        }
    }

    /// Everything that outlasts the request; what is left is to be dropped.
    fn take(&mut self) -> Decision {
        let mut decision = Decision {
            number: 0,
            took: self.took(),
            trail: std::mem::take(&mut self.trail),
            ids: std::mem::take(&mut self.ids),
            head: std::mem::take(&mut self.head),
            began: self.began,
            config_version: Arc::clone(&self.config_version),
            status: self.status,
            upstream: self.upstream.take(),
            resends: self.resends,
            failed: std::mem::take(&mut self.failed),
            error: self.error,
            weight: 0,
        };
        decision.weight = decision.weigh(self.request_bytes);
        decision
    }

    pub(crate) fn begin(
        streams: Arc<Streams>,
        ids: Ids,
        (clock, now): (Arc<dyn Clock>, Now),
        config_version: Arc<str>,
    ) -> Self {
        streams.metrics.active(1);
        Self {
            streams,
            clock,
            trail: Trail::begin(now.steady),
            ids,
            began: now,
            ended: None,
            lease: None,
            config_version,
            head: HeadFacts::default(),
            status: 0,
            request_bytes: 0,
            response_bytes: 0,
            upstream: None,
            resends: 0,
            failed: Vec::new(),
            error: "",
        }
    }

    /// Whether the answer was cut off at its end, which is noted then. For those who are told by another request.
    pub(crate) fn was_cut_off(&mut self, now: Duration) -> bool {
        let why = self.lease.filter(|(end, _)| now >= *end).map(|(_, why)| why);
        if self.error.is_empty() {
            self.error = why.unwrap_or_default();
        }
        why.is_some()
    }

    pub(crate) fn took(&self) -> Duration {
        self.ended.unwrap_or(self.began.steady).saturating_sub(self.began.steady)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let now = self.ended.unwrap_or_else(|| self.clock.steady());
        if self.ended.is_none()
            && self.error.is_empty()
            && let Some((end, why)) = self.lease
        {
            self.error = if now < end { "cut_off" } else { why };
        }
        self.ended = Some(now);
        if self.status == 0 {
            self.status = 499;
            if self.error.is_empty() {
                self.error = "client_gone";
            }
        }
        let streams = Arc::clone(&self.streams);
        streams.record(self);
        // Last: where no request is under way, all are recorded.
        self.streams.metrics.active(-1);
    }
}
