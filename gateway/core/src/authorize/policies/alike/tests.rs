use std::fmt::Write as _;

use cedar_policy::SchemaFragment;
use serde_json::Value;

use super::shortened;
use crate::authorize::Policies;
use crate::authorize::fault::Source;

const HEAD: &str = "// Who asks; \"quoted\".\nentity User { tags?: Set<String> }; entity Thing, Other;\n";
const TAIL: &str = "appliesTo { principal: User, /*no*/ resource: [Thing, Other] };\n";

/// `HEAD`, sixty actions that are alike and whatever else.
fn schema(more: &str) -> String {
    let mut text = format!("{HEAD}action all; action some;\n");
    for at in 0..60 {
        let _ = writeln!(
            text,
            "// Number {at}; {{\naction \"a {at}\\u{{41}}; //\" // its name\n in [\"all\", Action::\"some\"] {}",
            plain()
        );
    }
    format!("{text}{more}")
}

fn plain() -> String {
    TAIL.replace("/*no*/ ", "")
}

fn json(text: &str) -> Value {
    SchemaFragment::from_cedarschema_str(text).unwrap().0.to_json_value().unwrap()
}

#[test]
fn says_the_same_with_fewer_declarations() {
    let others = "@doc(\"x\") action \"noted\" in [all]; action one, \"two\" in [all]; action b in [all];
        namespace A { action \"within\" in [\"up\"]; action \"up\"; entity E; }
        type T = { a: Set<Long> }; entity F { t: T } tags Long;";
    let text = schema(others);
    let short = shortened(&text).unwrap();
    let typed = |mut json: Value| {
        for action in json[""]["actions"].as_object_mut().unwrap().values_mut() {
            for group in action["memberOf"].as_array_mut().into_iter().flatten() {
                // What it is where it is not said.
                group.as_object_mut().unwrap().entry("type").or_insert_with(|| "Action".into());
            }
        }
        json
    };
    assert_eq!(typed(json(&short)), typed(json(&text)));
    assert!(short.len() < text.len() / 2, "{short}");
    assert_eq!(short.matches("appliesTo").count(), 1, "{short}");
    assert!(short.contains("in [Action::\"all\",Action::\"some\"]appliesTo"), "{short}");
}

#[test]
fn leaves_a_short_one_alone() {
    for text in ["", HEAD, "action a; action b;"] {
        assert_eq!(shortened(text), None, "{text}");
    }
}

#[test]
fn leaves_what_is_not_whole_alone() {
    for more in
        ["action", "action \"x\" in [all", "namespace A { action b;", "}", "\"", "action é;", "action \"x\" in [all]"]
    {
        assert_eq!(shortened(&schema(more)), None, "{more}");
    }
}

/// What is wrong with it is told as of the text that was written.
#[test]
fn hides_no_fault() {
    let policies = [Source { file: "p".into(), text: "permit (principal, action, resource);".into() }];
    let faults = |more: &str| {
        let schema = Source { file: "s".into(), text: schema(more) };
        let faults = Policies::compile(&schema, &policies).unwrap_err();
        faults.iter().map(|fault| (fault.message.clone(), fault.offset.is_some())).collect::<Vec<_>>()
    };
    let twice = format!("action \"a 7A; //\" in [\"all\", Action::\"some\"] {}", plain());
    for (more, message) in [
        (twice.as_str(), "`a 7A; //`"),
        ("action \"x\" in [\"nowhere\"];", "nowhere"),
        ("action , \"x\" in [all];", "unexpected token"),
        ("action in in [all];", "in"),
        ("action \"x\" in [all] appliesTo { principal: Usr, resource: Thing };", "Usr"),
        ("action \"x\" in [all] appliesTo { principal: User };", "resource"),
    ] {
        let told = faults(more);
        assert!(told.iter().any(|(told, placed)| told.contains(message) && *placed), "{more}: {told:?}");
    }
}

/// Cedar warns of a name of its own, at its place.
#[test]
fn hides_no_warning() {
    let schema = Source { file: "s".into(), text: schema("type String = { a: Long };") };
    let policies = [Source { file: "p".into(), text: "permit (principal, action, resource);".into() }];
    let compiled = Policies::compile(&schema, &policies);
    let told: Vec<_> = match &compiled {
        Ok(policies) => policies.warnings().iter().collect(),
        Err(faults) => faults.iter().collect(),
    };
    assert!(told.iter().any(|fault| fault.message.contains("String") && fault.offset.is_some()), "{told:?}");
}
