//! What can be asked, for programs: the `OpenAPI` 3.1 document, made from the table of operations and their types.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Admin;
use super::operation::{Content, Facts, Operation, Rehearsal};
use super::problem::Document;

/// What any operation may refuse with.
const USUAL: [(u16, &str); 10] = [
    (400, "malformed_request"),
    (400, "invalid_parameter"),
    (400, "credentials_conflict"),
    (401, "authentication_required"),
    (401, "invalid_api_key"),
    (401, "invalid_token"),
    (403, "forbidden"),
    (403, "cross_site_request"),
    (421, "misdirected_request"),
    (503, "dependency_unavailable"),
];
/// What any may that changes something.
const OF_CHANGES: [(u16, &str); 5] = [
    (408, "request_timeout"),
    (409, "idempotency_conflict"),
    (413, "body_too_large"),
    (422, "idempotency_key_reused"),
    (503, "outcome_unknown"),
];
/// What any may that takes a body.
const WITH_BODY: [(u16, &str); 5] = [
    (400, "invalid_json"),
    (408, "request_timeout"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (422, "schema_violation"),
];

pub(super) fn operations() -> Vec<Operation> {
    vec![Operation::get("/v1/openapi.json", "showOpenApi", "This document.", show).answers::<Map<String, Value>>(200)]
}

async fn show(State(admin): State<Admin>) -> Json<Value> {
    Json(admin.openapi.as_ref().clone())
}

/// The whole document of `operations`.
pub(super) fn document(operations: &[Operation]) -> Value {
    let mut answered = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
            settings.contract = Contract::Serialize;
        })
        .into_generator();
    // What is sent has other defaults than what is answered, under the same names: it stands where it is used.
    let mut asked = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.meta_schema = None;
            settings.inline_subschemas = true;
        })
        .into_generator();
    let problem = answered.subschema_for::<Document>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for Operation { facts, .. } in operations {
        let described = describe(facts, &problem, &mut asked, &mut answered);
        paths.entry(facts.path).or_default().insert(facts.method.as_str().to_ascii_lowercase(), described);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are seconds since the epoch. Every refusal is a problem document (RFC 9457).",
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "security": [{ "bearer": [] }, { "key": [] }],
        "paths": paths,
        "components": {
            "schemas": answered.take_definitions(true),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "description": "The admin key, an API key with a role \
                    that begins with `portcullis:`, or a token of one of `admin.issuers`." },
                "key": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
            },
        },
    })
}

fn describe(facts: &Facts, problem: &Schema, asked: &mut SchemaGenerator, answered: &mut SchemaGenerator) -> Value {
    let mut described = json!({
        "operationId": facts.id,
        "summary": facts.summary,
        "tags": [facts.path.split('/').nth(2).unwrap_or_default()],
        "parameters": parameters(facts),
        "responses": responses(facts, problem, answered),
    });
    if let (Some(shape), Some(members)) = (facts.body, described.as_object_mut()) {
        let content = json!({ "application/json": { "schema": shape(asked) } });
        members.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    described
}

fn parameters(facts: &Facts) -> Vec<Value> {
    let in_path = facts.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }))
        .collect();
    let query = facts.query.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    for (name, schema) in query.into_iter().flatten() {
        let mut schema = schema.clone();
        let description = schema.as_object_mut().and_then(|members| members.remove("description"));
        parameters.push(json!({ "name": name, "in": "query", "description": description, "schema": not_null(schema) }));
    }
    if facts.rehearsal == Rehearsal::Possible {
        parameters.push(json!({ "name": "dry_run", "in": "query", "schema": { "type": "boolean" },
            "description": "Check everything and answer as if it were done, and write nothing." }));
    }
    if facts.rehearsal == Rehearsal::Possible {
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
            "description": "For 24 hours the same request with the same key is answered again, and not done again." }));
    }
    if facts.is_versioned() {
        parameters.push(json!({ "name": "If-Match", "in": "header", "schema": { "type": "string" },
            "description": "The `ETag` of the version that the change is meant for, or `*`. Demanded where \
                `admin.if_match` is `required`." }));
    }
    parameters
}

/// A parameter is there or not; nobody can send a null.
fn not_null(mut schema: Value) -> Value {
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            let only = only.clone();
            if let Some(members) = schema.as_object_mut() {
                members.insert("type".to_owned(), only);
                members.remove("default");
            }
        }
    }
    schema
}

fn responses(facts: &Facts, problem: &Schema, answered: &mut SchemaGenerator) -> Map<String, Value> {
    let mut responses = Map::new();
    for (status, content) in &facts.answers {
        let content = match content {
            Content::Json(shape) => json!({ "application/json": { "schema": shape(answered) } }),
            // The document describes one line; OpenAPI 3.1 knows no sequences.
            Content::Lines(shape) => json!({ "application/x-ndjson": { "schema": shape(answered) } }),
            Content::Nothing => Value::Null,
        };
        let mut response = json!({ "description": "Done." });
        if let (false, Some(members)) = (content.is_null(), response.as_object_mut()) {
            members.insert("content".to_owned(), content);
        }
        responses.insert(status.to_string(), response);
    }
    let mut refusals: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    let with_body = if facts.body.is_some() { &WITH_BODY[..] } else { &[] };
    let of_changes = match facts.rehearsal {
        Rehearsal::NoNeed => &[][..],
        Rehearsal::Possible => &OF_CHANGES,
    };
    for (status, code) in USUAL.iter().chain(with_body).chain(of_changes).chain(&facts.refusals) {
        let codes = refusals.entry(*status).or_default();
        if !codes.contains(code) {
            codes.push(code);
        }
    }
    for (status, codes) in refusals {
        let codes = codes.iter().map(|code| format!("`{code}`")).collect::<Vec<_>>().join(", ");
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses
            .insert(status.to_string(), json!({ "description": format!("Refused: {codes}."), "content": content }));
    }
    responses
}
