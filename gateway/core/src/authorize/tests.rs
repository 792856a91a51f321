//! Shared ground of the tests: a small schema, one route, one caller.

mod context;
mod explain;
mod matrix;
mod messages;
mod mutants;
mod routes;
mod settled;
mod shipped;
mod suites;
mod traps;
mod typing;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, json};

use super::*;
use crate::gather::Gather;
use crate::identify::{AuthMethod, Principal};
use crate::moment::Moment;

fn source(file: &str, text: &str) -> Source {
    Source { file: file.to_owned(), text: text.to_owned() }
}

fn compile(schema: &str, policies: &str) -> Result<Policies, Vec<PolicyFault>> {
    Policies::compile(&source("schema.cedarschema", schema), &[source("policies/a.cedar", policies)])
}

/// A user of the alias `demo`.
fn user(name: &str, groups: &[&str], claims: Value) -> Identity {
    let Value::Object(attributes) = claims else { return user(name, groups, json!({})) };
    Identity {
        principal: Principal::User(format!("demo|{name}").into()),
        method: AuthMethod::Jwt,
        groups: groups.iter().map(|group| Arc::from(*group)).collect(),
        attributes,
        scopes: vec!["orders:read".into()],
        email: None,
        authenticated_at: Some(Moment::from_seconds(1000)),
        expires_at: None,
        token: None,
        session: None,
        bounds: None,
        entity: OnceLock::new(),
    }
}

/// One `GET /orders/7?limit=5` from 203.0.113.9, asked at second 1060.
struct Ask {
    headers: HeaderMap,
    params: Vec<Param<'static>>,
    query: Option<&'static str>,
    body: Option<Value>,
    client: IpAddr,
    path: &'static str,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            params: vec![("id", Cow::Borrowed("7"))],
            query: Some("limit=5"),
            body: None,
            client: IpAddr::from([203, 0, 113, 9]),
            path: "/orders/7",
        }
    }
}

impl Ask {
    fn question(&self) -> Question<'_> {
        Question {
            method: &Method::GET,
            path: self.path,
            query: self.query,
            headers: &self.headers,
            client: self.client,
            params: &self.params,
            body: self.body.as_ref(),
            now: Now { wall: Moment::from_seconds(1060), ..Now::default() },
        }
    }
}

fn order() -> Gather {
    Gather::compile("Order::\"{id}\"", &["id"]).unwrap()
}

/// The route `getOrder` on `Order::"{id}"`, for tokens.
fn facts(resource: &Gather) -> RouteFacts<'_> {
    RouteFacts {
        name: "getOrder",
        action_groups: &[],
        params: &["id"],
        query: &["limit"],
        callers: &[Caller::Jwt],
        resource,
        body: BodyUse::Seen,
    }
}

/// Decides one request of the route [`facts`] under a whole schema and policies.
fn decide(schema: &str, policies: &str, ask: &Ask, who: &Identity) -> Result<Grant, Denied> {
    let policies = compile(schema, policies).unwrap();
    let gather = order();
    let authorize = policies.route(&facts(&gather)).unwrap();
    authorize.authorize(&ask.question(), who, gather.resource(&ask.params).unwrap())
}

/// The refusal's code and the operator's reason.
fn told(decision: Result<Grant, Denied>) -> (Code, String) {
    let denied = decision.unwrap_err();
    (denied.refusal.code, denied.refusal.reason.into_owned())
}

/// A schema with these attributes of users and this context.
fn schema(user: &str, context: &str) -> String {
    format!(
        "entity Group; entity User in [Group] {{ {user} }}; entity Client; entity Order {{ secret?: Bool }};
         action \"read\", \"write\";
         action \"getOrder\" in [\"read\"] appliesTo {{ principal: [User, Client], resource: [Order], context: {{ {context} }} }};
         action \"putOrder\" in [\"write\"] appliesTo {{ principal: [User], resource: [Order] }};"
    )
}

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);";
