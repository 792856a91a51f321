//! One route: every stage compiled, every fault at its key.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::Work;
use crate::authorize::{About, BodyUse, Caller, Policies, RouteFacts};
use crate::config::{self, ConfigError, PathPart, RouteConfig};
use crate::cors::Cors;
use crate::gather::{Attributes, Gather, Hierarchy};
use crate::guard::Guard;
use crate::identify::{Authenticate, Certificates, Demands, Identify, Judges, LoginDemands, Method, StepUp};
use crate::limit::Limit;
use crate::route::{Entry, MethodSet, Template};
use crate::snapshot::{Modes, Rules};
use crate::validate::{Place, Schemas, Validate};

/// `None`: errors were noted; without policies because theirs were, and everything else of the route is looked at.
pub(super) fn compile(
    work: &mut Work<'_>,
    index: usize,
    (policies, shadow): (Option<&Policies>, Option<&Policies>),
    (things, hierarchy): (&BTreeMap<PathBuf, Vec<u8>>, &Arc<Hierarchy>),
    judges: &Arc<Judges>,
) -> Option<(Entry, Rules)> {
    let loaded = work.loaded;
    let config = &loaded.config;
    let route = config.routes.get(index)?;
    let before = work.errors.len();
    let at = |key: &'static str| [PathPart::Key("routes"), PathPart::Index(index), PathPart::Key(key)];

    let guard_config = route.guard.clone().unwrap_or_default().merge(&config.guard);
    let guard = note(work, &at("guard"), Guard::compile(&guard_config));
    let demands = Demands {
        authenticate: &route.authenticate,
        scopes: &route.scopes,
        issuers: &route.issuers,
        audiences: &route.audiences,
        step_up: StepUp { acr: route.acr.clone(), max_age: route.max_auth_age.map(|span| span.0) },
        login: LoginDemands { providers: route.providers.clone(), style: route.login },
    };
    let identify =
        Identify::compile(&demands, judges).map_err(|(key, message)| work.refuse(&at(key), message, "")).ok();
    let modes = modes(route, config, guard_config.mode.unwrap_or_default());
    let limit = Limit::compile(&route.name, &route.limits, modes.limit).map_err(|faults| {
        for fault in faults {
            let key = [PathPart::Key("routes"), index.into(), "limits".into(), fault.at.into(), fault.field.into()];
            work.refuse(&key, fault.message, "");
        }
    });
    let template = note(work, &at("match"), route.matches.template.parse::<Template>());
    let host = match route.host.as_deref().map(str::parse).transpose() {
        Ok(host) => Some(host),
        Err(message) => {
            let message: String = message;
            work.refuse(&at("host"), message, "");
            None
        }
    };
    let methods = note(work, &at("match"), method_set(route));

    let max_body =
        route.max_body.map_or_else(|| guard.as_ref().map_or(Guard::MAX_BODY, Guard::max_body), |size| size.0);
    let validate = validate(work, index, route, max_body);
    let params: Vec<&str> = route.matches.parameters().collect();
    let gather = gather(work, &at("resource"), route, &params);
    let gather = gather.and_then(|gather| attributes(work, index, (route, things), gather.under(hierarchy), &params));
    let next = gather
        .as_ref()
        .zip(shadow)
        .and_then(|(gather, policies)| authorize(work, index, (route, judges), gather, policies, &params));
    let authorize = gather
        .as_ref()
        .zip(policies)
        .and_then(|(gather, policies)| authorize(work, index, (route, judges), gather, policies, &params));
    let upstream = config.upstreams.keys().position(|name| *name == route.upstream);

    if work.errors.len() > before {
        return None;
    }
    let name: Arc<str> = route.name.as_str().into();
    let entry = Entry { name: Arc::clone(&name), methods: methods?, template: template?, host: host?, index };
    let rules = Rules {
        name,
        pattern: route.matches.to_string().into(),
        modes,
        guard: guard?,
        cors: cors(route),
        identify: identify?,
        limit: limit.ok()?,
        replicas: config.counters.replicas,
        validate: validate?,
        gather: gather?,
        authorize: authorize?,
        next,
        authorize_body: route.authorize_body,
        upstream: upstream?,
        timeout: route.timeout.map(|span| span.0),
        max_stream: route.max_stream.map(|span| span.0),
        websocket: route.websocket,
        token: route.token,
        exchange: route.exchange.clone().map(Arc::new),
        authenticate: describe(&route.authenticate).into(),
        callers: callers(&route.authenticate, judges),
        public: route.authenticate == Authenticate::Public,
    };
    Some((entry, rules))
}

fn note<T>(work: &mut Work<'_>, at: &[PathPart<'_>], result: Result<T, String>) -> Option<T> {
    result.map_err(|message| work.refuse(at, message, "")).ok()
}

fn method_set(route: &RouteConfig) -> Result<MethodSet, String> {
    if route.matches.is_any_method() {
        return Ok(MethodSet::ANY);
    }
    route.matches.methods.join("|").parse()
}

fn modes(route: &RouteConfig, config: &config::Config, guard: crate::mode::Mode) -> Modes {
    Modes {
        guard,
        limit: route.limit.unwrap_or(config.limit).mode,
        validate: route.validate.map_or(config.validate.mode, |stage| stage.mode),
        authorize: route.authorize.unwrap_or(config.authorize).mode,
    }
}

