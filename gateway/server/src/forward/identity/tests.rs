use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use portcullis_core::identify::{AuthMethod, Identity, Principal};

use super::{IdentityNames, local_name};

fn names() -> IdentityNames {
    let name = |name: &'static str| Some(HeaderName::from_static(name));
    IdentityNames {
        user: name("x-sub"),
        email: name("x-mail"),
        groups: name("x-groups"),
        auth: None,
        assertion: HeaderName::from_static("x-portcullis-assertion"),
    }
}

fn written(identity: &Identity) -> Vec<String> {
    let mut head = HeaderMap::new();
    names().write(identity, |name, value| drop(head.insert(name, value)));
    head.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

fn user(subject: &str, groups: &[&str], email: Option<&str>) -> Identity {
    let mut identity = Identity::anonymous();
    identity.principal = Principal::User(format!("demo|{subject}").into());
    identity.method = AuthMethod::Jwt;
    identity.groups = groups.iter().map(|group| Arc::from(*group)).collect();
    identity.email = email.map(Arc::from);
    identity
}

#[test]
fn says_nothing_of_nobody() {
    assert_eq!(written(&Identity::anonymous()), Vec::<String>::new());
}

#[test]
fn writes_what_is_known_under_the_names_that_were_chosen() {
    assert_eq!(written(&user("alice", &[], None)), ["x-sub: alice"]);
    let whole = user("alice", &["demo|writers", "keys|a"], Some("a@b.example"));
    assert_eq!(written(&whole), ["x-sub: alice", "x-mail: a@b.example", "x-groups: \"writers\", \"a\""]);
}

#[test]
fn no_text_of_an_issuer_can_forge_a_second_field_or_item() {
    let hostile = user("a\r\nx-admin: 1", &["demo|a\", \"b", "demo|c\\"], Some("é%@b"));
    assert_eq!(
        written(&hostile),
        ["x-sub: a%0D%0Ax-admin: 1", "x-mail: %C3%A9%25@b", "x-groups: \"a\\\", \\\"b\", \"c\\\\\""]
    );
}

#[test]
fn who_differs_in_spaces_alone_is_somebody_else() {
    // A server takes the spaces around a value away.
    let told =
        ["alice", " alice", "alice ", "al ice", "  "].map(|subject| written(&user(subject, &[], None)).remove(0));
    assert_eq!(told, ["x-sub: alice", "x-sub: %20alice", "x-sub: alice%20", "x-sub: al ice", "x-sub: %20%20"]);
}

#[test]
fn every_name_is_among_those_that_are_stripped() {
    let all: Vec<_> = names().all().map(|name| name.as_str().to_owned()).collect();
    assert_eq!(all, ["x-sub", "x-mail", "x-groups", "x-portcullis-assertion", "remote-name"]);
}

#[test]
fn a_group_is_told_as_its_issuer_names_it() {
    assert_eq!([local_name("demo|a|b"), local_name("bare")], ["a|b", "bare"]);
}
