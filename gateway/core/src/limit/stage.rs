//! The stage: the limits of one route, compiled.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::key::{KeyText, is_plain, plain_part, push_who};
use super::{By, Charge, Leases, LimitConfig, OnStoreFailure, Quota, Store, Verdict};
use crate::answer::StoreDown;
use crate::identify::{Identity, OwnLimit};
use crate::limit::Counters;
use crate::mode::Mode;
use crate::moment::Now;
use crate::refusal::{Code, LimitState, Refusal};
use crate::request::Request;

/// The limits of one route.
#[derive(Clone, Debug)]
pub struct Limit {
    /// What a refusal does; the journey acts on it.
    pub mode: Mode,
    /// Those in memory first.
    rules: Vec<Rule>,
    in_memory: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    by: By,
    name: Arc<str>,
    /// Is the counter shared with other routes by its name?
    named: bool,
    /// The key of everybody, or what stands before the one who is counted.
    prefix: Arc<str>,
    quota: Quota,
    on_store_failure: OnStoreFailure,
    store: Store,
    /// How many a replica takes of it at once; 1 where each is asked for.
    lease: u64,
}

/// Where a request is counted.
#[derive(Clone, Copy)]
pub struct Desks<'a> {
    pub local: &'a dyn Counters,
    /// The same as `local` where nothing is shared.
    pub shared: &'a dyn Counters,
    /// What was taken of `shared` in advance.
    pub leases: &'a Leases,
    /// How many processes share `shared`.
    pub replicas: u32,
}

/// What is wrong with one of a route's limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LimitFault {
    /// Which of them, from zero.
    pub at: usize,
    pub field: &'static str,
    /// For the operator.
    pub message: String,
}

impl Limit {
    /// At most this many limits a route.
    pub const MOST: usize = 8;

    const LONGEST_NAME: usize = 64;

    /// Compiles the limits of `route`; all faults at once.
    pub fn compile(route: &str, configs: &[LimitConfig], mode: Mode) -> Result<Self, Vec<LimitFault>> {
        let mut faults = Vec::new();
        let mut rules: Vec<Rule> = Vec::with_capacity(configs.len());
        for (at, config) in configs.iter().enumerate() {
            match rule(route, config, &rules) {
                Ok(rule) => rules.push(rule),
                Err((field, message)) => faults.push(LimitFault { at, field, message }),
            }
        }
        if configs.len() > Self::MOST {
            let message = format!("a route has at most {} limits, not {}", Self::MOST, configs.len());
            faults.push(LimitFault { at: Self::MOST, field: "by", message });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        rules.sort_by_key(|rule| rule.store == Store::Shared);
        let in_memory = rules.iter().filter(|rule| rule.store == Store::Memory).count();
        Ok(Self { mode, rules, in_memory })
    }

    /// Whether another route may share one of its limits.
    pub fn may_share(&self) -> bool {
        self.rules.iter().any(|rule| rule.named)
    }

    /// The name of a limit that both routes share and say different things of; a snapshot refuses that.
    pub fn clash<'a>(&'a self, other: &Self) -> Option<&'a str> {
        let shared =
            |one: &&Rule| one.named && other.rules.iter().any(|two| two.named && two.name == one.name && two != *one);
        self.rules.iter().find(shared).map(|rule| &*rule.name)
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Charges every limit, or none when one refuses, and says how they stand.
    ///
    /// Refuses with `rate_limited`, telling the limits that refused and the longest of their waits; with
    /// `dependency_unavailable` when a store does not answer and a limit says `deny`. A limit that says `allow` is then
    /// left out of the answer.
    pub async fn charge(
        &self,
        request: &Request<'_>,
        identity: &Identity,
        desks: Desks<'_>,
        now: Now,
    ) -> Result<Vec<LimitState>, Refusal> {
        let Desks { local, shared, leases, replicas } = desks;
        let own = identity.bounds.as_ref().map_or(&[][..], |bounds| &bounds.limits);
        if self.rules.is_empty() && own.is_empty() {
            return Ok(Vec::new());
        }
        let rules = with_own(&self.rules, own)?;
        // Where one store is both, all limits are charged in one stroke, and nothing is taken in advance.
        let alone = std::ptr::addr_eq(local, shared);
        let charges: Vec<Charge> = rules.iter().map(|rule| rule.charge(request, identity, alone)).collect();
        let mut states = Vec::with_capacity(charges.len());
        let split = if alone { 0 } else { self.in_memory };
        let (Some((here, there)), Some((here_rules, there_rules))) =
            (charges.split_at_checked(split), rules.split_at_checked(split))
        else {
            return Err(Refusal::new(Code::InternalError).because("limit: the rules do not match their charges"));
        };
        if !here.is_empty() {
            let verdicts = local.charge(here, now).get().await.map_err(|down| unavailable(here_rules, down))?;
            tally(here_rules.iter().zip(here), &verdicts, &mut states)?;
        }
        if !there.is_empty() {
            match leases.charge(shared, there, now).get().await {
                Ok(verdicts) => tally(there_rules.iter().zip(there), &verdicts, &mut states)?,
                Err(down) => {
                    let (rules, instead) = instead(there_rules, there, replicas, down)?;
                    if !instead.is_empty() {
                        let verdicts =
                            local.charge(&instead, now).get().await.map_err(|down| unavailable(there_rules, down))?;
                        tally(rules.into_iter().zip(&instead), &verdicts, &mut states)?;
                    }
                }
            }
        }
        Ok(states)
    }
}

