//! Is a resource template one that can be filled from the path?

use crate::config::RouteMatch;

/// `Type::"text {parameter} text"`; `Err` says what is wrong.
pub(super) fn check(template: &str, path: &RouteMatch) -> Result<(), String> {
    let shape = || format!("`{template}` is not a resource: write it as in `Order::\"{{id}}\"`");
    let (kind, quoted) = template.split_once("::\"").ok_or_else(shape)?;
    let id = quoted.strip_suffix('"').ok_or_else(shape)?;
    if !kind.split("::").all(is_identifier) || id.is_empty() || id.contains(['"', '\\']) {
        return Err(shape());
    }
    let mut rest = id;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(shape)?;
        if literal.contains('}') {
            return Err(shape());
        }
        if !path.parameters().any(|parameter| parameter == name) {
            return Err(format!("`{{{name}}}` is not a parameter of the path `{}`", path.template));
        }
        rest = after;
    }
    if rest.contains('}') { Err(shape()) } else { Ok(()) }
}

fn is_identifier(word: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !word.is_empty() && word.bytes().all(fits) && !word.starts_with(|c: char| c.is_ascii_digit())
}
