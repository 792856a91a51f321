//! What would the policies say? A question in an operator's words, filled up with what the routes make of it.

use std::sync::Arc;

use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Rules, Snapshot};
use crate::authorize::{Asked, Facts, Policies, Presence};
use crate::identify::{Identity, Principal};
use crate::request::CanonicalPath;

/// A request, as far as somebody described it.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// `User::"demo|alice"`; nobody in particular when left out.
    pub principal: Option<String>,
    /// As policies name them: `demo|writers`, `keys|readers`.
    pub groups: Vec<String>,
    /// Attributes of the principal.
    pub attributes: Map<String, Value>,
    /// The claims of a token, which say who it is; `iss` says whose it is.
    pub claims: Option<Map<String, Value>>,
    pub wanted: Wanted,
    /// `Order::"17"`; what the route makes of the path when left out.
    pub resource: Option<String>,
    pub resource_attributes: Map<String, Value>,
    /// Members of the context besides those that follow from the rest.
    pub context: Map<String, Value>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A route, by its name.
    Action(String),
    /// Whatever route wins.
    Request { host: String, method: String, target: String },
}

impl Default for Wanted {
    fn default() -> Self {
        Self::Action(String::new())
    }
}

/// A whole question.
#[derive(Debug)]
pub struct Question {
    pub identity: Identity,
    /// The route's name.
    pub action: Arc<str>,
    /// `Order::"17"`.
    pub resource: String,
    resource_attributes: Map<String, Value>,
    context: Map<String, Value>,
}

/// A route, the resource where it is known, and what the request makes of the context.
type Made<'a> = (&'a Rules, Option<String>, Map<String, Value>);

impl Question {
    /// Puts it to `policies`.
    ///
    /// # Errors
    /// What is missing, or does not fit their schema.
    pub fn put(&self, policies: &Policies) -> Result<Asked, String> {
        policies.asked(&Facts {
            identity: &self.identity,
            action: &self.action,
            resource: &self.resource,
            resource_attributes: &self.resource_attributes,
            context: &self.context,
        })
    }
}

impl Snapshot {
    /// Makes a question of what was described, for `policies`: those in force, or others in their place.
    ///
    /// # Errors
    /// What cannot be made out, in words.
    pub fn question(&self, described: Described, policies: &Policies) -> Result<Question, String> {
        let Described { principal, groups, mut attributes, claims, wanted, resource, resource_attributes, context } =
            described;
        let mut groups: Vec<Arc<str>> = groups.into_iter().map(Arc::from).collect();
        let auth_method = auth_method(principal.as_deref(), claims.is_some());
        let principal = match (claims, principal) {
            (Some(_), Some(_)) => return Err("say who asks once: by `principal`, or by `claims`".to_owned()),
            (Some(claims), None) => {
                let (principal, theirs) = self.of_claims(&claims)?;
                groups.extend(theirs);
                let verified = claims.get("email_verified").is_some_and(|verified| *verified == Value::Bool(true));
                attributes.extend(claims.into_iter().filter(|(name, _)| verified || name != "email"));
                principal
            }
            (None, None) => Principal::Anonymous,
            (None, Some(text)) => parsed(&text)?,
        };
        let identity = Identity::described(principal, groups, attributes);
        let (rules, made, mut derived) = self.wanted(&wanted)?;
        let resource =
            resource.or(made).ok_or("its resource depends on the path: say which, or give METHOD and PATH")?;
        for (name, presence) in policies.context_names(&rules.name) {
            let usual: Value = match (name, presence) {
                ("scopes", _) => json!([]),
                ("headers" | "query" | "params", Presence::Required) => json!({}),
                ("auth_method", _) => auth_method.into(),
                _ => continue,
            };
            derived.entry(name).or_insert(usual);
        }
        derived.extend(context);
        let action = Arc::clone(&rules.name);
        Ok(Question { identity, action, resource, resource_attributes, context: derived })
    }

