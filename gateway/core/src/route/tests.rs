mod compile;

use http::Method;

use super::{Entry, Found, Table, Verdict as V};
use crate::refusal::Code;
use crate::request::CanonicalPath;

/// `name HOST METHODS TEMPLATE`, the host being `*` for any.
pub(super) fn entry(index: usize, line: &str) -> Entry {
    let words: Vec<_> = line.split(' ').collect();
    let [name, host, methods, template] = words[..] else { panic!("{line}") };
    Entry {
        name: name.into(),
        methods: methods.parse().unwrap(),
        template: template.parse().unwrap(),
        host: (host != "*").then(|| host.parse().unwrap()),
        index,
    }
}

fn table(lines: &[&str]) -> Table {
    let entries = lines.iter().enumerate().map(|(index, line)| entry(index, line)).collect();
    Table::compile(entries).unwrap()
}

fn find(table: &Table, request: &str) -> Result<Found, (Code, String)> {
    let words: Vec<_> = request.split(' ').collect();
    let [host, method, path] = words[..] else { panic!("{request}") };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    table.find(host, &method, CanonicalPath::parse(path).unwrap()).map_err(|refusal| {
        let allow = refusal.extra.map(|extra| extra.allow.clone()).unwrap_or_default();
        (refusal.code, allow.iter().map(Method::as_str).collect::<Vec<_>>().join(" "))
    })
}

/// `expected`: the route's number, 404, or 405 with the methods of `Allow`.
fn check(table: &Table, request: &str, expected: Result<usize, &str>) {
    let found = find(table, request).map(|found| found.route);
    let expected = expected.map_err(|refusal| match refusal {
        "404" => (Code::RouteNotFound, String::new()),
        allow => (Code::MethodNotAllowed, allow.trim_start_matches("405 ").to_owned()),
    });
    assert_eq!(found, expected, "{request}");
}

#[test]
fn refuses_what_no_route_has() {
    let table = table(&["a * GET /a", "b * GET /b/{id}", "c * GET /c/{*rest}", "d * GET /d/", "e x.io GET /e"]);
    for request in [
        "h GET /",
        "h GET /a/",
        "h GET /aa",
        "h GET /b",
        "h GET /b/",
        "h GET /b/1/",
        "h GET /b/1/2",
        "h GET /c",
        "h GET /c/",
        "h GET /d",
        "h GET /e",
        "h POST /x",
    ] {
        check(&table, request, Err("404"));
    }
    check(&Table::default(), "h GET /", Err("404"));
}

#[test]
fn refuses_other_spellings_instead_of_falling_to_a_wider_route() {
    let lines = [
        "admin * GET /admin/{id}",
        "rest * GET /{*rest}",
        "upper * GET /Users/Me",
        "user * GET /Users/{id}",
        "colon * GET /x:y",
        "any h POST /{a}/{b}/{c}",
        "root * GET /",
    ];
    let table = table(&lines);
    for request in [
        "h GET /Admin/x",
        "h GET /ADMIN/X",
        "h POST /Admin/x",
        "h GET /users/Me",
        "h GET /Users/me",
        "h GET /users/me",
        "h GET /users/1",
        "h GET /x%3Ay",
        "h GET /X:y",
    ] {
        check(&table, request, Err("404"));
    }
    check(&table, "h GET /admin/X", Ok(0));
    check(&table, "h GET /Users/Me", Ok(2));
    check(&table, "h GET /Users/Mee", Ok(3));
    check(&table, "h GET /x:y", Ok(4));
    check(&table, "h GET /x%3Az", Ok(1));
    check(&table, "h GET /Other", Ok(1));
    check(&table, "h GET /admin", Ok(1));
    check(&table, "h GET /", Ok(6));
}

#[test]
fn refuses_other_spellings_on_the_less_specific_host_too() {
    let table = table(&["a h GET /a", "rest h.io GET /{*rest}", "admin * GET /admin", "all * GET /{*rest}"]);
    check(&table, "h GET /Admin", Err("404"));
    check(&table, "h GET /A", Err("404"));
    check(&table, "h.io GET /Admin", Ok(1));
    check(&table, "h.io GET /admin", Ok(1));
}

#[test]
fn keeps_apart_routes_that_differ_by_case() {
    let table = table(&["lower * GET /a/{id}", "upper * GET /A/{id}"]);
    check(&table, "h GET /a/x", Ok(0));
    check(&table, "h GET /A/x", Ok(1));
}

#[test]
fn refuses_other_methods_at_the_most_specific_path() {
    let table = table(&[
        "export * POST /a/export",
        "show * GET /a/{id}",
        "drop * DELETE|PATCH /a/{other}",
        "rest * ANY /{*rest}",
    ]);
    check(&table, "h GET /a/export", Err("405 POST"));
    check(&table, "h POST /a/export", Ok(0));
    check(&table, "h POST /a/1", Err("405 GET HEAD PATCH DELETE"));
    check(&table, "h OPTIONS /a/1", Err("405 GET HEAD PATCH DELETE"));
    check(&table, "h DELETE /a/1", Ok(2));
    check(&table, "h PROPFIND /b", Ok(3));
    check(&table, "h TRACE /b", Err(&format!("405 {}", super::MethodSet::ANY.names().collect::<Vec<_>>().join(" "))));
}

