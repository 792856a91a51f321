//! Which context attributes a route supplies: its action's schema against what the gateway knows.

use http::HeaderName;

use super::{Plan, Supply};
use crate::authorize::bind::{About, BodyUse, RouteFacts, RouteFault};
use crate::authorize::shapes::{Field, Fields, Presence, Shape};
use crate::near::did_you_mean;

/// Every attribute a context may declare.
const KNOWN: [&str; 11] =
    ["auth_age", "auth_method", "body", "headers", "ip", "method", "now", "params", "path", "query", "scopes"];

/// Fields a policy must not decide by: they hold credentials.
const SECRET: [&str; 5] = ["authorization", "cookie", "proxy-authorization", "set-cookie", "x-api-key"];
/// Fields a policy must not decide by: anybody can write them, and the gateway rewrites them.
const FORGEABLE: [&str; 4] = ["forwarded", "x-forwarded-", "x-portcullis-", "x-real-ip"];

impl Plan {
    /// Every attribute that cannot be supplied is a fault, so that none is silently absent.
    pub(in crate::authorize) fn of(fields: &Fields, facts: &RouteFacts<'_>) -> Result<Self, Vec<RouteFault>> {
        let mut supplies = Vec::with_capacity(fields.0.len());
        let mut faults = Vec::new();
        for (name, field) in &fields.0 {
            match supply(name, field, facts) {
                Ok(supply) => supplies.push(supply),
                Err((what, help)) => faults.push(RouteFault {
                    about: About::Schema,
                    message: format!("context of action `{}`: {what}", facts.name),
                    help,
                }),
            }
        }
        if faults.is_empty() { Ok(Self(supplies)) } else { Err(faults) }
    }
}

type Fault = (String, String);

fn supply(name: &str, field: &Field, facts: &RouteFacts<'_>) -> Result<(&'static str, Supply), Fault> {
    let Some(known) = KNOWN.into_iter().find(|known| *known == name) else {
        return Err((format!("unknown attribute `{name}`"), did_you_mean(name, &KNOWN)));
    };
    let plain = |shape: Shape, supply| {
        if field.shape == shape { Ok(supply) } else { Err(wrong_type(name, &shape.to_string(), &field.shape)) }
    };
    let supply = match known {
        "auth_age" if field.presence == Presence::Required => Err(must_be_optional(name, "not every credential tells")),
        "auth_age" => plain(Shape::Long, Supply::AuthAge),
        "auth_method" => plain(Shape::String, Supply::AuthMethod),
        "body" => body(field, facts),
        "headers" => strings(name, field).and_then(headers),
        "ip" => plain(Shape::Ip, Supply::Ip),
        "method" => plain(Shape::String, Supply::Method),
        "now" => plain(Shape::Datetime, Supply::Now),
        "params" => strings(name, field).and_then(|fields| params(fields, facts)),
        "path" => plain(Shape::String, Supply::Path),
        "query" => strings(name, field).and_then(|fields| query(fields, facts)),
        _ => plain(Shape::Set(Box::new(Shape::String)), Supply::Scopes),
    };
    Ok((known, supply?))
}

fn body(field: &Field, facts: &RouteFacts<'_>) -> Result<Supply, Fault> {
    match facts.body {
        BodyUse::Unseen => Err((
            "`body` is not read before policies are asked".to_owned(),
            format!("set `authorize_body = true` on route `{}`, or take `body` out of the schema", facts.name),
        )),
        BodyUse::Seen => match field.shape.entity_inside() {
            None => Ok(Supply::Body(field.clone())),
            Some(path) => {
                let dot = if path.is_empty() { "" } else { "." };
                Err((
                    format!("`body{dot}{path}` is an entity, which no body can hold"),
                    "declare it as `String`".to_owned(),
                ))
            }
        },
    }
}

fn params(fields: &Fields, facts: &RouteFacts<'_>) -> Result<Supply, Fault> {
    for name in fields.0.keys() {
        if !facts.params.contains(&name.as_str()) {
            return Err((format!("the path has no parameter `{name}`"), did_you_mean(name, facts.params)));
        }
    }
    Ok(Supply::Params(fields.0.keys().cloned().collect()))
}

fn query(fields: &Fields, facts: &RouteFacts<'_>) -> Result<Supply, Fault> {
    for (name, field) in &fields.0 {
        if !facts.query.contains(&name.as_str()) {
            let help = if facts.query.is_empty() {
                format!("declare it: `parameters = [{{ in = \"query\", name = \"{name}\", … }}]`")
            } else {
                did_you_mean(name, facts.query)
            };
            return Err((format!("route `{}` declares no query parameter `{name}`", facts.name), help));
        }
        if field.presence == Presence::Required {
            return Err(must_be_optional(&format!("query.{name}"), "a request may come without it"));
        }
    }
    Ok(Supply::Query(fields.0.keys().cloned().collect()))
}

fn headers(fields: &Fields) -> Result<Supply, Fault> {
    let mut names = Vec::with_capacity(fields.0.len());
    for (name, field) in &fields.0 {
        let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|header| header.as_str() == name);
        let header = header.ok_or_else(|| {
            (
                format!("`headers.{name}` is not a field name"),
                "write it in lower case and quotes: `\"x-tenant\"?: String`".to_owned(),
            )
        })?;
        if SECRET.contains(&name.as_str()) {
            return Err((
                format!("`headers.{name}` holds a credential"),
                "decide by the principal: identify has read the credential already".to_owned(),
            ));
        }
        if FORGEABLE.iter().any(|start| name.starts_with(start)) {
            return Err((
                format!("`headers.{name}` can be written by anybody"),
                "use `ip` and the principal, which the gateway vouches for".to_owned(),
            ));
        }
        if field.presence == Presence::Required {
            return Err(must_be_optional(&format!("headers.{name}"), "a request may come without it"));
        }
        names.push(header);
    }
    Ok(Supply::Headers(names))
}

fn strings<'a>(name: &str, field: &'a Field) -> Result<&'a Fields, Fault> {
    let Shape::Record(fields) = &field.shape else { return Err(wrong_type(name, "{…}", &field.shape)) };
    match fields.0.iter().find(|(_, inner)| inner.shape != Shape::String) {
        None => Ok(fields),
        Some((inner, field)) => Err(wrong_type(&format!("{name}.{inner}"), "String", &field.shape)),
    }
}

fn wrong_type(path: &str, wanted: &str, declared: &Shape) -> Fault {
    (format!("`{path}` is a `{wanted}`, not a `{declared}`"), format!("declare it as `{wanted}`"))
}

fn must_be_optional(path: &str, why: &str) -> Fault {
    let last = path.rsplit_once('.').map_or(path, |(_, last)| last);
    (format!("`{path}` must be optional: {why}"), format!("write `{last}?`, and ask `has` before reading it"))
}
