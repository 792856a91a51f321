use serde_json::json;

use super::*;

fn read(schema: &Value, pairs: &[(&str, &str)]) -> Result<Value, (String, &'static str)> {
    let mut tree = Tree::default();
    for (name, text) in pairs {
        tree.insert(name, Leaf::Text((*text).to_owned())).map_err(|message| (String::new(), message))?;
    }
    tree.object(&Shape::of(schema, schema), Texts::MayBeJson, &Limits::default())
}

fn order() -> Value {
    json!({ "type": "object", "properties": {
        "n": { "type": "integer" }, "tags": { "type": "array", "items": { "type": "string" } },
        "at": { "type": "object", "properties": { "city": { "type": "string" }, "zip": { "type": "integer" } } },
        "lines": { "type": "array", "items": { "type": "object", "properties": { "price": { "type": "number" } } } },
    } })
}

#[test]
fn refuses_names_that_two_readers_would_take_apart_differently() {
    let pairs = "has a name whose brackets do not pair";
    for name in ["[a]", "a[", "a[b", "a[b]c", "a]b", "a[[b]]", "a[b]]"] {
        assert_eq!(read(&order(), &[(name, "1")]), Err((String::new(), pairs)), "{name}");
    }
    let before = "has `[]` before the last bracket of a name: write the index";
    assert_eq!(read(&order(), &[("lines[][price]", "1")]), Err((String::new(), before)));
    let deep = format!("at{}", "[a]".repeat(9));
    assert_eq!(read(&order(), &[(&deep, "1")]), Err((String::new(), "has a name with more than 8 brackets")));
}

#[test]
fn refuses_a_value_that_is_written_twice_or_in_two_ways() {
    assert_eq!(read(&order(), &[("n", "1"), ("n", "2")]), Err(("/n".to_owned(), "appears more than once")));
    assert_eq!(read(&order(), &[("n[]", "1")]), Err(("/n".to_owned(), "appears more than once")));
    let two = "is written in two ways at once";
    assert_eq!(read(&order(), &[("tags", "a"), ("tags[]", "b")]), Err(("/tags".to_owned(), two)));
    assert_eq!(read(&order(), &[("at", "{}"), ("at[city]", "b")]), Err(("/at".to_owned(), two)));
    assert_eq!(read(&order(), &[("n[a]", "1")]), Err(("/n".to_owned(), "must not have brackets in its name")));
    let indices = "must be a list whose indices begin at 0 and leave none out";
    for names in [&["tags[1]"][..], &["tags[0]", "tags[2]"], &["tags[00]"], &["tags[x]"]] {
        let pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, "a")).collect();
        assert_eq!(read(&order(), &pairs), Err(("/tags".to_owned(), indices)), "{names:?}");
    }
}

#[test]
fn names_make_objects_and_lists_of_the_kinds_the_schema_wants() {
    let pairs = [
        ("n", "5"),
        ("tags[]", "a"),
        ("tags[]", "b"),
        ("at[city]", "Bonn"),
        ("at[zip]", "53111"),
        ("lines[1][price]", "2.5"),
        ("lines[0][price]", "1"),
        ("other", "text"),
    ];
    let expected = json!({ "n": 5, "tags": ["a", "b"], "at": { "city": "Bonn", "zip": 53111 },
        "lines": [{ "price": 1 }, { "price": 2.5 }], "other": "text" });
    assert_eq!(read(&order(), &pairs), Ok(expected));
    assert_eq!(read(&order(), &[("tags", "a")]), Ok(json!({ "tags": ["a"] })));
    assert_eq!(read(&order(), &[("at", "{\"zip\":1}")]), Ok(json!({ "at": { "zip": 1 } })));
}

#[test]
fn tells_where_a_text_is_not_of_its_kind() {
    let whole = "must be a whole number within ±(2^53 − 1)";
    assert_eq!(read(&order(), &[("at[zip]", "x")]), Err(("/at/zip".to_owned(), whole)));
}
