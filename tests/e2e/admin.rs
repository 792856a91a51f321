//! What may operators do, and what is everybody else told?

mod access;
mod again;
mod applied;
mod audit;
mod backups;
mod certificates;
mod described;
mod faults;
mod frame;
mod policies;
mod revisions;
mod roles;
mod status;
mod store;