    fn wanted(&self, wanted: &Wanted) -> Result<Made<'_>, String> {
        let mut derived = Map::new();
        match wanted {
            Wanted::Action(action) => {
                let rules = self.rules_named(action).ok_or_else(|| format!("no route is named `{action}`"))?;
                let fixed = rules.gather.fixed_id().map(|id| format!("{}::{id:?}", rules.gather.kind()));
                Ok((rules, fixed, derived))
            }
            Wanted::Request { host, method, target } => {
                let (path, query) =
                    target.split_once('?').map_or((target.as_str(), None), |(path, query)| (path, Some(query)));
                let verb = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not a method"))?;
                let canonical = CanonicalPath::parse(path).map_err(|fault| format!("`{path}`: {fault}"))?;
                let found = self.table.find(&host.to_ascii_lowercase(), &verb, canonical).map_err(|refusal| {
                    format!("{} {}: {}", refusal.code.status().as_u16(), refusal.code.name(), refusal.reason)
                })?;
                let rules = self.rules(found.route).map_err(|refusal| refusal.reason.to_string())?;
                let params = found.params.iter().map(|(name, value)| (name.to_owned(), value.into()));
                derived.insert("method".to_owned(), method.as_str().into());
                derived.insert("path".to_owned(), percent_decode_str(path).decode_utf8_lossy().into());
                derived.insert("params".to_owned(), params.collect::<Map<_, Value>>().into());
                derived.insert("query".to_owned(), members(query.unwrap_or_default()).into());
                let params: Vec<_> = found.params.iter().map(|(name, value)| (name, value.into())).collect();
                let resource = rules.gather.resource(&params).map_err(|refusal| refusal.reason.to_string())?;
                Ok((rules, Some(resource.uid().to_string()), derived))
            }
        }
    }

    /// Whom a token with these claims stands for.
    fn of_claims(&self, claims: &Map<String, Value>) -> Result<(Principal, Vec<Arc<str>>), String> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let issuer = text("iss").ok_or("the claims have no `iss`")?;
        let (alias, source) = self
            .tokens()
            .find(|(_, source)| source.issuer == issuer)
            .ok_or_else(|| format!("no `[tokens.…]` has the issuer `{issuer}`"))?;
        let (subject, client) = (text("sub"), text(&source.client_claim));
        let principal = match (subject, client) {
            (None, Some(client)) => Principal::Client(format!("{alias}|{client}").into()),
            (Some(subject), Some(client)) if subject == client => Principal::Client(format!("{alias}|{client}").into()),
            (Some(subject), _) => Principal::User(format!("{alias}|{subject}").into()),
            (None, None) => return Err(format!("the claims have neither `sub` nor `{}`", source.client_claim)),
        };
        let claim = &source.groups_claim;
        let listed = if claim.starts_with('/') { pointer(claims, claim) } else { claims.get(claim) };
        let groups = listed.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Ok((principal, groups.map(|group| format!("{alias}|{group}").into()).collect()))
    }
}

fn members(query: &str) -> Map<String, Value> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value).into()))
        .collect()
}

fn auth_method(principal: Option<&str>, by_token: bool) -> &'static str {
    match principal {
        Some(principal) if principal.starts_with("ApiKey::") => "api_key",
        Some(principal) if principal.starts_with("Certificate::") => "mtls",
        None if !by_token => "none",
        Some(_) | None => "jwt",
    }
}

fn parsed(text: &str) -> Result<Principal, String> {
    let not_one = || {
        format!(
            "`{text}` is no principal: write `User::\"demo|alice\"`, `Client::…`, `ApiKey::…`, `Certificate::…` or `Anonymous::\"anonymous\"`"
        )
    };
    let (kind, quoted) = text.split_once("::").ok_or_else(not_one)?;
    let id: Arc<str> = serde_json::from_str::<String>(quoted).map_err(|_| not_one())?.into();
    match kind {
        "Anonymous" => Ok(Principal::Anonymous),
        "ApiKey" => Ok(Principal::ApiKey(id)),
        "Certificate" => Ok(Principal::Certificate(id)),
        "Client" => Ok(Principal::Client(id)),
        "User" => Ok(Principal::User(id)),
        _ => Err(not_one()),
    }
}

fn pointer<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let mut parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    let first = claims.get(&parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(&part))
}
