//! What may operators do, and what is everybody else told?

mod access;
mod again;
pub(crate) mod applied;
mod audit;
mod backups;
mod certificates;
mod described;
mod faults;
mod frame;
mod policies;
mod replicas;
mod revisions;
mod roles;
mod status;
mod store;
