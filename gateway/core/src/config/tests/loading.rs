use std::path::Path;

use super::super::*;
use super::{Disk, Memory};

const SMALL: &str = "\
[server]
https = \"off\"
plain = \"127.0.0.1:8081\"
trusted_proxies = [\"127.0.0.1\"]
";

fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    let text = format!("{SMALL}{text}");
    load(Path::new("config/portcullis.toml"), &Memory::with(&[("config/portcullis.toml", &text)], variables)).unwrap()
}

fn refused(text: &str, variables: &[(&str, &str)]) -> String {
    let text = format!("{SMALL}{text}");
    let source = Memory::with(&[("config/portcullis.toml", &text)], variables);
    render(&load(Path::new("config/portcullis.toml"), &source).unwrap_err())
}

#[test]
fn refuses_a_file_that_is_not_there() {
    let errors = load(Path::new("none.toml"), &Memory::default()).unwrap_err();
    assert_eq!(
        render(&errors),
        "none.toml: the configuration does not exist\nhelp: name yours with `--config`, begin one with `portcullis init`, \
         or do without: `portcullis run --upstream URL`\n"
    );
}

#[test]
fn refuses_bytes_that_are_no_text() {
    let mut source = Memory::default();
    source.files.insert("p.toml".into(), b"[server]\n# \xff\n".to_vec());
    let errors = load(Path::new("p.toml"), &source).unwrap_err();
    assert!(render(&errors).starts_with("p.toml:2:3: this is not UTF-8 text"), "{}", render(&errors));
}

#[test]
fn the_shipped_configuration_is_good() {
    let loaded =
        load(Path::new("config/portcullis.toml"), &Disk(Vec::new())).unwrap_or_else(|e| panic!("{}", render(&e)));
    let config = &loaded.config;
    let names: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    let wanted = [
        "home",
        "health",
        "listOrders",
        "getOrder",
        "createOrder",
        "deleteOrder",
        "echo",
        "limited",
        "slow",
        "events",
        "ws",
    ];
    assert_eq!(names, wanted);
    assert_eq!(loaded.root, Path::new(""));
    assert_eq!(config.store.url.expose(), "sqlite:data/portcullis.db");
    assert!(loaded.body_schemas.contains_key(Path::new("schemas/order.json")));
    let read: Vec<_> = loaded.files.iter().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(read, ["config/portcullis.toml", "config/schemas/order.json"]);
}

#[test]
fn the_shipped_configuration_can_be_moved() {
    let moved = Disk(vec![
        ("PORTCULLIS_HTTPS", "127.0.0.1:0"),
        ("PORTCULLIS_HTTP", "127.0.0.1:0"),
        ("PORTCULLIS_ADMIN", "127.0.0.1:0"),
        ("PORTCULLIS_PUBLIC_URL", "https://127.0.0.1:19000"),
        ("PORTCULLIS_DATA", "/srv/demo"),
        ("PORTCULLIS_STORE", "redis://127.0.0.1:6379/5"),
        ("PORTCULLIS_IDP", "http://localhost:19002"),
        ("PORTCULLIS_APP", "http://127.0.0.1:19003"),
    ]);
    let loaded = load(Path::new("config/portcullis.toml"), &moved).unwrap_or_else(|e| panic!("{}", render(&e)));
    let config = &loaded.config;
    assert_eq!(config.server.https.to_string(), "127.0.0.1:0");
    assert_eq!(config.store.url.expose(), "redis://127.0.0.1:6379/5");
    assert_eq!(config.tls.certificates.first().unwrap().cert, Path::new("/srv/demo/tls/server.pem"));
    assert_eq!(config.tokens["demo"].issuer, "http://localhost:19002");
    assert_eq!(config.upstreams["demo"].targets.first().unwrap().to_string(), "http://127.0.0.1:19003");
}

#[test]
fn nothing_written_means_the_defaults() {
    let config = loaded("", &[]).config;
    let server = ServerConfig {
        https: Listener::Off,
        plain: "127.0.0.1:8081".parse().unwrap(),
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..ServerConfig::default()
    };
    assert_eq!(config.server, server);
    assert_eq!(config.server.admin.to_string(), "127.0.0.1:9443");
    assert_eq!(config.policies.schema_path(), Path::new("policies/schema.cedarschema"));
    assert_eq!(config.authorize.mode, crate::mode::Mode::Enforce);
}