fn validate(work: &mut Work<'_>, index: usize, route: &RouteConfig, max_body: u64) -> Option<Validate> {
    let limits = match work.loaded.config.validate.limits() {
        Ok(limits) => limits,
        Err(message) => {
            work.refuse(&["validate".into()], message, "");
            return None;
        }
    };
    let schema = route.body_schema.as_ref().and_then(|path| work.loaded.body_schemas.get(path));
    let others = |path: &Path| work.loaded.body_schemas.get(path).map(Vec::as_slice);
    let schemas = Schemas { body: schema.map(Vec::as_slice), others: &others };
    let compiled = Validate::compile(&route.input(), schemas, limits, max_body);
    compiled
        .map_err(|faults| {
            for fault in faults {
                let error = match (&route.body_schema, fault.pointer.is_empty()) {
                    (Some(path), _) if fault.key == "body_schema" => {
                        let place =
                            if fault.pointer.is_empty() { String::new() } else { format!("at `{}`: ", fault.pointer) };
                        ConfigError::of_file(&work.loaded.from_folder(path), format!("{place}{}", fault.message))
                    }
                    (_, whole) => {
                        let place = if whole { String::new() } else { format!("at `{}`: ", fault.pointer) };
                        let key = [PathPart::Key("routes"), PathPart::Index(index), PathPart::Key(fault.key)];
                        work.loaded.error(&key, format!("{place}{}", fault.message), None)
                    }
                };
                work.errors.push(error);
            }
        })
        .ok()
}

fn gather(work: &mut Work<'_>, at: &[PathPart<'_>], route: &RouteConfig, params: &[&str]) -> Option<Gather> {
    let compiled = match &route.resource {
        Some(template) => Gather::compile(template, params),
        None => Gather::of_upstream(&route.upstream),
    };
    compiled.map_err(|fault| work.refuse(at, fault.message, fault.help)).ok()
}

/// Where the resource's attributes come from, if the route says so.
fn attributes(
    work: &mut Work<'_>,
    index: usize,
    (route, things): (&RouteConfig, &BTreeMap<PathBuf, Vec<u8>>),
    gather: Gather,
    params: &[&str],
) -> Option<Gather> {
    let Some(config) = &route.resource_attributes else { return Some(gather) };
    let file = config.file.as_ref().and_then(|path| things.get(path)).map(Vec::as_slice);
    match Attributes::compile(config, params, file) {
        Ok(attributes) => Some(gather.with(attributes)),
        Err(faults) => {
            for (key, fault) in faults {
                let key = ["routes".into(), index.into(), "resource_attributes".into(), key.into()];
                work.refuse(&key, fault.message, fault.help);
            }
            None
        }
    }
}

fn authorize(
    work: &mut Work<'_>,
    index: usize,
    (route, judges): (&RouteConfig, &Judges),
    gather: &Gather,
    policies: &Policies,
    params: &[&str],
) -> Option<crate::authorize::Authorize> {
    let groups: Vec<&str> = route.action_groups.iter().map(String::as_str).collect();
    let query: Vec<&str> =
        route.parameters.iter().filter(|p| p.place == Place::Query).map(|p| p.name.as_str()).collect();
    let facts = RouteFacts {
        name: &route.name,
        action_groups: &groups,
        params,
        query: &query,
        callers: &callers(&route.authenticate, judges),
        resource: gather,
        body: if route.authorize_body { BodyUse::Seen } else { BodyUse::Unseen },
    };
    match policies.route(&facts) {
        Ok(authorize) => {
            for warning in authorize.warnings() {
                work.warn(&["routes".into(), index.into(), "name".into()], warning.clone());
            }
            Some(authorize)
        }
        Err(faults) => {
            for fault in faults {
                let key = match fault.about {
                    About::ActionGroups => "action_groups",
                    About::Authenticate => "authenticate",
                    About::Name => "name",
                    About::Resource => "resource",
                    About::ResourceAttributes => "resource_attributes",
                    About::Schema => {
                        let path = work.loaded.from_root(&work.loaded.config.policies.schema_path());
                        let mut error = ConfigError::of_file(&path, fault.message);
                        error.help = Some(fault.help).filter(|help| !help.is_empty());
                        work.errors.push(error);
                        continue;
                    }
                };
                work.refuse(&["routes".into(), index.into(), key.into()], fault.message, fault.help);
            }
            None
        }
    }
}

fn callers(authenticate: &Authenticate, judges: &Judges) -> Vec<Caller> {
    let of = |method: &Method| match method {
        Method::ApiKey => Some(Caller::ApiKey),
        Method::Jwt => Some(Caller::Jwt),
        Method::Mtls => Some(Caller::Mtls),
        Method::Session => Some(Caller::Session),
    };
    match authenticate {
        // The principal is that of the first.
        Authenticate::AllOf(methods) => methods.first().and_then(of).into_iter().collect(),
        Authenticate::AnyOf(methods) => methods.iter().filter_map(of).collect(),
        Authenticate::Optional => {
            let mut all = vec![Caller::Anonymous, Caller::ApiKey, Caller::Jwt];
            if judges.certificates() == Certificates::Asked {
                all.push(Caller::Mtls);
            }
            if !judges.providers().is_empty() {
                all.push(Caller::Session);
            }
            all
        }
        Authenticate::Public => vec![Caller::Anonymous],
    }
}

fn describe(authenticate: &Authenticate) -> String {
    let names = |methods: &[Method], between: &str| methods.iter().map(|m| m.name()).collect::<Vec<_>>().join(between);
    match authenticate {
        Authenticate::AllOf(methods) => names(methods, " and "),
        Authenticate::AnyOf(methods) => names(methods, " or "),
        Authenticate::Optional => "optional".to_owned(),
        Authenticate::Public => "public".to_owned(),
    }
}

fn cors(route: &RouteConfig) -> Cors {
    match &route.cors {
        None => Cors::Closed,
        Some(config::Cors::App) => Cors::App,
        Some(config::Cors::Gateway(config)) => Cors::granting(config),
    }
}
