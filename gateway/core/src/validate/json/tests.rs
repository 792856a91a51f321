use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn check(bytes: &[u8], limits: Limits, expected: Result<Value, (&str, &str)>) {
    let found = parse(bytes, &limits).map(|parsed| parsed.value);
    let expected = expected.map_err(|(pointer, message)| pointer::syntax(pointer.to_owned(), message));
    assert_eq!(found, expected, "{}", String::from_utf8_lossy(bytes));
}

fn refused(text: &str, pointer: &str, message: &str) {
    check(text.as_bytes(), Limits::default(), Err((pointer, message)));
}

#[test]
fn refuses_what_readers_disagree_about() {
    refused(r#"{"a": 1, "a": 2}"#, "/a", "the member appears more than once");
    refused(r#"{"a": 1, "\u0061": 2}"#, "/a", "the member appears more than once");
    refused(r#"[{"x": {"b/~": 1, "b/~": 1}}]"#, "/0/x/b~1~0", "the member appears more than once");
    refused("\u{feff}{}", "", "a byte order mark stands before the value");
    refused("{} {}", "", "trailing characters at line 1 column 4");
    check(b"\"\xff\"", Limits::default(), Err(("", "not UTF-8 from byte 1 on")));
    check(b"\"\xed\xa0\x80\"", Limits::default(), Err(("", "not UTF-8 from byte 1 on")));
    refused(r#"["\ud800"]"#, "/0", "unexpected end of hex escape at line 1 column 9");
}

#[test]
fn refuses_what_is_not_json() {
    refused("", "", "the body is empty");
    refused(" \r\n\t", "", "the body is empty");
    refused("{'a': 1}", "", "key must be a string at line 1 column 2");
    refused(r#"{"a": [1, tru]}"#, "/a/1", "expected ident at line 1 column 14");
    refused("[1,]", "/1", "trailing comma at line 1 column 4");
    refused("NaN", "", "expected value at line 1 column 1");
    refused("01", "", "invalid number at line 1 column 2");
    refused("\"\u{1}\"", "", "control character (\\u0000-\\u001F) found while parsing a string at line 1 column 2");
}

#[test]
fn refuses_numbers_that_lose_digits() {
    let message = "a number is beyond ±9007199254740991 (2^53 − 1)";
    for text in
        ["9007199254740992", "-9007199254740992", "18446744073709551615", "18446744073709551616", "1e20", "9.1e15"]
    {
        refused(text, "", message);
        refused(&format!(r#"{{"n": [{text}]}}"#), "/n/0", message);
    }
    refused("1e999", "", "number out of range at line 1 column 5");
    check(
        b"[9007199254740991, -9007199254740991, 0.1, -0]",
        Limits::default(),
        Ok(json!([9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64, 0.1, -0.0])),
    );
    check(b"18446744073709551615", Limits { numbers: Numbers::Any, ..Limits::default() }, Ok(json!(u64::MAX)));
}

#[test]
fn refuses_what_is_too_much() {
    let small = Limits { depth: 2, nodes: 4, string_bytes: 3, ..Limits::default() };
    check(b"[[[]]]", small, Err(("/0/0", "nested deeper than 2 levels")));
    check(br#"{"a": {"b": {}}}"#, small, Err(("/a/b", "nested deeper than 2 levels")));
    check(b"[1, 2, 3, 4]", small, Err(("/3", "more than 4 values in all")));
    check(br#"{"a": 1, "b": [2, 3]}"#, small, Err(("/b/1", "more than 4 values in all")));
    check(br#"["four"]"#, small, Err(("/0", "a string is longer than 3 bytes")));
    check(br#"{"four": 1}"#, small, Err(("", "a string is longer than 3 bytes")));
    check(br#"[["abc"], 1]"#, small, Ok(json!([["abc"], 1])));
    let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert!(parse(&deep(32), &Limits::default()).is_ok());
    check(&deep(33), Limits::default(), Err(("/0".repeat(32).as_str(), "nested deeper than 32 levels")));
    assert!(parse(&deep(100_000), &Limits { depth: usize::MAX, ..Limits::default() }).is_err());
}

#[test]
fn bounds_and_cleans_the_names_it_repeats() {
    let long = "n".repeat(5_000);
    refused(&format!(r#"{{"{long}": nul}}"#), &format!("/{}", "n".repeat(64)), "expected ident at line 1 column 5009");
    refused("{\"a\\u0000\\u202eb\": x}", "/ab", "expected value at line 1 column 20");
    let nested = format!("{}x", format!(r#"{{"{}":"#, "n".repeat(64)).repeat(30));
    assert!(parse(nested.as_bytes(), &Limits::default()).unwrap_err().pointer.len() < 1200);
}

#[test]
fn counts_every_value() {
    assert_eq!(parse(br#"{"a": [1, {"b": null}], "c": ""}"#, &Limits::default()).unwrap().nodes, 6);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics_and_agrees_with_serde_json_where_it_accepts(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(parsed) = parse(&bytes, &Limits::default()) {
            prop_assert_eq!(parsed.value, serde_json::from_slice::<Value>(&bytes).unwrap());
        }
    }

    #[test]
    fn never_panics_on_what_nearly_is_json(text in r#"[\[\]{}:,"\\u0-9a-fE.+ -]{0,48}"#) {
        if let Ok(parsed) = parse(text.as_bytes(), &Limits::default()) {
            prop_assert_eq!(parsed.value, serde_json::from_str::<Value>(&text).unwrap());
        }
    }

    #[test]
    fn accepts_what_serde_json_writes(value in any_json()) {
        let bytes = serde_json::to_vec(&value).unwrap();
        let plain: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(parse(&bytes, &Limits::default()).unwrap().value, plain);
    }
}
