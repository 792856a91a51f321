use serde::Deserialize;

use super::{Authenticate, Method, TokenSourceConfig};

#[derive(Debug, Deserialize)]
struct Route {
    authenticate: Authenticate,
}

fn check(value: &str, expected: Result<Authenticate, &str>) {
    let read: Result<Route, _> = toml::from_str(&format!("authenticate = {value}"));
    let read = read.map(|route| route.authenticate).map_err(|fault| fault.message().to_owned());
    assert_eq!(read, expected.map_err(str::to_owned));
}

#[test]
fn refuses_other_words_and_says_what_would_do() {
    check(r#""pubic""#, Err("`pubic` is not known here; did you mean `public`?"));
    check(r#""anyone""#, Err(r#"`anyone` is not known here; write "public", "optional" or a list like ["jwt"]"#));
    check(r#""jwt""#, Err(r#"a way to authenticate goes into a list: write authenticate = ["jwt"]"#));
    check("[]", Err(r#"the list is empty, so nobody could ever pass; name a method, or write "public""#));
    check(r#"["jwt", "jwt"]"#, Err("`jwt` is listed twice"));
    check(r#"["JWT"]"#, Err("`JWT` is no way to authenticate; did you mean `jwt`?"));
    check(r#"["api-key"]"#, Err("`api-key` is no way to authenticate; did you mean `api_key`?"));
    check(r#"["password"]"#, Err("`password` is no way to authenticate; write `session`, `jwt`, `api_key` or `mtls`"));
    check(r#"["jwt", "optional"]"#, Err(r#"`optional` stands alone, not in a list: write authenticate = "optional""#));
    check(r#"{ any = ["jwt"] }"#, Err(r#"`any` is not known here; write { all = ["jwt", "api_key"] }"#));
    check("{}", Err(r#"the list is empty, so nobody could ever pass; name a method, or write "public""#));
    check(
        "true",
        Err(
            r#"invalid type: boolean `true`, expected "public", "optional", a list like ["jwt", "api_key"], or { all = ["jwt", "api_key"] }"#,
        ),
    );
}

#[test]
fn reads_every_form() {
    check(r#""public""#, Ok(Authenticate::Public));
    check(r#""optional""#, Ok(Authenticate::Optional));
    check(r#"["api_key", "jwt"]"#, Ok(Authenticate::AnyOf(vec![Method::ApiKey, Method::Jwt])));
    check(r#"["session", "mtls"]"#, Ok(Authenticate::AnyOf(vec![Method::Session, Method::Mtls])));
    check(r#"{ all = ["jwt", "api_key"] }"#, Ok(Authenticate::AllOf(vec![Method::Jwt, Method::ApiKey])));
}

#[test]
fn the_schema_of_a_token_source_shows_its_defaults() {
    let schema = schemars::schema_for!(TokenSourceConfig);
    assert_eq!(schema.pointer("/additionalProperties"), Some(&false.into()));
    assert_eq!(schema.pointer("/properties/groups_claim/default"), Some(&"groups".into()));
    assert!(schemars::schema_for!(Authenticate).pointer("/oneOf").is_some());
}
