use std::path::Path;

use proptest::prelude::*;

use super::super::{load, render};
use super::Memory;

fn said(bytes: Vec<u8>, secret: &str) -> String {
    let mut source = Memory::with(&[], &[("SECRET", secret)]);
    source.files.insert("config/portcullis.toml".into(), bytes);
    match load(Path::new("config/portcullis.toml"), &source) {
        Ok(loaded) => format!("{loaded:?}").len().to_string(),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            render(&errors)
        }
    }
}

/// Lines that are nearly right: sections, keys and values put together at random.
fn nearly_toml() -> impl Strategy<Value = String> {
    let header = prop_oneof![
        Just("[server]"),
        Just("[tls]"),
        Just("[[tls.certificates]]"),
        Just("[store]"),
        Just("[counters]"),
        Just("[guard]"),
        Just("[limit]"),
        Just("[tokens.a]"),
        Just("[upstreams.a]"),
        Just("[[routes]]"),
        Just("[routes]"),
        Just("[observe]"),
    ];
    let key = prop_oneof![
        Just("https"),
        Just("url"),
        Just("mode"),
        Just("issuer"),
        Just("audiences"),
        Just("targets"),
        Just("name"),
        Just("match"),
        Just("upstream"),
        Just("authenticate"),
        Just("limits"),
        Just("parameters"),
        Just("cors"),
        Just("identity_headers"),
        Just("include"),
        Just("resource"),
        Just("trusted_proxies"),
        Just("\"\\u0000\""),
        Just("a.b.c"),
    ];
    let value = prop_oneof![
        "\"[ -~é]{0,12}\"".prop_map(|text| text.replace('\\', "")),
        Just("\"${SECRET}\"".to_owned()),
        Just("[\"${SECRET}\", \"x${SECRET}\"]".to_owned()),
        Just("{ all = [\"${SECRET}\"], user = \"${SECRET}\" }".to_owned()),
        Just("[{ by = \"${SECRET}\", rate = \"5/min\", name = \"${SECRET}\" }]".to_owned()),
        Just("99999999999999999999999999999999999999999999999".to_owned()),
        Just("-1".to_owned()),
        Just("nan".to_owned()),
        Just("true".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("\"\"\"\n\u{20ac}\n\"\"\"".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
    ];
    let line = prop_oneof![
        1 => header.prop_map(str::to_owned),
        3 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        said(bytes, "hunter2");
    }

    #[test]
    fn never_panics_on_text(text in "\\PC{0,200}") {
        said(text.into_bytes(), "hunter2");
    }

    #[test]
    fn never_panics_nor_prints_a_variable(text in nearly_toml(), secret in "#[A-Za-z0-9/:?\"\\\\ ]{6,20}#") {
        let said = said(text.into_bytes(), &secret);
        prop_assert!(!said.contains(&secret), "{}", said);
    }
}

#[test]
fn survives_deep_nesting() {
    let dotted = vec!["a"; 79].join(".");
    let inline = format!("{}1{}", format!("{{ {dotted} = ").repeat(79), " }".repeat(79));
    for text in [
        format!("x = {}", "[".repeat(100_000)),
        format!("x = {inline}"),
        format!("{} = 1", vec!["a"; 100_000].join(".")),
        format!("[{}]", vec!["a"; 100_000].join(".")),
        "{".repeat(100_000),
    ] {
        said(text.into_bytes(), "hunter2");
    }
}
