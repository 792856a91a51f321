use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use serde_json::{Value, json};

use super::*;
use crate::answer::{Answer, StoreDown};
use crate::gather::{Ask, Thing};

/// An app that answers by the last part of the URL, and counts.
struct App(Value, Mutex<usize>);

impl Things for App {
    fn thing(&self, ask: Ask) -> Answer<'_, Result<Thing, StoreDown>> {
        *self.1.lock().unwrap() += 1;
        let id = ask.url.rsplit('/').next().unwrap();
        match self.0.get(id) {
            Some(Value::Null) => Answer::Ready(Err(StoreDown { what: "the app" })),
            told => Answer::Ready(Ok(told.and_then(Value::as_object).cloned().map(Arc::new))),
        }
    }
}

fn config(kind: &str, from: &str, parents: &str) -> (String, HierarchyConfig) {
    let place = if from == "http" { ("url", "http://app.test/{id}") } else { ("file", "told.json") };
    let config = json!({ "from": from, place.0: place.1, "parents": [parents] });
    (kind.to_owned(), serde_json::from_value(config).unwrap())
}

fn uid(text: &str) -> EntityUid {
    EntityUid::from_str(text).unwrap()
}

fn told(file: &Value) -> Result<Hierarchy, Vec<HierarchyFault>> {
    let text = file.to_string();
    let configs = BTreeMap::from([config("Group", "file", "Group::\"{in}\"")]);
    Hierarchy::compile(&configs, |path| (path == Path::new("told.json")).then_some(text.as_bytes()))
}

fn fault(file: &Value) -> String {
    told(file).unwrap_err().remove(0).2.message
}

/// `a0` in `a1` in … `aN`.
fn chain(n: usize) -> Value {
    (0..n)
        .map(|at| (format!("a{at}"), json!({ "in": format!("a{}", at + 1) })))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn refuses_files_that_lead_back_or_too_far() {
    let around = json!({ "a": { "in": "b" }, "b": { "in": "c" }, "c": { "in": "b" } });
    assert_eq!(fault(&around), r#"Group::"a": what it is in leads back to itself at Group::"b""#);
    assert_eq!(
        fault(&json!({ "a": { "in": "a" } })),
        r#"Group::"a": what it is in leads back to itself at Group::"a""#
    );
    assert!(told(&chain(16)).is_ok());
    assert_eq!(fault(&chain(17)), r#"Group::"a0": what it is in is nested deeper than 16 levels"#);
    let wide = |n: usize| json!({ "a": { "in": (0..n).map(|at| format!("g{at}")).collect::<Vec<_>>() } });
    assert_eq!(told(&wide(64)).unwrap().told_above(&uid("Group::\"a\"")).len(), 64);
    assert_eq!(fault(&wide(65)), r#"Group::"a": it is in more than 64 entities"#);
    let many =
        |n: usize| Value::from((0..n).map(|at| (format!("m{at}"), json!({}))).collect::<serde_json::Map<_, _>>());
    assert!(told(&many(10_000)).is_ok());
    assert_eq!(fault(&many(10_001)), "the files tell of more than 10000 entities");
}

#[test]
fn refuses_sections_that_name_no_type_or_no_place() {
    let faults = |kind: &str, from: &str, parents: &str| -> Vec<(String, &str, String)> {
        let configs = BTreeMap::from([config(kind, from, parents)]);
        let faults = Hierarchy::compile(&configs, |_| None).unwrap_err();
        faults.into_iter().map(|(kind, key, fault)| (kind, key, fault.message)).collect()
    };
    let expected = |kind: &str, key, message: &str| vec![(kind.to_owned(), key, message.to_owned())];
    assert_eq!(
        faults("Fol der", "file", "A::\"{in}\""),
        expected("Fol der", "from", "`Fol der` is not an entity type")
    );
    assert_eq!(faults("Folder", "file", "{in}"), expected("Folder", "parents", "`{in}` is not a resource template"));
}

#[test]
fn knows_everything_above_what_a_file_tells_of() {
    // A diamond is no way back.
    let file =
        json!({ "leads": { "in": ["writers", "staff"] }, "writers": { "in": "staff" }, "staff": { "in": "all" } });
    let hierarchy = told(&file).unwrap();
    let above =
        |id: &str| hierarchy.told_above(&uid(&format!("Group::{id:?}"))).iter().map(ToString::to_string).collect();
    let above: [Vec<String>; 3] = [above("leads"), above("staff"), above("all")];
    let expected = [&["all", "staff", "writers"][..], &["all"], &[]];
    assert_eq!(above, expected.map(|ids| ids.iter().map(|id| format!("Group::{id:?}")).collect::<Vec<_>>()));
}

fn asked(app: &App, first: Option<&[&str]>) -> Result<Vec<String>, (Code, String)> {
    let configs = BTreeMap::from([config("Folder", "http", "Folder::\"{in}\"")]);
    let hierarchy = Hierarchy::compile(&configs, |_| None).unwrap();
    let first = first.map(|ids| ids.iter().map(|id| uid(&format!("Folder::{id:?}"))).collect());
    let above = hierarchy.above(&uid("Folder::\"a0\""), first, app).now_or_never().unwrap();
    let above = above.map_err(|refusal| (refusal.code, refusal.reason.into_owned()))?;
    Ok(above.iter().map(|uid| uid.id().unescaped().to_owned()).collect())
}

#[test]
fn asks_the_app_level_by_level_and_refuses_what_has_no_end() {
    let app = |told: Value| App(told, Mutex::default());
    let error = |why: &str| Err((Code::PolicyError, format!("the resource's parents: {why}")));
    let back = error("what it is in leads back to itself at Folder::\"a0\"");
    assert_eq!(asked(&app(json!({ "a1": { "in": "a0" } })), Some(&["a1"])), back);
    assert_eq!(asked(&app(json!({ "a0": { "in": "a0" } })), None), back);
    let deep = error("what it is in is nested deeper than 16 levels");
    assert_eq!(asked(&app(chain(17)), None), deep);
    assert_eq!(asked(&app(chain(17)), Some(&["a1"])), deep);
    assert_eq!(asked(&app(chain(16)), Some(&["a1"])).map(|above| above.len()), Ok(16));
    assert_eq!(asked(&app(chain(16)), None).map(|above| above.len()), Ok(16));
    let wide = json!({ "a0": { "in": (0..65).map(|at| format!("g{at}")).collect::<Vec<_>>() } });
    let wide = app(wide);
    assert_eq!(asked(&wide, None), error("it is in more than 64 entities"));
    assert_eq!(*wide.1.lock().unwrap(), 1, "nobody is asked about those");
    let down = (Code::DependencyUnavailable, "the attributes of the resource cannot be had: the app".to_owned());
    assert_eq!(asked(&app(json!({ "a1": null })), Some(&["a1"])), Err(down));
    // Each is asked about once, whoever leads there.
    let diamond = app(json!({ "b": { "in": "top" }, "c": { "in": ["top", 7, {}, null] } }));
    assert_eq!(asked(&diamond, Some(&["b", "c"])), Ok(["7", "b", "c", "top"].map(str::to_owned).to_vec()));
    assert_eq!(*diamond.1.lock().unwrap(), 4);
}
