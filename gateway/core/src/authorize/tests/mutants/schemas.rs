//! Every one-step change of a Cedar schema: somebody or something is in one group less, an attribute is lost or may be,
//! one of few entities is.

use cedar_policy::SchemaFragment;

use super::*;

pub(super) fn slips(schema: &Source) -> Vec<(String, Source)> {
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&schema.text).unwrap();
    let whole = fragment.to_json_value().unwrap();
    let mut found = Vec::new();
    let mut add = |what: String, change: &dyn Fn(&mut Value)| {
        let mut slip = whole.clone();
        change(&mut slip[""]);
        let text = SchemaFragment::from_json_value(slip).ok().and_then(|fragment| fragment.to_cedarschema().ok());
        // What is no schema objects by itself.
        found.extend(text.map(|text| (what, source(&schema.file, &text))));
    };
    let each =
        |kind: &str| whole[""][kind].as_object().into_iter().flatten().map(|(name, it)| (name.clone(), it.clone()));
    for (name, entity) in each("entityTypes") {
        for list in ["memberOfTypes", "enum"] {
            for at in 0..entity[list].as_array().map_or(0, Vec::len) {
                add(format!("{name}: {list} without {at}"), &|slip| without(&mut slip["entityTypes"][&name][list], at));
            }
        }
        for (attribute, it) in entity["shape"]["attributes"].as_object().into_iter().flatten() {
            let of = |slip: &mut Value| slip["entityTypes"][&name]["shape"]["attributes"].take();
            add(format!("{name}: without {attribute}"), &|slip| {
                let mut all = of(slip);
                all.as_object_mut().unwrap().remove(attribute);
                slip["entityTypes"][&name]["shape"]["attributes"] = all;
            });
            let required = it["required"] != false;
            add(format!("{name}: {attribute} required: {}", !required), &|slip| {
                slip["entityTypes"][&name]["shape"]["attributes"][attribute]["required"] = (!required).into();
            });
        }
    }
    for (name, action) in each("actions") {
        for at in 0..action["memberOf"].as_array().map_or(0, Vec::len) {
            add(format!("{name}: memberOf without {at}"), &|slip| without(&mut slip["actions"][&name]["memberOf"], at));
        }
    }
    found
}

fn without(list: &mut Value, at: usize) {
    list.as_array_mut().unwrap().remove(at);
}