#[test]
fn variables_are_put_in_after_parsing() {
    let check = |written: &str, expected: &str| {
        let loaded = loaded(
            &format!("[policies]\ndir = '{written}'\n"),
            &[("A", "x\"\n[server]"), ("EMPTY", ""), ("NESTED", "${A}")],
        );
        assert_eq!(loaded.config.policies.dir, Path::new(expected), "{written}");
    };
    check("p", "p");
    check("a/${A}/b", "a/x\"\n[server]/b");
    check("${NONE:-d}", "d");
    check("${EMPTY:-d}", "d");
    check("${NONE:-}x", "x");
    check("x${EMPTY}", "x");
    check("${NESTED}", "${A}");
    check("$${A}", "${A}");
    check("$a$", "$a$");
    check("${A:-d}${NONE:-e}", "x\"\n[server]e");
}

#[test]
fn a_file_gives_its_text_without_its_last_newline() {
    let text = format!("{SMALL}[policies]\ndir = \"${{file:secrets/dir}}\"\n");
    let source = Memory::with(&[("config/portcullis.toml", &text), ("secrets/dir", "here\n\n")], &[]);
    let loaded = load(Path::new("config/portcullis.toml"), &source).unwrap();
    assert_eq!(loaded.config.policies.dir, Path::new("here\n"));
    assert_eq!(loaded.files.len(), 2);
}

#[test]
fn what_a_variable_stands_for_is_never_printed() {
    let secrets = [("S", "hunter2"), ("SHORT", "zq")];
    for text in [
        "[counters]\nurl = \"${S}\"\n",
        "[counters]\nurl = \"${SHORT}\"\n",
        "[counters]\ntimeout = \"${S}\"\n",
        "[counters]\ntimeout = \"${SHORT}\"\n",
        "[authorize]\nmode = \"${SHORT}\"\n",
        "[authorize]\nmode = \"a${S}b\"\n",
        "[upstreams.app]\ntargets = [\"http://${S}/x\", \"${SHORT}\"]\n",
        "[tokens.a]\nissuer = \"https://h/${S}?\"\naudiences = [\"${S}\"]\nleeway = \"${S}\"\n",
        "[tokens.b]\nissuer = \"https://idp\"\naudiences = [\"a\"]\nalgorithms = [\"${SHORT}\"]\n",
        "[[routes]]\nname = \"${S}!\"\nmatch = \"${SHORT} /\"\nupstream = \"${S}\"\nauthenticate = \"${SHORT}\"\n",
    ] {
        let said = refused(text, &secrets);
        assert!(!said.contains("hunter2") && !said.contains("zq"), "{said}");
    }
}

#[test]
fn secrets_in_the_text_are_veiled() {
    for text in [
        "[store]\nurl = \"redis://:hunter2@h\" \nx = 1\n",
        "store = { url = \"odd://:hunter2@h\", x = 1 }\n",
        "[store]\nurl = \"\"\"odd:\nhunter2\n\"\"\"\n",
        "[store]\nurl = [\"hunter2\"]\n",
        "[store]\nurl = \"redis://:hunter2@h\n",
        "[store]\nurll = \"redis://:hunter2@h\"\n",
        "[store]\nurl = { password = \"hunter2\" }\n",
        "[store.url]\npassword = \"hunter2\"\nx.y = \"hunter2\"\n",
        "[store]\nurl = \"\"\"odd\nhunter2 \\q\n\"\"\"\n",
        "counters = { url = 'x', pool = 4, url = 'hunter2' }\n",
        "[store]\nurl = \"${NONE:-odd:hunter2}\"\n",
        "warehouse = { place = \"hunter2\" }\n",
    ] {
        let text = format!("{text}{SMALL}");
        let source = Memory::with(&[("p.toml", &text)], &[]);
        let said = render(&load(Path::new("p.toml"), &source).unwrap_err());
        assert!(!said.contains("hunter2"), "{said}");
    }
    let secret = Secret::new("hunter2");
    assert_eq!(format!("{secret:?} {secret}"), "[secret] [secret]");
}