#[test]
fn lets_get_cover_head_unless_head_has_a_route() {
    let table = table(&["get * GET /a", "get2 * GET /b", "head * HEAD /b", "post * POST /c"]);
    check(&table, "h HEAD /a", Ok(0));
    check(&table, "h HEAD /b", Ok(2));
    check(&table, "h GET /b", Ok(1));
    check(&table, "h HEAD /c", Err("405 POST"));
    check(&table, "h POST /b", Err("405 GET HEAD"));
}

#[test]
fn prefers_static_segments_then_parameters_then_tails_from_the_left() {
    let table = table(&[
        "0 * GET /a/b/c",
        "1 * GET /a/b/{z}",
        "2 * GET /a/{y}/c",
        "3 * GET /a/{*rest}",
        "4 * GET /{x}/b/c",
        "5 * GET /{x}/{*rest}",
        "6 * GET /{*rest}",
        "7 * GET /a/b/{z}/d",
        "8 * GET /{x}/{y}/{z}/{w}",
    ]);
    for (path, route) in [
        ("/a/b/c", 0),
        ("/a/b/x", 1),
        ("/a/x/c", 2),
        ("/a/x/x", 3),
        ("/a/b", 3),
        ("/a/b/c/d", 7),
        ("/a/b/c/e", 3),
        ("/x/b/c", 4),
        ("/x/b/d", 5),
        ("/x/b/c/d", 8),
        ("/x/b/c/d/e", 5),
        ("/x", 6),
        ("/x/", 6),
        ("/a/b/", 3),
    ] {
        check(&table, &format!("h GET {path}"), Ok(route));
    }
}

#[test]
fn prefers_the_more_specific_host() {
    let table = table(&[
        "0 a.b.io GET /x",
        "1 *.b.io GET /x",
        "2 *.io GET /x",
        "3 * GET /x",
        "4 * GET /y",
        "5 *.b.io POST /y",
        "6 [::1] GET /x",
    ]);
    check(&table, "a.b.io GET /x", Ok(0));
    check(&table, "c.b.io GET /x", Ok(1));
    check(&table, "d.c.b.io GET /x", Ok(1));
    check(&table, "b.io GET /x", Ok(2));
    check(&table, "io GET /x", Ok(3));
    check(&table, "::1 GET /x", Ok(6));
    check(&table, "a.b.io POST /x", Err("405 GET HEAD"));
    check(&table, "a.b.io GET /y", Err("405 POST"));
    check(&table, "e.com GET /y", Ok(4));
}

#[test]
fn decodes_parameters_once() {
    let table = table(&["get * GET /a/{id}/b/{*rest}", "post * POST /a/{other}/b/{*more}"]);
    let found = find(&table, "h GET /a/caf%C3%A9%20%25x/b/c%40d/e/").unwrap();
    assert_eq!(found.params.iter().collect::<Vec<_>>(), [("id", "café %x"), ("rest", "c@d/e/")]);
    assert_eq!((found.params.get("rest"), found.params.get("other")), (Some("c@d/e/"), None));
    let found = find(&table, "h POST /a/1/b/2").unwrap();
    assert_eq!(found.params.iter().collect::<Vec<_>>(), [("other", "1"), ("more", "2")]);
    assert!(find(&self::table(&["a * GET /a"]), "h GET /a").unwrap().params.is_empty());
}

#[test]
fn explains_who_won_and_why() {
    let table = table(&[
        "rest * ANY /{*rest}",
        "show h GET /a/{id}",
        "make h POST /a/{id}",
        "wide h GET /{*rest}",
        "other x.io GET /a/{id}",
        "upper h GET /A/{id}",
    ]);
    let explain = |method: Method, path| {
        let explanation = table.explain("h", &method, CanonicalPath::parse(path).unwrap());
        let verdicts: Vec<_> =
            explanation.candidates.iter().map(|candidate| (&*candidate.name, candidate.verdict)).collect();
        format!("{verdicts:?} {:?}", explanation.outcome.map(|found| found.route).map_err(|refusal| refusal.code))
    };
    assert_eq!(
        explain(Method::GET, "/a/1"),
        format!(
            "{:?} Ok(1)",
            [
                ("show", V::Wins),
                ("make", V::MethodDiffers),
                ("upper", V::SpellingDiffers),
                ("wide", V::PathLessSpecific),
                ("rest", V::HostLessSpecific)
            ]
        )
    );
    assert_eq!(
        explain(Method::PUT, "/b"),
        format!("{:?} Err(MethodNotAllowed)", [("wide", V::MethodDiffers), ("rest", V::HostLessSpecific)])
    );
    for verdict in [V::HostLessSpecific, V::MethodDiffers, V::PathLessSpecific, V::SpellingDiffers, V::Wins] {
        assert!(!verdict.to_string().is_empty());
    }
}
