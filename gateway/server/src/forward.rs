//! Where does a permitted request go, and as what? Targets, timeouts, retries, and the head the
//! application sees.

pub(crate) mod answer;
pub(crate) mod assertion;
pub(crate) mod head;
mod health;
mod identity;
mod peers;
pub(crate) mod relay;
mod tunnel;

pub(crate) use assertion::Assertions;
pub(crate) use health::Failed;
pub(crate) use identity::local_name;
pub(crate) use peers::{Peers, Upstream, become_tunnel};
pub(crate) use tunnel::Patience;
