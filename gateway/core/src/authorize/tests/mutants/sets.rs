//! What is shipped: the policies of the demo, those about administrators, and those that projects begin with.

use super::*;
use crate::authorize::tests::shipped::{folder, sources};
use crate::govern;
use crate::openapi::{Artefacts, Certificates, Document, Imported, Tokens, Wishes};

fn read(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap()
}

/// Whether lists of cases hold, for policies as the gateway compiles them.
fn pass(cases: &[Source]) -> impl Fn(&Source, &str) -> bool {
    |schema, policies| {
        let compiled = Policies::compile(schema, &[source("all.cedar", policies)]);
        compiled.is_ok_and(|compiled| compiled.run_cases(cases).unwrap().passed())
    }
}

#[test]
fn every_slip_in_a_policy_of_the_demo_is_noticed() {
    let cases = sources(&folder().join("tests"), "json");
    let files = sources(&folder(), "cedar").into_iter().filter(|source| source.file != govern::FILE);
    Set {
        schema: source("schema.cedarschema", &read("schema.cedarschema")),
        policies: files.map(|source| source.text).collect::<Vec<_>>().join("\n"),
        passes: &pass(&cases),
        same: &[
            ("anybody-sees-public-pages: no action", "the schema has no other action for `Anonymous`"),
            ("anybody-sees-public-pages: no principal", "the schema has these actions for nobody else"),
            ("suspended-users-are-refused: no principal", "nobody but a `User` has the attribute that is asked for"),
        ],
    }
    .holds(60);
}

#[test]
fn every_slip_in_a_policy_about_administrators_is_noticed() {
    let cases = source("cases.json", &read("tests/admin/cases.json"));
    let entities = read("tests/admin/entities.json");
    Set {
        schema: source("admin.cedarschema", govern::SCHEMA),
        policies: govern::POLICIES.to_owned(),
        passes: &|schema, policies| {
            let read = |named: &str| match named {
                "admin.cedarschema" => Some(schema.text.clone()),
                "admin.cedar" => Some(policies.to_owned()),
                _ => Some(entities.clone()),
            };
            // As the gateway compiles them, which refuses policies that never apply.
            Policies::compile(schema, &[source("admin.cedar", policies)]).is_ok()
                && run_whole(&cases, &read).unwrap().is_ok_and(|report| report.passed())
        },
        same: &[
            ("Key: owner required: false", "no policy that is shipped looks at it"),
            ("applyRevision: memberOf without 0", "no policy that is shipped speaks of `administer`"),
            ("deleteBackup: memberOf without 0", "no policy that is shipped speaks of `administer`"),
            ("rollBackRevision: memberOf without 0", "no policy that is shipped speaks of `administer`"),
            (
                "key-managers-manage-the-keys-of-their-projects: no action",
                "whatever can be done to a `Key` is one of these actions",
            ),
            ("key-managers-manage-the-keys-of-their-projects: no resource", "these actions are for a `Key` alone"),
            ("only-admins-make-administrators: no resource", "these actions are for a `Key` alone"),
        ],
    }
    .holds(90);
}

#[test]
fn the_cases_about_administrators_touch_every_policy() {
    let cases = source("cases.json", &read("tests/admin/cases.json"));
    let report = run_whole(&cases, &|named| {
        Some(read(if named == "entities.json" { "tests/admin/entities.json" } else { named }))
    });
    let report = report.unwrap().unwrap();
    assert!(report.passed() && report.untouched.is_empty(), "{report:#?}");
}

/// Projects begin with more kinds of callers than they let in.
const UNUSED: [(&str, &str); 4] = [
    ("Client: memberOfTypes without 0", "nobody but keys is let in yet"),
    ("User: email required: true", "nobody but keys is let in yet"),
    ("User: memberOfTypes without 0", "nobody but keys is let in yet"),
    ("User: without email", "nobody but keys is let in yet"),
];

#[test]
fn every_slip_in_a_policy_that_a_project_begins_with_is_noticed() {
    let cli = |file: &str| read(&format!("../gateway/server/src/cli/{file}"));
    Set {
        schema: source("schema.cedarschema", &(cli("import/schema.cedarschema") + &cli("init/actions.cedarschema"))),
        policies: cli("init/app.cedar"),
        passes: &pass(&[source("app.json", &cli("init/app.json"))]),
        same: &UNUSED,
    }
    .holds(20);
    Set {
        schema: source("schema.cedarschema", &cli("run/quick/schema.cedarschema")),
        policies: cli("run/quick/app.cedar"),
        passes: &pass(&[source("app.json", &cli("run/quick/app.json"))]),
        same: &[],
    }
    .holds(3);
}

#[test]
fn every_slip_in_a_policy_that_an_import_begins_is_noticed() {
    let operation = |security: Value| json!({ "responses": {}, "security": security });
    let document = json!({ "openapi": "3.1.0", "info": { "title": "shop" }, "paths": {
        "/things": { "get": operation(json!([{ "key": [] }])), "post": operation(json!([{ "key": [] }])) },
        "/health": { "get": operation(json!([])) }, "/status": { "get": operation(json!([])) } },
        "components": { "securitySchemes": { "key": { "type": "apiKey" } } } });
    let wishes = Wishes {
        name: "shop".to_owned(),
        upstream: "app".to_owned(),
        tokens: Tokens::None,
        certificates: Certificates::None,
        responses: None,
    };
    let artefacts = Artefacts::of(&Imported::of(&Document::of(document).unwrap(), &wishes), &wishes);
    let all = || artefacts.generated.iter().chain(&artefacts.begun);
    let text = |end: &str| all().find(|(path, _)| path.ends_with(end)).unwrap().1.clone();
    Set {
        schema: source(
            "schema.cedarschema",
            &(read("../gateway/server/src/cli/import/schema.cedarschema") + &text(".cedarschema")),
        ),
        policies: text(".cedar"),
        passes: &pass(&[source("shop.json", &text(".json"))]),
        same: &[
            &UNUSED[..],
            &[
                ("shop-public: no action", "the schema has no other action for `Anonymous`"),
                ("shop-public: no principal", "the schema has these actions for nobody else"),
            ],
        ]
        .concat(),
    }
    .holds(20);
}