#[test]
fn includes_add_routes_upstreams_and_tokens() {
    let main = format!("include = [\"routes/*.toml\"]\n{SMALL}");
    let route = |name: &str| {
        format!(
            "[[routes]]\nname = \"{name}\"\nmatch = \"GET /{name}\"\nupstream = \"app\"\nauthenticate = \"public\"\n"
        )
    };
    let second = format!("{}[upstreams.app]\ntargets = [\"h2c://[::1]:50051\"]\n", route("b"));
    let source = Memory::with(
        &[
            ("config/portcullis.toml", &main),
            ("config/routes/1.toml", &route("a")),
            ("config/routes/2.toml", &second),
            ("config/routes/.hidden.toml", "x"),
            ("config/routes/notes.md", "x"),
        ],
        &[],
    );
    let loaded = load(Path::new("config/portcullis.toml"), &source).unwrap();
    assert_eq!(loaded.config.routes.len(), 2);
    assert_eq!(loaded.locate(&["routes".into(), 1.into(), "match".into()]).to_string(), "config/routes/2.toml:3:9");
    assert_eq!(loaded.locate(&["routes".into(), 0.into()]).to_string(), "config/routes/1.toml:1:1");
    let target = ["upstreams".into(), "app".into(), "targets".into(), 0.into()];
    assert_eq!(loaded.locate(&target).to_string(), "config/routes/2.toml:7:12");
    assert_eq!(loaded.locate(&["server".into(), "https".into()]).to_string(), "config/portcullis.toml:3:9");
    assert_eq!(loaded.locate(&["server".into(), "threads".into()]).to_string(), "config/portcullis.toml:2:1");
    assert_eq!(loaded.locate(&["policies".into(), "dir".into()]).to_string(), "config/portcullis.toml");
}

#[test]
fn errors_found_later_keep_their_place_and_their_secrets() {
    let loaded = loaded("[policies]\ndir = \"${D}\"\n", &[("D", "hunter2")]);
    let error = loaded.error(&["policies".into(), "dir".into()], "`hunter2/x.cedar` does not parse", None);
    let expected = "config/portcullis.toml:6:7: `…/x.cedar` does not parse\n  |\n6 | dir = \"${D}\"\n  |       ^^^^^^";
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{loaded:?}").contains("trusted_proxies = ["));
}

#[test]
fn errors_can_be_read_by_programs() {
    let source = Memory::with(&[("p.toml", "[server]\nhttsp = \"off\"\n")], &[]);
    let errors = load(Path::new("p.toml"), &source).unwrap_err();
    assert_eq!(errors.len(), 2, "{}", render(&errors));
    let json = serde_json::to_value(errors.first().unwrap()).unwrap();
    let expected = serde_json::json!({
        "file": "p.toml",
        "line": 2,
        "column": 1,
        "message": "unknown key `httsp`",
        "help": "did you mean `https`?",
        "excerpt": { "line": "httsp = \"off\"", "before": 0, "width": 5 },
    });
    assert_eq!(json, expected);
}

#[test]
fn texts_are_kept_without_the_secrets_that_stand_in_them_in_clear() {
    let text = r#"public_url = "https://app.test"

[store]
url = "redis://:hunter2@localhost/0"
sentinel_password = '${SENTINEL}'

[counters]
url = "redis://localhost/0"

[providers.one]
issuer = "https://one.test"
client_id = "one"
client_secret = "hunter3"

[providers.two]
issuer = "https://two.test"
client_id = "two"
client_secret = "${TWO:-hunter4}"

[tokens.x]
issuer = "https://x.test"
audiences = ["a"]
introspection = { endpoint = "https://x.test/i", client_id = "x", client_secret = """
hunter5""" }
"#;
    let source = Memory::with(&[("p.toml", &format!("{SMALL}{text}"))], &[("SENTINEL", "hunter6")]);
    let kept = match load(Path::new("p.toml"), &source) {
        Ok(loaded) => loaded.texts().next().unwrap().1,
        Err(errors) => panic!("{}", render(&errors)),
    };
    let expected = text
        .replace("redis://:hunter2@localhost/0", "${own:store.url}")
        .replace("hunter3", "${own:providers.one.client_secret}")
        .replace("${TWO:-hunter4}", "${own:providers.two.client_secret}")
        .replace("\"\"\"\nhunter5\"\"\"", "\"${own:tokens.x.introspection.client_secret}\"");
    assert_eq!(kept, format!("{SMALL}{expected}"));
}
