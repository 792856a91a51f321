use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::json;

use super::{AdminConfig, Governance, KeyFacts, Role, Source, Subject};
use crate::identify::{
    Authenticate, Bearer, Certificates, Demands, Identify, Identity, Judges, LoginDemands, Method, Principal, StepUp,
};
use crate::refusal::Code;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn governance(source: Option<&str>) -> Governance {
    let judges = Arc::new(Judges::new(Bearer::compile(&BTreeMap::new()).unwrap(), Certificates::NeverAsked));
    let demands = Demands {
        authenticate: &Authenticate::AnyOf(vec![Method::ApiKey]),
        scopes: &[],
        issuers: &[],
        audiences: &[],
        step_up: StepUp::default(),
        login: LoginDemands::default(),
    };
    let identify = Identify::compile(&demands, &judges).unwrap();
    let roles = BTreeMap::from([("company|platform".to_owned(), vec![Role::Admin])]);
    let config = AdminConfig { roles, ..AdminConfig::default() };
    let source = source.map(|text| Source { file: "admin.cedar".to_owned(), text: text.to_owned() });
    Governance::compile(source, &config, identify).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn key(roles: &[&str], project: Option<&str>) -> Identity {
    let mut identity = Identity::anonymous();
    identity.principal = Principal::ApiKey("k".into());
    identity.groups = roles.iter().map(|role| Arc::from(format!("keys|{role}"))).collect();
    if let Some(project) = project {
        identity.attributes.insert("project".to_owned(), json!(project));
    }
    identity
}

fn may(who: &Identity, operation: &str, subject: Subject<'_>) -> bool {
    let governance = governance(None);
    let who = governance.administrator(who).unwrap().expect("an administrator");
    governance.may(&who, operation, subject, HERE).is_ok()
}

#[test]
fn a_key_without_an_admin_role_is_no_administrator() {
    let governance = governance(None);
    for roles in [&[][..], &["admin", "viewer"], &["portcullis:emperor"], &["portcullis"]] {
        assert!(governance.administrator(&key(roles, None)).unwrap().is_none(), "{roles:?}");
    }
    assert!(governance.administrator(&Identity::anonymous()).unwrap().is_none());
}

#[test]
fn a_key_manager_is_bound_to_its_projects() {
    let manager = key(&["portcullis:key-manager"], Some("a"));
    let of = |project| Subject::Key(KeyFacts { id: "x", project, ..KeyFacts::default() });
    for operation in ["showKey", "createKey", "revokeKey"] {
        assert!(may(&manager, operation, of(Some("a"))), "{operation}");
        assert!(!may(&manager, operation, of(Some("b"))), "{operation}");
        assert!(!may(&manager, operation, of(None)), "{operation}");
        assert!(!may(&key(&["portcullis:key-manager"], None), operation, of(None)), "{operation}");
    }
    assert!(may(&manager, "listKeys", Subject::Gateway));
    assert!(!may(&manager, "reloadConfig", Subject::Gateway));
    assert!(!may(&manager, "showStatus", Subject::Gateway));
}

#[test]
fn only_an_admin_makes_administrators() {
    let roles = vec!["readers".to_owned(), "portcullis:viewer".to_owned()];
    let subject = Subject::Key(KeyFacts { project: Some("a"), roles: &roles, ..KeyFacts::default() });
    assert!(!may(&key(&["portcullis:key-manager"], Some("a")), "createKey", subject));
    assert!(may(&key(&["portcullis:admin"], None), "createKey", subject));
    let governance = governance(None);
    let holder = governance.holder_of_the_admin_key().unwrap();
    assert!(governance.may(&holder, "createKey", subject, HERE).is_ok());
}

#[test]
fn groups_of_a_person_mean_roles() {
    let governance = governance(None);
    let mut person = Identity::anonymous();
    person.principal = Principal::User("company|ann".into());
    person.groups = vec!["company|platform".into()];
    let ann = governance.administrator(&person).unwrap().unwrap();
    assert_eq!(&*ann.actor, r#"User::"company|ann""#);
    assert!(governance.may(&ann, "reloadConfig", Subject::Gateway, HERE).is_ok());
    // A group of that name elsewhere, and a key's role of that name, mean nothing.
    person.groups = vec!["other|platform".into(), "keys|portcullis:admin".into()];
    let ann = governance.administrator(&person).unwrap().unwrap();
    let denied = governance.may(&ann, "showStatus", Subject::Gateway, HERE).unwrap_err();
    assert_eq!(denied.refusal.code, Code::Forbidden);
}

#[test]
fn an_operation_that_the_schema_does_not_know_is_refused() {
    let governance = governance(None);
    let holder = governance.holder_of_the_admin_key().unwrap();
    let denied = governance.may(&holder, "dropEverything", Subject::Gateway, HERE).unwrap_err();
    assert_eq!(denied.refusal.code, Code::PolicyError);
}

#[test]
fn policies_of_the_operator_take_the_place_of_ours() {
    let governance = governance(Some(
        r#"permit (principal in Role::"viewer", action == Action::"showStatus", resource)
           when { context.ip.isLoopback() };"#,
    ));
    let viewer = governance.administrator(&key(&["portcullis:viewer"], None)).unwrap().unwrap();
    assert!(governance.may(&viewer, "showStatus", Subject::Gateway, HERE).is_ok());
    assert!(governance.may(&viewer, "listKeys", Subject::Gateway, HERE).is_err());
    let far = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert!(governance.may(&viewer, "showStatus", Subject::Gateway, far).is_err());
    let holder = governance.holder_of_the_admin_key().unwrap();
    assert!(governance.may(&holder, "showStatus", Subject::Gateway, HERE).is_err());
}
