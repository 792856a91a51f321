use super::entry;
use crate::route::{HostPattern, MethodSet, Part, Table, Template};

fn conflicts(lines: &[&str]) -> Vec<((usize, usize), String)> {
    let entries = lines.iter().enumerate().map(|(index, line)| entry(index, line)).collect();
    let conflicts = Table::compile(entries).map(|_| ()).unwrap_err();
    conflicts.into_iter().map(|conflict| (conflict.routes, conflict.message)).collect()
}

fn parameters(count: usize) -> String {
    (0..count).map(|number| format!("/{{p{number}}}")).collect::<Vec<_>>().concat()
}

#[test]
fn refuses_routes_of_which_neither_wins() {
    let message = "routes `x` and `y` both answer POST `/a`: give them different methods or paths, or remove one";
    assert_eq!(conflicts(&["x * GET|POST /a", "y * POST /a"]), [((0, 1), message.to_owned())]);
    let message = "routes `x` and `y` both answer GET `/a/{id}` and `/a/{name}`, which are the same paths, on `*.b.io`: \
                   give them different methods or paths, or remove one";
    assert_eq!(conflicts(&["x *.b.io GET /a/{id}", "y *.b.io GET /a/{name}"]), [((0, 1), message.to_owned())]);
    assert_eq!(conflicts(&["x * ANY /{*a}", "y * GET /{*b}", "z * POST /{*c}"]).len(), 2);
}

#[test]
fn takes_routes_that_only_look_alike() {
    let lines = [
        "a * GET /a/{id}",
        "b * POST /a/{id}",
        "c h GET /a/{id}",
        "d *.h GET /a/{id}",
        "e * GET /a/{*rest}",
        "f * GET /a/{id}/",
        "g * HEAD /a/{id}",
        "h * GET /A/{id}",
        "i * GET /a/%7Bid%7D",
        "j * GET /a/%7B*id%7D",
        "k * GET /a/{x}/{y}/{*rest}",
        "l * GET /a/{x}/{*rest}",
        "m * GET /a/b%3Ac",
        "n * GET /a/b:c",
    ];
    assert!(Table::compile(lines.iter().enumerate().map(|(index, line)| entry(index, line)).collect()).is_ok());
}

#[test]
fn refuses_templates_that_could_never_match() {
    for (text, words) in [
        ("", "did you mean `/`"),
        ("a/b", "did you mean `/a/b`"),
        ("/a//b", "write one slash"),
        ("//", "write one slash"),
        ("/../a", "`..` segment"),
        ("/a b", "percent-encode"),
        ("/a;b", "`;`"),
        ("/%61", "send it as it is"),
        ("/a?b", "percent-encode"),
        ("/{id}.json", "whole segment"),
        ("/a-{id}", "whole segment"),
        ("/{a}{b}", "is not a name"),
        ("/{}", "is not a name"),
        ("/{*}", "is not a name"),
        ("/{a b}", "is not a name"),
        ("/{**a}", "is not a name"),
        ("/{a", "whole segment"),
        ("/{*rest}/a", "must be the last segment"),
        ("/{*rest}/", "must be the last segment"),
        ("/a/*", "did you mean `{*rest}`"),
        ("/{a}/{a}", "its own name"),
        ("/{a}/{*a}", "its own name"),
    ] {
        let message = text.parse::<Template>().unwrap_err();
        assert!(message.contains(words) && !message.ends_with('.'), "{text}: {message}");
    }
    assert!(("/{a}".repeat(17)).parse::<Template>().is_err());
    let many = parameters(17);
    assert!(many.parse::<Template>().unwrap_err().contains("at most 16"));
    assert!("/a".repeat(1025).parse::<Template>().unwrap_err().contains("at most 2048"));
}

#[test]
fn reads_templates() {
    let template: Template = "/a/{order-id}/b/{*rest}".parse().unwrap();
    let parts = [
        Part::Static("a".into()),
        Part::Parameter("order-id".into()),
        Part::Static("b".into()),
        Part::Tail("rest".into()),
    ];
    assert_eq!(template.parts(), parts);
    assert_eq!(template.to_string(), "/a/{order-id}/b/{*rest}");
    let names: Vec<_> = template.names().map(|name| &**name).collect();
    assert_eq!(names, ["order-id", "rest"]);
    assert!("/".parse::<Template>().is_ok() && "/a/".parse::<Template>().is_ok());
}

#[test]
fn compiles_the_most_parameters_a_template_may_have() {
    let many = parameters(Template::MOST_PARAMETERS);
    assert!(Table::compile(vec![entry(0, &format!("a * GET {many}"))]).is_ok());
}

#[test]
fn refuses_methods_that_are_none() {
    for (text, words) in [
        ("get", "did you mean `GET`"),
        ("PSOT", "did you mean `POST`"),
        ("GET|", "is not a method"),
        ("GET,POST", "is not a method"),
        ("", "is not a method"),
        ("TRACE", "never served"),
        ("GET|GET", "stands twice"),
        ("GET|ANY", "stands alone"),
    ] {
        let message = text.parse::<MethodSet>().unwrap_err();
        assert!(message.contains(words), "{text}: {message}");
    }
    assert_eq!("POST|GET".parse::<MethodSet>().unwrap().to_string(), "GET|POST");
    assert_eq!("ANY".parse::<MethodSet>().unwrap().to_string(), "ANY");
}

#[test]
fn refuses_hosts_that_are_none() {
    for text in ["", "*", "*.", "a.*", "*a.io", "*.*.io", "a:443", "*.a:443", "a/b", "https://a", "*.[::1]", "a."] {
        assert!(text.parse::<HostPattern>().is_err(), "{text}");
    }
    assert_eq!("App.IO".parse::<HostPattern>().unwrap(), HostPattern::Exact("app.io".into()));
    assert_eq!("*.App.IO".parse::<HostPattern>().unwrap().to_string(), "*.app.io");
}
