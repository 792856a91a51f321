use std::fmt::Write as _;

use cedar_policy::{PolicySet, SchemaFragment};

use super::{FEW, doubtful};
use crate::authorize::fault::Source;
use crate::authorize::{Hands, Policies};

/// More actions than are tried at once, beside those of interest.
fn schema() -> String {
    let mut text = "namespace App { entity Group; entity User in [Group] { level?: Long }; entity Thing { open: Bool };
        action \"all\"; action \"look\" in [\"all\"] appliesTo { principal: [User], resource: [Thing] };
        action \"move\" in [App::Action::\"all\"] appliesTo { principal: [User], resource: [Thing] }; }\n
        action \"own\"; action \"only\" in [\"own\"] appliesTo { principal: [App::User], resource: [App::Thing], context: { by: Long } };\n"
        .to_owned();
    for at in 0..FEW {
        let _ = writeln!(
            text,
            "action \"a{at}\" in [\"own\"] appliesTo {{ principal: [App::User], resource: [App::Thing] }};"
        );
    }
    text
}

const FINE: [&str; 6] = [
    "permit (principal is App::User, action == App::Action::\"look\", resource) when { resource.open };",
    "permit (principal in App::Group::\"g\", action == Action::\"a7\", resource);",
    "forbid (principal, action == App::Action::\"move\", resource) when { action in App::Action::\"all\" && !resource.open };",
    "permit (principal, action, resource == App::Thing::\"t\");",
    "permit (principal, action in [App::Action::\"look\", App::Action::\"move\"], resource);",
    "permit (principal, action in Action::\"own\", resource) when { action == Action::\"a40\" };",
];

/// Not told by the small schema alone.
const DOUBTFUL: [&str; 1] =
    ["permit (principal, action == Action::\"a8\", resource) when { action != Action::\"a40\" };"];

const FAULTY: [(&str, &str); 8] = [
    (
        "permit (principal, action == Action::\"a9\", resource) when { resource.colour == 1 };",
        "attribute `colour` on entity type `App::Thing` not found",
    ),
    ("permit (principal, action == Action::\"a9x\", resource);", "unrecognized action `Action::\"a9x\"`"),
    ("permit (principal is App::Thing, action == Action::\"a9\", resource);", "unable to find an applicable action"),
    ("permit (principal, action == Action::\"a9\", resource) when { false };", "impossible"),
    ("permit (principal, action in Action::\"own\", resource) when { context.by == 1 };", "attribute `by`"),
    ("permit (principal, action, resource) unless { resource.colour == 1 };", "attribute `colour`"),
    ("permit (principal, action in Action::\"owm\", resource);", "unrecognized action `Action::\"owm\"`"),
    ("permit (principal, action in Action::\"own\", resource) when { action in App::Action::\"all\" };", "impossible"),
];

fn doubted(policies: &str) -> usize {
    let json = SchemaFragment::from_cedarschema_str(&schema()).unwrap().0.to_json_value().unwrap();
    doubtful(&json, &policies.parse::<PolicySet>().unwrap()).unwrap().num_of_policies()
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
        // Cedar may tell of each action.
        assert!(!told.is_empty() && told.iter().all(|told| told.contains(message)), "{policy}: {told:#?}");
    }
}

#[test]
fn what_is_right_under_one_action_of_each_kind_is_not_tried_under_all() {
    for policy in FINE {
        assert_eq!(doubted(policy), 0, "{policy}");
    }
    for policy in DOUBTFUL {
        assert_eq!(doubted(policy), 1, "{policy}");
    }
    assert_eq!(compile(&[&FINE[..], &DOUBTFUL[..]].concat().join("\n")), Ok(vec![]));
}

/// Before anything is served, two threads compile what is large.
#[test]
fn two_hands_find_what_one_finds() {
    let mut text = schema();
    for at in 0..1000 {
        let _ = writeln!(text, "action \"more{at}\" appliesTo {{ principal: [App::User], resource: [App::Thing] }};");
    }
    assert!(text.len() > crate::authorize::policies::LARGE);
    let (schema, fine) = (Source { file: "s".into(), text: text.clone() }, FINE.join("\n"));
    let by = |hands: Hands, schema: &Source, policies: &str| {
        let compiled = Policies::compile_by(hands, schema, &[Source { file: "p".into(), text: policies.into() }]);
        compiled.map(|policies| policies.ids().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(by(Hands::Two, &schema, &fine).unwrap().len(), FINE.len());
    let torn = Source { file: "s".into(), text: format!("{text} action") };
    for (schema, policies) in [
        (&schema, fine.clone()),
        (&schema, format!("{fine} {}", FAULTY[0].0)),
        (&schema, format!("{fine} permit")),
        (&torn, fine.clone()),
        (&torn, format!("{fine} permit")),
    ] {
        assert_eq!(by(Hands::Two, schema, &policies), by(Hands::One, schema, &policies));
    }
}
