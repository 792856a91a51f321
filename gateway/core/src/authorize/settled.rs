//! What need not be asked again: answers in which nothing but the caller can make a difference.
//!
//! A route's answer is settled by the caller where its resource is always the same and none of its policies looks at
//! `context`. Everything else a policy can see belongs to the policies and to the identity, neither of which changes:
//! other claims or roles make another identity, and a reload makes another memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cedar_policy::PolicySet;
use quick_cache::sync::Cache;
use serde_json::Value;

use super::Answered;
use crate::identify::Identity;

/// Whether a route's answers may be remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Memory {
    /// As this route of the snapshot.
    Route(u32),
    /// What the request says may change the answer.
    None,
}

/// The answers of one snapshot.
#[derive(Debug)]
pub(super) struct Settled {
    answers: Cache<(u32, usize), Arc<Kept>>,
    routes: AtomicU32,
}

#[derive(Debug)]
struct Kept {
    /// INVARIANT: held, so that its address, which is the key, is nobody else's.
    _identity: Arc<Identity>,
    answer: Answered,
}

impl Default for Settled {
    fn default() -> Self {
        Self { answers: Cache::new(Self::MOST), routes: AtomicU32::new(0) }
    }
}

impl Settled {
    /// Answers kept, over all routes; the least used make room.
    const MOST: usize = 16_384;

    /// Judges whether a route's answers are settled by the caller.
    pub(super) fn memory(&self, policies: &PolicySet, resource: Resource) -> Memory {
        match resource {
            Resource::Fixed if !policies.policies().any(looks_at_context) => {
                Memory::Route(self.routes.fetch_add(1, Ordering::Relaxed))
            }
            Resource::Fixed | Resource::OfTheRequest => Memory::None,
        }
    }

    pub(super) fn answer(&self, memory: Memory, identity: &Arc<Identity>) -> Option<Answered> {
        match memory {
            Memory::None => None,
            Memory::Route(route) => self.answers.get(&key(route, identity)).map(|kept| kept.answer.clone()),
        }
    }

    pub(super) fn keep(&self, memory: Memory, identity: &Arc<Identity>, answer: &Answered) {
        if let Memory::Route(route) = memory {
            let kept = Kept { _identity: Arc::clone(identity), answer: answer.clone() };
            self.answers.insert(key(route, identity), Arc::new(kept));
        }
    }
}

/// Whether a route's resource is the same for every request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Resource {
    Fixed,
    OfTheRequest,
}

fn key(route: u32, identity: &Arc<Identity>) -> (u32, usize) {
    (route, Arc::as_ptr(identity).addr())
}

/// By Cedar's own JSON form of the policy, where its text has the word at all; one that has none is taken to look.
fn looks_at_context(policy: &cedar_policy::Policy) -> bool {
    policy.to_string().contains("context") && policy.to_json().map_or(true, |json| names_context(&json))
}

/// `{"Var": "context"}`, at any depth. A value of the policy's own that looks the same only costs the memory.
fn names_context(json: &Value) -> bool {
    match json {
        Value::Array(items) => items.iter().any(names_context),
        Value::Object(members) => {
            members.get("Var").is_some_and(|var| var == "context") || members.values().any(names_context)
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}
