//! Where does a permitted request go, and as what? Targets, timeouts, retries, and the head the
//! application sees.

pub(crate) mod answer;
pub(crate) mod assertion;
pub(crate) mod head;
mod health;
mod identity;
mod kept;
mod peers;
pub(crate) mod relay;
mod tunnel;
mod wire;

pub(crate) use assertion::Assertions;
pub(crate) use health::Failed;
pub(crate) use identity::local_name;
pub(crate) use peers::{Peers, Target, Upstream, become_tunnel};
pub(crate) use tunnel::Patience;
pub(crate) use wire::Wire;
