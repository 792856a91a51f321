use serde_json::json;

use super::*;

const SEVEN: &str = "http://json-schema.org/draft-07/schema#";

fn refused(schema: Value, pointer: &str, message: &str) {
    let faults = Schema::compile(schema.to_string().as_bytes()).unwrap_err();
    assert_eq!(faults, [SchemaFault::new(pointer, message)], "{schema}");
}

fn compiled(schema: Value) -> Schema {
    Schema::compile(schema.to_string().as_bytes()).unwrap()
}

fn check(schema: &Schema, value: Value, expected: &[(&str, &str, &str)]) {
    let parsed = Parsed { nodes: 1, value };
    let found = schema.check(&parsed, "").err().unwrap_or_default();
    let found: Vec<_> = found.iter().map(|f| (f.pointer.as_str(), &*f.keyword, f.message.as_str())).collect();
    assert_eq!(found, expected, "{}", parsed.value);
}

#[test]
fn refuses_a_schema_that_is_not_json() {
    let faults = Schema::compile(br#"{"type": "object", "type": "array"}"#).unwrap_err();
    assert_eq!(faults, [SchemaFault::new("/type", "cannot be read as JSON: the member appears more than once")]);
    let large = format!("{}{{}}", " ".repeat(1 << 20));
    assert!(Schema::compile(large.as_bytes()).unwrap_err()[0].message.contains("at most 1048576"));
    let many = json!({ "enum": (0..10_000).collect::<Vec<_>>() });
    refused(many, "/enum/9998", "cannot be read as JSON: more than 10000 values in all");
}

#[test]
fn refuses_other_drafts() {
    let wanted = "is not spoken here: write `https://json-schema.org/draft/2020-12/schema` or `http://json-schema.org/draft-07/schema`";
    for draft in [
        "http://json-schema.org/draft-04/schema",
        "https://json-schema.org/draft/2019-09/schema",
        "https://example.com/own",
    ] {
        refused(json!({ "$schema": draft }), "/$schema", &format!("`{draft}` {wanted}"));
    }
    refused(json!({ "$schema": 7 }), "/$schema", "`$schema` must be a string");
}

#[test]
fn refuses_references_that_cannot_be_followed() {
    let outside = |text: &str| {
        format!(
            "`{text}` is outside this file and nothing is fetched: put the schema under `$defs` and write `#/$defs/name`"
        )
    };
    refused(
        json!({ "properties": { "a": { "$ref": "https://example.com/a.json" } } }),
        "/properties/a/$ref",
        &outside("https://example.com/a.json"),
    );
    refused(json!({ "$ref": "file:///etc/passwd" }), "/$ref", &outside("file:///etc/passwd"));
    refused(json!({ "$ref": "other.json#/a" }), "/$ref", &outside("other.json#/a"));
    refused(json!({ "$ref": "#/$defs/no" }), "/$ref", "`#/$defs/no` is not in this file");
    refused(json!({ "$ref": "#name" }), "/$ref", "`#name` is not an anchor in this file");
    refused(json!({ "$dynamicRef": "#x" }), "/$dynamicRef", "`#x` is not an anchor in this file");
    refused(json!({ "$dynamicRef": "other.json#x" }), "/$dynamicRef", &outside("other.json#x"));
    // Which of the two is meant depends on who refers to it.
    let either = json!({ "$ref": "list", "$dynamicAnchor": "item", "$defs": {
        "list": { "$id": "list", "items": { "$dynamicRef": "#item" }, "$defs": { "any": { "$dynamicAnchor": "item" } } } } });
    refused(
        either,
        "/$defs/list/items/$dynamicRef",
        "`#item` is one thing or another, depending on who refers to it: `$dynamicAnchor` `item` stands at `#` and \
         `#/$defs/list/$defs/any`; leave one of them, or use `$ref` to the one that is meant",
    );
    let draft7 = json!({ "$schema": "http://json-schema.org/draft-07/schema", "$dynamicRef": "#x" });
    refused(draft7, "/$dynamicRef", "`$dynamicRef` is not supported: use `$ref`");
    let elsewhere = json!({ "$id": "https://example.com/a/", "$ref": "b", "$defs": { "b": { "$id": "/b" } } });
    refused(elsewhere, "/$ref", &outside("b"));
    let twice = json!({ "$defs": { "a": { "$anchor": "x" }, "b": { "$anchor": "x" } } });
    refused(twice, "/$defs/b/$anchor", "`x` is the name of `#/$defs/a` already");
    let twice = json!({ "$defs": { "a": { "$id": "x.json" }, "b": { "$id": "./x.json" } } });
    refused(twice, "/$defs/b/$id", "`json-schema:///x.json` is the name of `#/$defs/a` already");
    // In a value there are no names.
    refused(json!({ "$ref": "#x", "enum": [{ "$anchor": "x" }] }), "/$ref", "`#x` is not an anchor in this file");
}

#[test]
fn follows_references_by_anchor_and_by_address_within_the_file() {
    let follows = |schema: Value| {
        let schema = compiled(schema);
        check(&schema, json!({ "n": 1 }), &[]);
        check(&schema, json!({ "n": "1" }), &[("/n", "type", "must be of type integer")]);
    };
    let whole = json!({ "$dynamicAnchor": "whole", "type": ["integer", "object"], "properties": { "n": { "$dynamicRef": "#whole" } } });
    let schema = compiled(whole);
    check(&schema, json!({ "n": { "n": 1 } }), &[]);
    check(&schema, json!({ "n": { "n": "1" } }), &[("/n/n", "type", "must be of type integer or object")]);
    for number in [
        json!({ "$dynamicRef": "#number", "$defs": { "n": { "$dynamicAnchor": "number", "type": "integer" } } }),
        json!({ "$dynamicRef": "#/$defs/n", "$defs": { "n": { "type": "integer" } } }),
        json!({ "$ref": "#/$defs/m", "$dynamicRef": "#number", "$defs": {
            "m": { "minimum": 0 }, "n": { "$anchor": "number", "type": "integer" } } }),
    ] {
        let schema = compiled(number);
        check(&schema, json!(1), &[]);
        check(&schema, json!("1"), &[("", "type", "must be of type integer")]);
    }
    let to = |reference: &str| json!({ "properties": { "n": { "$ref": reference } } });
    let with = |mut schema: Value, members: Value| {
        schema.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        schema
    };
    follows(with(to("#whole"), json!({ "$defs": { "a": { "$anchor": "whole", "type": "integer" } } })));
    follows(with(to("whole.json"), json!({ "$defs": { "a": { "$id": "whole.json", "type": "integer" } } })));
    let below = json!({ "$id": "https://a.test/x/y", "$defs": {
        "b": { "$id": "../z?v=1", "$defs": { "c d%": { "type": "integer" }, "e": { "$anchor": "e", "$ref": "#/$defs/c%20d%25" } } } } });
    follows(with(to("/z?v=1#/$defs/c%20d%25"), below.clone()));
    follows(with(to("https://a.test/z?v=1#e"), below.clone()));
    follows(with(to("//a.test/z?v=1#e"), below));
    follows(with(to("urn:a:b"), json!({ "$defs": { "a": { "$id": "urn:a:b", "type": "integer" } } })));
    let older = json!({ "$schema": SEVEN, "definitions": { "a": { "$id": "#whole", "type": "integer" } } });
    follows(with(to("#whole"), older));
}

#[test]
fn refuses_a_reference_that_comes_back_for_the_same_value() {
    let circle = "comes back to itself for the same value, so it could never be judged";
    refused(json!({ "$ref": "#" }), "", circle);
    refused(
        json!({ "allOf": [{ "$ref": "#/$defs/a" }], "$defs": { "a": { "not": { "$ref": "#/$defs/a" } } } }),
        "/$defs/a",
        circle,
    );
}

#[test]
fn refuses_a_schema_that_unfolds_without_end() {
    let mut defs = serde_json::Map::new();
    defs.insert("d0".to_owned(), json!({ "type": "string" }));
    for n in 1..30 {
        let before = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
        defs.insert(format!("d{n}"), json!({ "allOf": [before, before] }));
    }
    let faults = Schema::compile(json!({ "$ref": "#/$defs/d29", "$defs": defs }).to_string().as_bytes()).unwrap_err();
    assert!(faults[0].message.starts_with("combines more than 10000 subschemas"), "{faults:?}");
}

#[test]
fn refuses_what_would_judge_nothing() {
    refused(
        json!({ "maxlength": 3 }),
        "/maxlength",
        "`maxlength` is not a keyword and would judge nothing: did you mean `maxLength`?",
    );
    refused(
        json!({ "items": { "requierd": ["a"] } }),
        "/items/requierd",
        "`requierd` is not a keyword and would judge nothing: did you mean `required`?",
    );
    refused(json!({ "ref": "#" }), "/ref", "`ref` is not a keyword and would judge nothing: did you mean `$ref`?");
    refused(
        json!({ "dependencies": {} }),
        "/dependencies",
        "`dependencies` means nothing in draft 2020-12: use `dependentRequired` or `dependentSchemas`",
    );
    refused(
        json!({ "nullable": true }),
        "/nullable",
        "`nullable` means nothing here: write `\"type\": [\"…\", \"null\"]`",
    );
    refused(json!({ "format": "phone" }), "/format", "`phone` is not a format that can be judged: use `pattern`");
    refused(
        json!({ "$schema": SEVEN, "$ref": "#/definitions/a", "maxLength": 1, "definitions": { "a": {} } }),
        "/maxLength",
        "`maxLength` beside `$ref` means nothing in draft 7: put both under `allOf`",
    );
    refused(
        json!({ "$schema": SEVEN, "prefixItems": [true] }),
        "/prefixItems",
        "`prefixItems` means nothing in draft 7: write `\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"`",
    );
}

#[test]
fn refuses_what_the_meta_schema_refuses_with_a_pointer() {
    refused(
        json!({ "properties": { "a": { "type": "strin" } } }),
        "/properties/a/type",
        "`strin` is not a type: did you mean `string`?",
    );
    refused(json!({ "minLength": -1 }), "/minLength", "-1 is less than the minimum of 0");
    refused(json!([]), "", "[] is not of types \"boolean\", \"object\"");
}

#[test]
fn refuses_patterns_that_need_backtracking_or_much_memory() {
    let linear = |p: &str| {
        format!("`{p}` is not a pattern that runs in linear time: write it without look-around and back-references")
    };
    refused(json!({ "properties": { "a": { "pattern": "^(?=a)b" } } }), "/properties/a/pattern", &linear("^(?=a)b"));
    refused(json!({ "pattern": "(a)\\1" }), "/pattern", &linear("(a)\\1"));
    assert!(Schema::compile(json!({ "pattern": "(a{1000}){1000}" }).to_string().as_bytes()).is_err());
}

#[test]
fn judges_formats_and_both_drafts() {
    let mail = compiled(json!({ "format": "email" }));
    check(&mail, json!("nobody"), &[("", "format", "must be a valid `email`")]);
    check(&mail, json!("a@example.com"), &[]);
    for (format, good, bad) in [
        ("date-time", "2026-01-31T12:00:00Z", "2026-02-30T12:00:00Z"),
        ("date", "2026-01-31", "2026-1-31"),
        ("uuid", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "2eb8aa08aa9811eab4aa73b441d16380"),
        ("email", "a@example.com", "@example.com"),
        ("uri", "https://example.com/a?b#c", "//example.com"),
        ("ipv4", "192.0.2.1", "192.0.2.01"),
        ("ipv6", "2001:db8::1", "2001:db8:::1"),
        ("hostname", "a.example.com", "-a.example.com"),
    ] {
        // Draft 7 knows no `uuid`.
        let seven = (format != "uuid").then_some(SEVEN);
        for dialect in seven.into_iter().chain(["https://json-schema.org/draft/2020-12/schema"]) {
            let schema = compiled(json!({ "$schema": dialect, "format": format }));
            check(&schema, json!(good), &[]);
            check(&schema, json!(bad), &[("", "format", &format!("must be a valid `{format}`"))]);
            check(&schema, json!(7), &[]);
        }
    }
    check(&compiled(json!({ "type": "integer", "format": "int32" })), json!(5), &[]);
    let seven = compiled(json!({ "$schema": SEVEN, "items": [{ "type": "string" }], "additionalItems": false }));
    check(&seven, json!([1]), &[("/0", "type", "must be of type string")]);
    check(&seven, json!(["a", "b"]), &[("", "additionalItems", "must have at most 1 elements")]);
}

#[test]
fn tells_faults_in_words_from_the_schema() {
    let schema = compiled(json!({ "properties": {
        "a": { "enum": ["x", 1, null] }, "b": { "const": true }, "c": { "multipleOf": 3 }, "d": { "uniqueItems": true },
        "e": { "pattern": "^[a-z]+$" }, "f": { "anyOf": [{ "type": "null" }, { "type": "string" }] }, "g": false,
        "h": { "propertyNames": { "maxLength": 2 } }, "i": { "type": ["string", "null"] },
        "j": { "exclusiveMinimum": 0 }, "k": { "dependentRequired": { "x": ["y"] } }
    }, "unevaluatedProperties": false }));
    let cases = [
        (json!({ "a": "secret" }), "/a", "enum", "must be one of `x`, 1, null"),
        (json!({ "b": "secret" }), "/b", "const", "must be true"),
        (json!({ "c": 4 }), "/c", "multipleOf", "must be a multiple of 3"),
        (json!({ "d": ["s", "s"] }), "/d", "uniqueItems", "must not hold an element twice"),
        (json!({ "e": "SECRET" }), "/e", "pattern", "must match `^[a-z]+$`"),
        (json!({ "f": 1 }), "/f", "anyOf", "must fit at least one of the alternatives"),
        (json!({ "g": "secret" }), "/g", "falseSchema", "must not be here"),
        (
            json!({ "h": { "secret": 1 } }),
            "/h",
            "propertyNames",
            "has a member whose name must be at most 2 characters long",
        ),
        (json!({ "i": 1 }), "/i", "type", "must be of type null or string"),
        (json!({ "j": 0 }), "/j", "exclusiveMinimum", "must be more than 0"),
        (json!({ "k": { "x": 1 } }), "/k", "required", "required member `y` is missing"),
        (json!({ "z": "secret" }), "/z", "unevaluatedProperties", "unexpected member"),
    ];
    for (value, pointer, keyword, message) in cases {
        check(&schema, value, &[(pointer, keyword, message)]);
    }
}

#[test]
fn a_tree_is_told_in_full_and_a_thicket_by_its_verdict() {
    let tree = compiled(
        json!({ "type": "object", "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" }, "n": { "type": "integer" } } }),
    );
    check(&tree, json!({ "left": { "right": { "n": "x" } } }), &[("/left/right/n", "type", "must be of type integer")]);

    let again = json!({ "properties": { "a": { "$ref": "#" } } });
    let thicket = compiled(json!({ "type": "object", "anyOf": [again, again] }));
    let mut deep = json!(1);
    for _ in 0..30 {
        deep = json!({ "a": deep });
    }
    check(&thicket, deep, &[("", "schema", "does not fit the schema")]);
}

#[test]
fn tells_only_the_first_fault_of_a_large_input() {
    let schema = compiled(json!({ "items": { "type": "string" } }));
    let parsed = Parsed { nodes: 50_001, value: json!(vec![1; 50_000]) };
    assert_eq!(schema.check(&parsed, "#/query/a").unwrap_err().len(), 1);
}
