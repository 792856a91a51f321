//! Does a document become a project that holds together, and stay in step?

use std::path::Path;
use std::process::Command;

use portcullis_tests::binary;
use tempfile::TempDir;

const DOCUMENT: &str = r##"openapi: 3.0.3
info: { title: Shop, version: "1" }
servers: [{ url: "http://127.0.0.1:3000/api" }]
paths:
  /things/{id}:
    parameters: [{ in: path, name: id, required: true, schema: { type: integer } }]
    get: { operationId: getThing, responses: { 200: { description: ok } } }
    put:
      operationId: putThing
      requestBody:
        required: true
        content:
          application/json: { schema: { $ref: "#/components/schemas/Thing" } }
          multipart/form-data: { schema: { type: object, properties: { file: { type: string, format: binary } } } }
      responses: { 200: { description: ok } }
  /health:
    get: { operationId: health, security: [], responses: { 200: { description: ok } } }
components:
  schemas:
    Thing: { type: object, required: [name], properties: { name: { type: string, nullable: true } } }
"##;

fn run(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary::path()).current_dir(folder).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), DOCUMENT).unwrap();
    let (code, said) = run(folder.path(), &["init", "--openapi", "shop.yaml"]);
    assert_eq!(code, 0, "{said}");
    folder
}

fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn begins_only_where_nothing_is() {
    let folder = project();
    let (code, said) = run(folder.path(), &["init"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is there already, and nothing is overwritten"), "{said}");
}

#[test]
fn begins_a_project_that_holds_without_a_document() {
    let folder = TempDir::new().unwrap();
    let (code, said) = run(folder.path(), &["init", "--upstream", "http://127.0.0.1:4000"]);
    assert_eq!(code, 0, "{said}");
    let next: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  portcullis ")).collect();
    assert_eq!(next, ["check", "run", "keys create --name me --owner me@example.com --role writers"]);
    holds(folder.path());
}

/// Nothing is to be said of what nobody has touched.
fn holds(folder: &Path) {
    for arguments in
        [&["check", "--offline"][..], &["policy", "check"], &["policy", "test"], &["policy", "fmt", "--check"]]
    {
        let (code, said) = run(folder, arguments);
        assert_eq!((code, said.contains("warning")), (0, false), "{arguments:?}: {said}");
    }
}

#[test]
fn a_document_becomes_a_project_that_is_in_step() {
    let folder = project();
    holds(folder.path());
    for arguments in [&["import", "shop.yaml", "--check"][..], &["import", "shop.yaml"]] {
        let (code, said) = run(folder.path(), arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
        assert!(!said.contains("warning"), "{said}");
    }
    let (code, said) = run(folder.path(), &["route", "GET", "/api/things/7"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("getThing"), "{said}");
}

#[test]
fn responses_are_taken_over_where_asked() {
    let folder = project();
    let thing =
        "200: { description: ok, content: { application/json: { schema: { $ref: \"#/components/schemas/Thing\" } } } }";
    change(
        folder.path(),
        "shop.yaml",
        "getThing, responses: { 200: { description: ok } }",
        &format!("getThing, responses: {{ {thing} }}"),
    );
    let asked = ["import", "shop.yaml", "--responses", "enforce", "--strip"];
    let (code, said) = run(folder.path(), &asked);
    assert_eq!(code, 0, "{said}");
    for arguments in [&["check", "--offline"][..], &[&asked[..], &["--check"]].concat()] {
        let (code, said) = run(folder.path(), arguments);
        assert_eq!(code, 0, "{arguments:?}: {said}");
    }
    let (code, said) = run(folder.path(), &["route", "GET", "/api/things/7"]);
    assert_eq!((code, said.contains("answers       enforce")), (0, true), "{said}");
    // Without it they are not asked for.
    let (code, said) = run(folder.path(), &["import", "shop.yaml", "--check"]);
    assert_eq!((code, said.contains("getThing.200.json: nothing in the document needs it")), (1, true), "{said}");
}

#[test]
fn names_every_operation_without_a_route_or_a_policy_and_every_route_without_an_operation() {
    let folder = project();
    std::fs::write(
        folder.path().join("policies/shop.cedar"),
        "permit (principal, action == Action::\"health\", resource);",
    )
    .unwrap();
    change(folder.path(), "shop.yaml", "  /health:", "  /status:");
    change(folder.path(), "shop.yaml", "operationId: health", "operationId: status");
    change(folder.path(), "shop.yaml", "type: integer", "type: string");
    let (code, said) = run(folder.path(), &["import", "shop.yaml", "--check"]);
    assert_eq!(code, 1, "{said}");
    for finding in [
        "no policy covers `getThing`",
        "no policy covers `putThing`",
        "no route covers `status` (#/paths/~1status/get): GET /api/status",
        "route `health` in config/routes/shop.toml: the document has lost its operation",
        "route `getThing` in config/routes/shop.toml: the document says something else now: import it again",
    ] {
        assert!(said.contains(finding), "{finding}\n{said}");
    }
}

#[test]
fn importing_again_keeps_what_people_edited_and_says_so() {
    let folder = project();
    change(
        folder.path(),
        "config/routes/shop.toml",
        "match = \"GET /api/things/{id}\"",
        "timeout = \"5s\"\nmatch = \"GET /api/things/{id}\"",
    );
    let schema = "config/schemas/shop/putThing.json";
    change(folder.path(), schema, "\"name\"", "\"title\"");
    let (code, said) = run(folder.path(), &["import", "shop.yaml"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("kept as edited: route `getThing`") && said.contains(&format!("kept as edited: {schema}")),
        "{said}"
    );
    let routes = std::fs::read_to_string(folder.path().join("config/routes/shop.toml")).unwrap();
    assert!(routes.contains("timeout = \"5s\""), "{routes}");
}