impl Rule {
    fn charge(&self, request: &Request<'_>, identity: &Identity, alone: bool) -> Charge {
        let key = match self.by {
            By::Route => Arc::clone(&self.prefix),
            By::Address | By::Claim(_) | By::Header(_) | By::Key | By::Principal => {
                let mut text = KeyText::new(&self.prefix);
                push_who(&mut text, &self.by, request, identity);
                text.finish()
            }
        };
        Charge { key, quota: self.quota, take: if alone { 1 } else { self.lease } }
    }
}

/// The rules of the route, and what the caller brings along: counted across all replicas, over all routes.
fn with_own<'a>(rules: &'a [Rule], own: &[OwnLimit]) -> Result<Cow<'a, [Rule]>, Refusal> {
    if own.is_empty() {
        return Ok(Cow::Borrowed(rules));
    }
    let mut all = rules.to_vec();
    for OwnLimit { name, counter, limit } in own {
        let quota = Quota::new(limit.rate, limit.burst)
            .map_err(|why| Refusal::new(Code::InternalError).because(format!("the key's limit: {why}")))?;
        all.push(Rule {
            by: By::Route,
            name: Arc::clone(name),
            named: false,
            prefix: Arc::clone(counter),
            quota,
            on_store_failure: OnStoreFailure::Local,
            store: Store::Shared,
            lease: 1,
        });
    }
    Ok(Cow::Owned(all))
}

fn rule(route: &str, config: &LimitConfig, others: &[Rule]) -> Result<Rule, (&'static str, String)> {
    let quota = Quota::new(config.rate, config.burst).map_err(|message| ("burst", message))?;
    let taken = |name: &str| others.iter().any(|other| &*other.name == name);
    let (name, prefix) = match &config.name {
        Some(name) if !(1..=Limit::LONGEST_NAME).contains(&name.len()) || !is_plain(name) => {
            let message = format!("`{name}` cannot name a limit: use letters, digits, `.`, `_` and `-`, at most 64");
            return Err(("name", message));
        }
        Some(name) if taken(name) => {
            return Err(("name", format!("two limits of this route are named `{name}`: give each a name of its own")));
        }
        Some(name) => (name.clone(), format!("n:{name}:")),
        None => {
            let word = config.by.word();
            let mut name = word.to_owned();
            // Others are few: the first number that is free comes soon.
            for number in 2..=Limit::MOST + 1 {
                if !taken(&name) {
                    break;
                }
                name = format!("{word}-{number}");
            }
            let prefix = format!("r:{}:{name}:", plain_part(route));
            (name, prefix)
        }
    };
    Ok(Rule {
        by: config.by.clone(),
        name: name.into(),
        named: config.name.is_some(),
        prefix: prefix.into(),
        quota,
        on_store_failure: config.on_store_failure,
        store: config.store,
        lease: lease(config, quota)?,
    })
}

