use serde_json::{Value, json};

use super::*;

fn document(version: &str, paths: Value) -> Document {
    let root = json!({ "openapi": version, "info": { "title": "T" }, "servers": [{ "url": "https://api.test/v1/" }], "paths": paths,
        "components": { "schemas": { "Node": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Node" } } } },
            "securitySchemes": { "key": { "type": "apiKey" }, "token": { "type": "http", "scheme": "bearer" } } } });
    Document::of(root).unwrap()
}

fn wishes() -> Wishes {
    Wishes {
        name: "shop".to_owned(),
        upstream: "app".to_owned(),
        tokens: Tokens::Declared,
        certificates: Certificates::None,
        responses: None,
    }
}

fn imported(version: &str, paths: Value) -> Imported {
    Imported::of(&document(version, paths), &wishes())
}

/// The route that one operation becomes, without its first lines.
fn route(method: &str, path: &str, operation: Value) -> (String, Vec<String>) {
    let imported = imported("3.0.3", json!({ path: { method: operation } }));
    let text = imported.operations.first().map(|operation| operation.block.text.clone()).unwrap_or_default();
    let notes = imported.notes.into_iter().chain(imported.refused).map(|note| note.message).collect();
    (text, notes)
}

fn schema(version: &str, schema: Value) -> (Value, Vec<String>) {
    let content = json!({ "application/json": { "schema": schema } });
    let operation = json!({ "operationId": "make", "requestBody": { "content": content } });
    let imported = imported(version, json!({ "/things": { "post": operation } }));
    let text = &imported.operations[0].schemas[0].1;
    (serde_json::from_str(text).unwrap(), imported.notes.into_iter().map(|note| note.message).collect())
}

#[test]
fn refuses_documents_that_are_not_spoken() {
    let refused = |root: Value| Document::of(root).unwrap_err().0;
    assert_eq!(refused(json!({ "swagger": "2.0" })), "this is Swagger 2.0: convert it to OpenAPI 3 first");
    assert_eq!(refused(json!({ "openapi": "4.0.0" })), "OpenAPI `4.0.0` is not spoken here: 3.0 and 3.1 are");
    assert_eq!(refused(json!({})), "this is no OpenAPI document: it has no member `openapi`");
}

#[test]
fn says_what_cannot_be_a_route_and_where() {
    let found = imported(
        "3.1.0",
        json!({ "/a?b=1": { "get": {} }, "/a": { "get": {} }, "/b": { "trace": {} }, "/c/{id}": { "get": {} }, "/c/{name}": { "get": {} },
            "/d": { "$ref": "other.yaml#/d" } }),
    );
    let refused: Vec<(&str, &str)> =
        found.refused.iter().map(|note| (note.operation.as_str(), note.at.as_str())).collect();
    let expected = [
        ("GET /a_b_1", "/paths/~1a?b=1/get"),
        ("TRACE /b", "/paths/~1b/trace"),
        ("GET /c/{name}", "/paths/~1c~1{name}/get"),
        ("/d", "/paths/~1d"),
    ];
    assert_eq!(refused, expected);
    assert_eq!(found.operations.len(), 2);
}

#[test]
fn a_document_that_says_nothing_of_security_is_not_public() {
    let (text, _) = route("get", "/a", json!({}));
    assert!(text.contains("authenticate = [\"api_key\", \"jwt\"]"), "{text}");
    let (text, _) = route("get", "/a", json!({ "security": [] }));
    assert!(text.contains("authenticate = \"public\"") && !text.contains("action_groups"), "{text}");
    let (text, _) = route("get", "/a", json!({ "security": [{}, { "key": [] }] }));
    assert!(text.contains("authenticate = \"optional\""), "{text}");
    let (text, _) = route("get", "/a", json!({ "security": [{ "token": ["read"] }] }));
    assert!(text.contains("authenticate = [\"jwt\"]") && text.contains("scopes = [\"read\"]"), "{text}");
    let (text, notes) = route("get", "/a", json!({ "security": [{ "none": [] }] }));
    assert!(text.contains("authenticate = [\"api_key\"]"), "{text}");
    assert_eq!(notes, ["`none` is not among `securitySchemes`: an API key takes its place"]);
}

#[test]
fn what_is_not_declared_is_refused() {
    let (text, _) = route("post", "/a", json!({ "operationId": "make" }));
    assert!(text.contains("max_body = \"0B\"") && text.contains("unknown_query = \"refuse\""), "{text}");
}

#[test]
fn names_are_operation_ids_else_method_and_path() {
    let found = imported(
        "3.1.0",
        json!({ "/a": { "get": { "operationId": "list" }, "post": {} }, "/b": { "get": { "operationId": "list" } } }),
    );
    let names: Vec<&str> = found.operations.iter().map(|operation| operation.name.as_str()).collect();
    assert_eq!(names, ["list", "POST /a", "GET /b"]);
    assert_eq!(found.operations[0].pattern, "GET /v1/a");
}

#[test]
fn segments_that_mix_text_and_parameters_have_a_pattern() {
    let (text, _) = route("get", "/a/{id}.json", json!({}));
    assert!(text.contains("match = \"GET /v1/a/{id}\""), "{text}");
    assert!(text.contains(r#"pattern = "^[^/]+\\.json$""#), "{text}");
}

#[test]
fn the_dialect_of_3_0_becomes_json_schema() {
    let own = json!({ "type": "object", "required": ["id", "n"], "properties": {
        "id": { "type": "string", "readOnly": true }, "n": { "type": "integer", "format": "int32", "nullable": true },
        "m": { "type": "number", "minimum": 0, "exclusiveMinimum": true }, "e": { "type": "string", "nullable": true, "enum": ["a"] },
        "r": { "nullable": true, "allOf": [{ "$ref": "#/components/schemas/Node" }] } } });
    let expected = json!({ "type": "object", "required": ["n"], "properties": {
        "id": false,
        "n": { "type": ["integer", "null"], "format": "int32", "minimum": i32::MIN, "maximum": i32::MAX },
        "m": { "type": "number", "exclusiveMinimum": 0 }, "e": { "type": ["string", "null"], "enum": ["a", null] },
        "r": { "anyOf": [{ "allOf": [{ "$ref": "#/$defs/Node" }] }, { "type": "null" }] } },
        "$defs": { "Node": { "type": "object", "properties": { "next": { "$ref": "#/$defs/Node" } } } } });
    assert_eq!(schema("3.0.3", own), (expected, vec![]));
}

#[test]
fn says_what_of_a_schema_is_not_judged() {
    let odd =
        json!({ "type": "string", "pattern": "(?=a)", "format": "phone", "x-a": 1, "description": "d", "frob": 1 });
    let (schema, mut notes) = schema("3.1.0", odd);
    assert_eq!(schema, json!({ "type": "string" }));
    notes.sort();
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(notes[0].starts_with("`format` is left out"), "{notes:?}");
    assert!(notes[1].starts_with("`frob` is not a word of schemas here"), "{notes:?}");
    assert!(notes[2].starts_with("`pattern` is left out"), "{notes:?}");
    let (_, notes) = self::schema("3.1.0", json!({ "$ref": "https://other.test/s.json" }));
    assert_eq!(notes, ["`https://other.test/s.json` is outside the document and is not fetched"]);
}

#[test]
fn importing_again_keeps_what_people_edited() {
    let first =
        imported("3.1.0", json!({ "/a": { "get": { "operationId": "a" } }, "/b": { "get": { "operationId": "b" } } }));
    let artefacts = Artefacts::of(&first, &wishes());
    let none = std::collections::BTreeSet::new();
    let (text, kept) = artefacts.routes(None, &none);
    assert_eq!(kept.new, ["a", "b"]);
    assert_eq!(artefacts.routes(Some(&text), &none), (text.clone(), Kept::default()));

    let edited = text.replace("match = \"GET /v1/a\"", "timeout = \"5s\"\nmatch = \"GET /v1/a\"")
        + "\n[[routes]]\nname = \"own\"\n";
    let second = imported(
        "3.1.0",
        json!({ "/a": { "get": { "operationId": "a", "security": [] } }, "/c": { "get": { "operationId": "c" } } }),
    );
    let (text, kept) = Artefacts::of(&second, &wishes()).routes(Some(&edited), &none);
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let expected =
        Kept { edited: names(&["a"]), behind: names(&["a"]), lost: names(&["b"]), new: names(&["c"]), changed: vec![] };
    assert_eq!(kept, expected);
    assert!(
        text.contains("timeout = \"5s\"") && text.contains("name = \"own\"") && !text.contains("name = \"b\""),
        "{text}"
    );
}

#[test]
fn a_generated_file_knows_whether_it_was_edited() {
    let body = json!({ "application/json": { "schema": { "type": "object" } }, "text/plain": {} });
    let found =
        imported("3.1.0", json!({ "/a": { "post": { "operationId": "a", "requestBody": { "content": body } } } }));
    let artefacts = Artefacts::of(&found, &wishes());
    for (path, text) in &artefacts.generated {
        assert!(!Artefacts::is_edited(text), "{path}");
        assert!(Artefacts::is_edited(&text.replacen("object", "array", 1).replacen("shop", "shops", 1)), "{path}");
    }
    assert_eq!(artefacts.generated.len(), 2);
}

#[test]
fn responses_become_schemas_where_asked() {
    let user = json!({ "type": "object", "required": ["id", "password"], "properties": {
        "id": { "type": "string", "readOnly": true }, "password": { "type": "string", "writeOnly": true } } });
    let operation = json!({ "operationId": "read", "responses": {
        "200": { "content": { "*/*": {}, "application/json; v=1": { "schema": user }, "text/csv": { "schema": {} } } },
        "4xx": { "content": { "application/problem+json": { "schema": true } } },
        "204": { "description": "none" }, "default": { "$ref": "#/components/responses/none" }, "x-odd": {} } });
    let document = document("3.1.0", json!({ "/a": { "get": operation } }));
    let responses =
        Some(Responses { mode: crate::mode::Mode::Enforce, undeclared: crate::validate::Undeclared::Strip });
    let found = Imported::of(&document, &Wishes { responses, ..wishes() });
    let operation = &found.operations[0];
    let expected = r#"responses = { mode = "enforce", undeclared = "strip", schemas = [
  { status = "200", media_type = "application/json", schema = "schemas/shop/read.200.json" },
  { status = "200", media_type = "text/csv" },
  { status = "200", media_type = "*/*" },
  { status = "4XX", media_type = "application/problem+json", schema = "schemas/shop/read.4XX.application_problem_json.json" },
] }"#;
    assert!(operation.block.text.contains(expected), "{}", operation.block.text);
    let schema: Value = serde_json::from_str(&operation.schemas[0].1).unwrap();
    let members = json!({ "id": { "type": "string" }, "password": false });
    assert_eq!(schema, json!({ "type": "object", "required": ["id"], "properties": members }));
    let notes: Vec<&str> = found.notes.iter().map(|note| note.message.as_str()).collect();
    let expected = [
        "answers of `*/*` pass unread, JSON among them",
        "`#/components/responses/none` is not in the document",
        "`x-odd` is not a status: such answers are not judged",
    ];
    assert_eq!(notes, expected);
    assert!(!Imported::of(&document, &wishes()).operations[0].block.text.contains("responses"));
}

#[test]
fn a_query_in_a_path_is_a_parameter_that_must_be_there() {
    let (text, notes) = route("get", "/a?kind=x%20y&raw", json!({}));
    assert!(text.contains("match = \"GET /v1/a\""), "{text}");
    for (name, value) in [("kind", "x y"), ("raw", "")] {
        let entry =
            format!(r#"{{ in = "query", name = "{name}", required = true, schema = {{ enum = ["{value}"] }} }}"#);
        assert!(text.contains(&entry), "{entry} in {text}");
    }
    assert_eq!(notes, ["a path has no query: what this one prescribes is a parameter that must be there"]);
}

#[test]
fn what_documents_say_in_other_words_is_understood() {
    let odd = json!({ "required": ["n", "n"], "properties": { "id": { "format": "guid" }, "at": { "format": "url" },
        "n": { "minimum": 0, "exclusiveMinimum": true } } });
    let expected = json!({ "required": ["n"], "properties": { "id": { "format": "uuid" }, "at": { "format": "uri" },
        "n": { "exclusiveMinimum": 0 } } });
    assert_eq!(schema("3.1.0", odd), (expected, vec![]));
    let state =
        json!({ "in": "query", "name": "state", "schema": { "type": ["string", "null"], "enum": ["open", null] } });
    let (text, notes) = route("get", "/a", json!({ "parameters": [state] }));
    assert!(text.contains(r#"schema = { type = ["string", "null"], enum = ["open"] }"#), "{text}");
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn a_schema_that_refers_to_itself_by_an_anchor_does_so_by_name() {
    let filter = json!({ "$recursiveAnchor": true, "properties": { "all": { "items": { "$recursiveRef": "#" } } } });
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Filter" } } });
    let root = json!({ "openapi": "3.1.0", "components": { "schemas": { "Filter": filter } },
        "paths": { "/a": { "post": { "requestBody": { "content": content } } } } });
    let found = Imported::of(&Document::of(root).unwrap(), &wishes());
    let schema: Value = serde_json::from_str(&found.operations[0].schemas[0].1).unwrap();
    let items = json!({ "items": { "$ref": "#/$defs/Filter" } });
    assert_eq!(schema["$defs"]["Filter"], json!({ "properties": { "all": items } }));
    assert_eq!(found.notes, []);
}

#[test]
fn no_two_operations_share_a_file() {
    let body = json!({ "content": { "application/json": { "schema": { "type": "object" } } } });
    let make = |id: &str| json!({ "post": { "operationId": id, "requestBody": body } });
    let found = imported("3.1.0", json!({ "/a": make("a/b"), "/b": make("a_b"), "/c": make("A_B") }));
    let files: Vec<&str> = found.operations.iter().map(|operation| operation.schemas[0].0.as_str()).collect();
    assert_eq!(files, ["a_b.json", "a_b_2.json", "A_B_3.json"]);
}
