//! How does a configuration come into force? Watch, compile, warm, publish; all of it or nothing.

mod asked;
pub(crate) mod begin;
mod chronicle;
mod compile;
mod overlay;
mod presence;
mod publisher;
mod retired;
pub(crate) mod tasks;
mod watch;

use std::sync::Arc;

use portcullis_core::moment::Moment;
use portcullis_core::snapshot::{Snapshot, Texts};

use crate::accept::TlsPolicy;
use crate::forward::Peers;
use crate::world::store::Revision;

pub(crate) use chronicle::Chronicle;
pub(crate) use compile::{Compiled, Compiler, First, Text, roomy};
pub(crate) use presence::Presence;
pub(crate) use publisher::{Followed, Last, Publisher, ReloadOutcome, Subscriber};
pub(crate) use watch::watch;

/// Everything that changes together: decisions, certificates and peers.
pub(crate) struct Published {
    pub(crate) snapshot: Arc<Snapshot>,
    /// What the snapshot was made of.
    pub(crate) texts: Texts,
    /// Of the texts, in hexadecimal digits.
    pub(crate) hash: String,
    /// The revision that it was made of; `None`: the files of this machine.
    pub(crate) revision: Option<Arc<Revision>>,
    /// The revision that was pinned over files which are others now.
    pub(crate) lapsed: Option<u64>,
    pub(crate) tls: Arc<TlsPolicy>,
    pub(crate) peers: Peers,
    pub(crate) since: Moment,
}
