//! Is every name one that may be given, given once, and meant for one thing?

use std::collections::BTreeMap;

use super::Cross;
use crate::config::load::PathPart;
use crate::identify::{Bearer, Providers};
use crate::limit::Quota;

pub(super) fn check(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    for name in draft.tokens.keys() {
        name_fits(cross, "tokens", name);
        if name == "keys" {
            let help = "the groups of API keys begin with `keys|`: choose another alias";
            cross.refuse(&["tokens".into(), "keys".into()], "the alias `keys` is taken", help);
        }
    }
    for name in draft.providers.keys() {
        name_fits(cross, "providers", name);
        if name == "keys" {
            let help = "the groups of API keys begin with `keys|`: choose another alias";
            cross.refuse(&["providers".into(), "keys".into()], "the alias `keys` is taken", help);
        }
    }
    draft.upstreams.keys().for_each(|name| name_fits(cross, "upstreams", name));
    draft.plans.keys().for_each(|name| name_fits(cross, "plans", name));
    plans(cross);
    issuers(cross);
    providers(cross);
    token_sources(cross);
    route_names(cross);
}

fn name_fits(cross: &mut Cross<'_>, section: &'static str, name: &str) {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let help = "use up to 64 letters, digits, `_` and `-`";
        cross.refuse(&[section.into(), name.into()], format!("`{shown}` is not a name for one of `{section}`"), help);
    }
}

/// What a plan allows can be counted.
fn plans(cross: &mut Cross<'_>) {
    for (name, plan) in &cross.draft.plans {
        for (at, limit) in plan.iter().flat_map(|plan| &plan.limits).enumerate() {
            let Err(message) = Quota::new(limit.rate, limit.burst) else { continue };
            let path = ["plans".into(), name.as_str().into(), "limits".into(), at.into(), "burst".into()];
            cross.refuse(&path, message, "as in `{ rate = \"10000/month\", burst = 1000 }`");
        }
    }
}

/// Every exact issuer has one alias, so that no weak source can speak for a strong one.
fn issuers(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for (alias, source) in &draft.tokens {
        let Some(source) = source else { continue };
        if let Some(other) = first.get(source.issuer.as_str()) {
            let place = cross.spans.named(&["tokens".into(), (*other).into(), "issuer".into()]);
            let message = format!("the issuer `{}` has the alias `{other}` already", source.issuer);
            let help = format!("an issuer has one alias; the first stands at {place}");
            cross.refuse(&["tokens".into(), alias.as_str().into(), "issuer".into()], message, help);
        } else {
            first.insert(&source.issuer, alias);
        }
        if source.max_age < source.refresh {
            let message = format!("`max_age` (`{}`) is shorter than `refresh` (`{}`)", source.max_age, source.refresh);
            let help = "keys would be too old before they are fetched anew";
            cross.refuse(&["tokens".into(), alias.as_str().into(), "max_age".into()], message, help);
        }
    }
}

/// A provider and a token source of one alias have one issuer, and one issuer has one alias in both.
fn providers(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    for (alias, provider) in &draft.providers {
        let Some(provider) = provider else { continue };
        let at = |key: &'static str| ["providers".into(), alias.as_str().into(), PathPart::Key(key)];
        if let Err(mistakes) = Providers::compile(&BTreeMap::from([(alias.clone(), provider.clone())])) {
            for mistake in mistakes {
                let key = mistake.key.rsplit('.').next().unwrap_or_default();
                let path = ["providers".into(), alias.as_str().into(), key.into()];
                cross.refuse(&path, mistake.message.clone(), "");
            }
        }
        if let Some(Some(tokens)) = draft.tokens.get(alias)
            && tokens.issuer != provider.issuer()
        {
            let place = cross.spans.named(&["tokens".into(), alias.as_str().into(), "issuer".into()]);
            let message =
                format!("`{alias}` is the alias of two issuers: `{}` and `{}`", tokens.issuer, provider.issuer());
            cross.refuse(&at("issuer"), message, format!("an alias names one issuer; the other stands at {place}"));
        }
        let tokens =
            draft.tokens.iter().filter_map(|(name, source)| Some(("tokens", name, source.as_ref()?.issuer.as_str())));
        let before = draft.providers.range::<String, _>(..alias);
        let before = before.filter_map(|(name, other)| Some(("providers", name, other.as_ref()?.issuer())));
        let other = tokens.chain(before).find(|(_, name, issuer)| *name != alias && *issuer == provider.issuer());
        if let Some((section, other, issuer)) = other {
            let message = format!("the issuer `{issuer}` has the alias `{other}` already, in [{section}.{other}]");
            cross.refuse(&at("issuer"), message, format!("an issuer has one alias: write [providers.{other}]"));
        }
    }
    let public_url = draft.server.as_ref().is_some_and(|server| server.public_url.is_none());
    if let Some(alias) = draft.providers.keys().next().filter(|_| public_url) {
        let help =
            "set `public_url = \"https://…\"` in [server]: providers send people back to an address that they know";
        cross.refuse(&["providers".into(), alias.as_str().into()], "logins need `public_url`, and there is none", help);
    }
}

/// What the identify stage has to say of each source.
fn token_sources(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    for (alias, source) in &draft.tokens {
        let Some(source) = source else { continue };
        let Err(mistakes) = Bearer::compile(&BTreeMap::from([(alias.clone(), source.clone())])) else { continue };
        for mistake in mistakes {
            let key = mistake.key.rsplit('.').next().unwrap_or_default().to_owned();
            cross.refuse(&["tokens".into(), alias.as_str().into(), key.as_str().into()], mistake.message, "");
        }
    }
}

fn route_names(cross: &mut Cross<'_>) {
    let draft = cross.draft;
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut shapes: BTreeMap<(Option<&str>, String, &str), usize> = BTreeMap::new();
    for (at, route) in draft.routes.iter().enumerate() {
        let Some(route) = route else { continue };
        if let Some(first) = names.get(route.name.as_str()) {
            let place = cross.spans.named(&["routes".into(), (*first).into(), "name".into()]);
            let message = format!("there is a route `{}` already", route.name);
            cross.refuse(&["routes".into(), at.into(), "name".into()], message, format!("the first stands at {place}"));
        } else {
            names.insert(&route.name, at);
        }
        let methods = if route.matches.is_any_method() { vec!["ANY"] } else { route.matches.methods.clone() };
        for method in methods {
            let first = *shapes.entry((route.host.as_deref(), route.matches.shape(), method)).or_insert(at);
            if first != at {
                let place = cross.spans.named(&["routes".into(), first.into(), "match".into()]);
                let message = format!("`{}` matches what another route matches", route.matches);
                let help = format!("the other stands at {place}");
                cross.refuse(&["routes".into(), at.into(), "match".into()], message, help);
            }
        }
    }
    for (at, route) in draft.routes.iter().enumerate() {
        for (index, group) in route.iter().flat_map(|route| &route.action_groups).enumerate() {
            if let Some(route) = names.get(group.as_str()) {
                let place = cross.spans.named(&["routes".into(), (*route).into(), "name".into()]);
                let message = format!("the action group `{group}` has the name of a route");
                let help = format!("both are Cedar actions, so the names must differ; the route stands at {place}");
                cross.refuse(&["routes".into(), at.into(), "action_groups".into(), index.into()], message, help);
            }
        }
    }
}