fn lease(config: &LimitConfig, quota: Quota) -> Result<u64, (&'static str, String)> {
    let Some(lease) = config.lease else { return Ok(1) };
    if config.store == Store::Memory {
        return Err(("lease", "a limit in `memory` asks nobody: leave `lease` out".to_owned()));
    }
    let most = quota.burst / 2;
    if lease > most {
        let burst = quota.burst;
        let instead =
            if most < 2 { "leave `lease` out".to_owned() } else { format!("write {most} or less, better a tenth") };
        return Err(("lease", format!("a lease of {lease} is more than half of the burst of {burst}: {instead}")));
    }
    Ok(lease)
}

/// What is charged in memory instead, each limit as it declares.
fn instead<'a>(
    rules: &'a [Rule],
    charges: &[Charge],
    replicas: u32,
    down: StoreDown,
) -> Result<(Vec<&'a Rule>, Vec<Charge>), Refusal> {
    let (mut kept, mut shares) = (Vec::with_capacity(rules.len()), Vec::with_capacity(rules.len()));
    for (rule, charge) in rules.iter().zip(charges) {
        match rule.on_store_failure {
            OnStoreFailure::Allow => {}
            OnStoreFailure::Deny => return Err(unavailable(std::slice::from_ref(rule), down)),
            OnStoreFailure::Local => {
                kept.push(rule);
                shares.push(Charge::one(Arc::clone(&charge.key), charge.quota.share(replicas)));
            }
        }
    }
    Ok((kept, shares))
}

fn unavailable(rules: &[Rule], down: StoreDown) -> Refusal {
    let name = rules.first().map_or("", |rule| &*rule.name);
    Refusal::new(Code::DependencyUnavailable)
        .because(format!("limit `{name}` cannot be counted: {}", down.what))
        .retry_after(Duration::from_secs(1))
}

/// Adds what the counters say to `states`, or refuses with those that are used up.
fn tally<'a>(
    charged: impl ExactSizeIterator<Item = (&'a Rule, &'a Charge)>,
    verdicts: &[Verdict],
    states: &mut Vec<LimitState>,
) -> Result<(), Refusal> {
    if charged.len() != verdicts.len() {
        return Err(Refusal::new(Code::InternalError).because("limit: the counters gave too few or too many answers"));
    }
    let state = |((rule, charge), verdict): ((&Rule, &Charge), &Verdict)| LimitState {
        name: Arc::clone(&rule.name),
        quota: charge.quota.requests,
        window: charge.quota.window,
        remaining: verdict.remaining,
        reset: if verdict.allowed { verdict.reset } else { verdict.retry_after },
    };
    if verdicts.iter().all(|verdict| verdict.allowed) {
        states.extend(charged.zip(verdicts).map(state));
        return Ok(());
    }
    let refused = charged.zip(verdicts).filter(|(_, verdict)| !verdict.allowed);
    let used_up: Vec<LimitState> = refused.map(state).collect();
    let wait = used_up.iter().map(|state| state.reset).max().unwrap_or_default();
    let names: Vec<&str> = used_up.iter().map(|state| &*state.name).collect();
    Err(Refusal::new(Code::RateLimited)
        .because(format!("used up: `{}`", names.join("`, `")))
        .retry_after(wait)
        .limits(used_up))
}
