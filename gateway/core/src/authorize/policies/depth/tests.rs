use super::{Text, too_deep};

fn check(text: &str, kind: Text, at: Option<usize>) {
    assert_eq!(too_deep(text, kind).map(|found| found.at), at, "{}", text.get(..60).unwrap_or(text));
}

fn condition(inner: &str) -> String {
    format!("permit (principal, action, resource) when {{ {inner} }};")
}

#[test]
fn refuses_what_would_exhaust_the_stack() {
    let nested = condition(&format!("{}true{}", "(".repeat(300), ")".repeat(300)));
    assert!(too_deep(&nested, Text::Policies).is_some());
    for chain in ["true && ", "true || ", "1 + ", "if true then true else ", "!"] {
        assert!(too_deep(&condition(&format!("{}true", chain.repeat(3000))), Text::Policies).is_some(), "{chain}");
    }
    assert!(too_deep(&condition(&format!("principal{}", ".a".repeat(3000))), Text::Policies).is_some());
    let sets = format!("entity A {{ a: {}Long{} }};", "Set<".repeat(3000), ">".repeat(3000));
    assert!(too_deep(&sets, Text::Schema).is_some());
    let records = format!("type A = {}Long{};", "{ a: ".repeat(3000), " }".repeat(3000));
    assert!(too_deep(&records, Text::Schema).is_some());
}

#[test]
fn counts_neither_texts_nor_comments_nor_other_statements() {
    check(&condition(&format!("principal.a like \"{}\"", "(".repeat(300))), Text::Policies, None);
    check(&format!("// {}\n{}", "(".repeat(300), condition("true")), Text::Policies, None);
    check(&condition("principal.a && principal.b").repeat(2000), Text::Policies, None);
    check(&condition(&format!("[{}].contains(principal.a)", "\"x\", ".repeat(5000))), Text::Policies, None);
    check(&condition("1 < 2").repeat(100), Text::Policies, None);
    check("\"", Text::Policies, None);
    check("\"\\", Text::Policies, None);
}

#[test]
fn says_where() {
    check(&"(".repeat(65), Text::Policies, Some(64));
    check(&"(".repeat(64), Text::Policies, None);
}
