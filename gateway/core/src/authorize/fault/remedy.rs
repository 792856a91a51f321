//! How is it mended? Where Cedar says what is wrong and not what to write, or says it in words of its inside.

use super::PolicyFault;
use crate::near::{did_you_mean, near};

/// What Cedar has no name for.
const BUILTIN: [&str; 9] = ["Bool", "Long", "Set", "String", "datetime", "decimal", "duration", "ipaddr", "Boolean"];

/// What to do about this, in a policy; `None`: Cedar's own help will do. `said`: that help.
pub(super) fn of(message: &str, said: Option<&str>) -> Option<String> {
    let has = |words: &str| message.contains(words);
    let between = |start: &str, end: &str| message.split_once(start)?.1.split_once(end).map(|(found, _)| found);
    let help = if has("expected single entity uid or template slot, found set") {
        "a scope names one entity: write the list as a condition, `when { principal in [Group::\"…\", …] }`".to_owned()
    } else if has("expected an entity uid, found") {
        "write an entity with its type and its id in quotes: `Action::\"read\"`, `Group::\"keys|writers\"`".to_owned()
    } else if let Some(word) = between("unexpected token `", "`").and_then(operator) {
        format!("Cedar writes `{word}`")
    } else if has("expected Set<__cedar::internal::AnyEntity>, or __cedar::internal::AnyEntity but saw String") {
        "what is asked for is an entity, not its name: `Group::\"keys|writers\"`".to_owned()
    } else if let Some((one, other)) =
        between("the types ", " are not compatible").and_then(|it| it.split_once(" and "))
        && [one, other].contains(&"String")
        && [one, other].iter().any(|kind| is_entity(kind))
    {
        "an entity is no text: write it with its type, as in `User::\"demo|alice\"`".to_owned()
    } else if let Some((name, kind)) =
        between("attribute `", "` not found").and_then(|it| it.split_once("` on entity type `"))
        && !said.is_some_and(|said| guessed(said, name))
    {
        format!(
            "declare it in the schema, as in `entity {kind} {{ {name}?: String }}`, and ask `has {name}` before reading it; groups and roles are asked for with `in Group::\"…\"`"
        )
    } else if said.is_some() {
        return None;
    } else if message == "invalid token" {
        "a comment begins with `//`, a text stands in double quotes".to_owned()
    } else if let Some(name) = between("attribute `", "` in context") {
        format!(
            "declare `{name}` in the `context` of that action in the schema; `portcullis policy schema` says what it can hold"
        )
    } else if has("policy is impossible") {
        "no request fulfils it: it asks for what no caller or resource here has, or for both of two things that exclude each other; mend or remove it".to_owned()
    } else {
        return None;
    };
    Some(help)
}

/// Whether Cedar's guess is one: it names whatever is least unlike.
fn guessed(said: &str, name: &str) -> bool {
    let guess = said.strip_prefix("did you mean `").and_then(|rest| rest.strip_suffix("`?"));
    guess.is_none_or(|guess| near(name, [guess]).is_some())
}

/// What other languages write.
fn operator(word: &str) -> Option<&'static str> {
    match word {
        "and" | "AND" => Some("&&"),
        "or" | "OR" => Some("||"),
        "not" | "NOT" => Some("!"),
        _ => None,
    }
}

fn is_entity(kind: &str) -> bool {
    let plain = kind.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    plain && !kind.starts_with("__cedar") && !BUILTIN.contains(&kind)
}

/// Without words of Cedar's inside.
pub(super) fn plain(message: String) -> String {
    const ENTITIES: &str = "Set<__cedar::internal::AnyEntity>, or __cedar::internal::AnyEntity";
    message.replace(ENTITIES, "an entity or a set of entities").replace("__cedar::internal::AnyEntity", "an entity")
}

/// A schema's fault, with the name that was probably meant, and a place where Cedar says none.
pub(in crate::authorize) fn of_schema(mut fault: PolicyFault, text: &str) -> PolicyFault {
    let missing = |message: &str| {
        let names =
            message.strip_prefix("failed to resolve types: ").or(message.strip_prefix("failed to resolve type: "))?;
        names.split(", ").next().map(str::to_owned)
    };
    if let Some(name) = missing(&fault.message) {
        let known = declared(text);
        let known: Vec<&str> = known.iter().map(String::as_str).chain(BUILTIN).collect();
        fault.message = format!("the schema declares no type `{name}`");
        fault.help = Some(did_you_mean(&name, &known));
    } else if let Some(action) = fault.message.strip_prefix("undeclared action: Action::").map(str::to_owned) {
        fault = fault.at(text.find(&action).map(|at| (at, action.len())));
        fault.message = format!("the schema declares no action {action}, and others are in it");
        fault.help = Some(format!("declare the group, `action {action};`, or mend its name"));
    }
    fault
}

/// The names of all types that are declared.
fn declared(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split("//").next().unwrap_or_default()) {
        for statement in line.split(';').map(str::trim) {
            let Some((word, rest)) = statement.split_once(' ') else { continue };
            if matches!(word, "entity" | "type") {
                let names = rest.split(['{', '=']).next().unwrap_or_default().split(" in ").next().unwrap_or_default();
                let first = |name: &str| name.split_whitespace().next().map(str::to_owned);
                found.extend(names.split(',').filter_map(first));
            }
        }
    }
    found
}
