use std::fmt::Write as _;

use cedar_policy::{PolicySet, SchemaFragment};

use super::{FEW, doubtful};
use crate::authorize::Policies;
use crate::authorize::fault::Source;
use crate::authorize::policies::Described;

/// More actions than are tried at once, beside those of interest.
fn schema() -> String {
    let mut text = "namespace App { entity Group; entity User in [Group] { level?: Long }; entity Thing { open: Bool };
        action \"all\"; action \"look\" in [\"all\"] appliesTo { principal: [User], resource: [Thing] };
        action \"move\" in [App::Action::\"all\"] appliesTo { principal: [User], resource: [Thing] }; }\n"
        .to_owned();
    for at in 0..FEW {
        let _ = writeln!(text, "action \"a{at}\" appliesTo {{ principal: [App::User], resource: [App::Thing] }};");
    }
    text
}

const FINE: [&str; 3] = [
    "permit (principal is App::User, action == App::Action::\"look\", resource) when { resource.open };",
    "permit (principal in App::Group::\"g\", action == Action::\"a7\", resource);",
    "forbid (principal, action == App::Action::\"move\", resource) when { action in App::Action::\"all\" && !resource.open };",
];

/// Not told by the small schema alone.
const DOUBTFUL: [&str; 3] = [
    "permit (principal, action, resource == App::Thing::\"t\");",
    "permit (principal, action in [App::Action::\"look\", App::Action::\"move\"], resource);",
    "permit (principal, action == Action::\"a8\", resource) when { action != Action::\"a40\" };",
];

const FAULTY: [(&str, &str); 4] = [
    (
        "permit (principal, action == Action::\"a9\", resource) when { resource.colour == 1 };",
        "attribute `colour` on entity type `App::Thing` not found",
    ),
    ("permit (principal, action == Action::\"a9x\", resource);", "unrecognized action `Action::\"a9x\"`"),
    ("permit (principal is App::Thing, action == Action::\"a9\", resource);", "unable to find an applicable action"),
    ("permit (principal, action == Action::\"a9\", resource) when { false };", "impossible"),
];

fn doubted(policies: &str) -> usize {
    let schema_of: cedar_policy::Schema = schema().parse().unwrap();
    let described = Described {
        actions: schema_of.action_entities().unwrap(),
        schema: schema_of,
        json: SchemaFragment::from_cedarschema_str(&schema()).unwrap().0.to_json_value().unwrap(),
    };
    doubtful(&described, &policies.parse::<PolicySet>().unwrap()).unwrap().num_of_policies()
}

fn compile(policies: &str) -> Result<Vec<String>, Vec<String>> {
    let source = |file: &str, text: &str| Source { file: file.into(), text: text.into() };
    match Policies::compile(&source("s", &schema()), &[source("p", policies)]) {
        Ok(compiled) => Ok(compiled.warnings().iter().map(|fault| fault.message.clone()).collect()),
        Err(faults) => Err(faults.iter().map(|fault| fault.message.clone()).collect()),
    }
}

#[test]
fn what_is_wrong_is_told_by_the_whole_schema() {
    for (policy, message) in FAULTY {
        assert_eq!(doubted(policy), 1, "{policy}");
        let told = compile(&[&FINE[..], &[policy]].concat().join("\n")).unwrap_err();
        assert!(told.len() == 1 && told[0].contains(message), "{policy}: {told:#?}");
    }
}

#[test]
fn what_is_right_under_its_own_action_is_not_tried_under_all() {
    for policy in FINE {
        assert_eq!(doubted(policy), 0, "{policy}");
    }
    for policy in DOUBTFUL {
        assert_eq!(doubted(policy), 1, "{policy}");
    }
    assert_eq!(compile(&[&FINE[..], &DOUBTFUL[..]].concat().join("\n")), Ok(vec![]));
}
