//! Which requests does a route speak of? Methods and a path template, as text.

use std::fmt;
use std::str::FromStr;

use crate::config::text::text_type;

/// `METHOD|METHOD /path/{parameter}/{*rest}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteMatch {
    /// Upper case; empty means any method.
    pub methods: Vec<&'static str>,
    /// Begins with `/`; canonical outside its parameters.
    pub template: String,
}

/// What a route may be asked with. CONNECT and TRACE are never forwarded.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
const RESERVED: [&str; 2] = ["/_portcullis", "/.well-known/oauth-protected-resource"];

impl RouteMatch {
    pub fn is_any_method(&self) -> bool {
        self.methods.is_empty()
    }

    pub fn takes(&self, method: &str) -> bool {
        self.is_any_method() || self.methods.contains(&method)
    }

    /// The names of the path parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.template.split('/').filter_map(parameter)
    }

    /// The template with its parameter names left out: equal shapes match equal paths.
    pub(in crate::config) fn shape(&self) -> String {
        let segment = |segment: &str| match parameter(segment) {
            Some(_) if segment.starts_with("{*") => "{*}".to_owned(),
            Some(_) => "{}".to_owned(),
            None => segment.to_owned(),
        };
        self.template.split('/').map(segment).collect::<Vec<_>>().join("/")
    }
}

/// The name in `{name}` or `{*name}`.
fn parameter(segment: &str) -> Option<&str> {
    let inner = segment.strip_prefix('{')?.strip_suffix('}')?;
    Some(inner.strip_prefix('*').unwrap_or(inner))
}

impl FromStr for RouteMatch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (methods, template) = text.split_once(' ').ok_or_else(|| {
            format!(
                "`{text}` is not a method and a path: write them with one space between, as in `GET /orders/{{id}}`"
            )
        })?;
        let methods = match methods {
            "ANY" => Vec::new(),
            list => list.split('|').map(method).collect::<Result<_, _>>()?,
        };
        let mut sorted = methods.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != methods.len() {
            return Err(format!("`{text}` names a method twice"));
        }
        check_template(template)?;
        Ok(Self { methods, template: template.to_owned() })
    }
}

fn method(word: &str) -> Result<&'static str, String> {
    if let Some(method) = METHODS.into_iter().find(|method| *method == word) {
        return Ok(method);
    }
    let upper = word.to_ascii_uppercase();
    match METHODS.into_iter().find(|method| *method == upper) {
        Some(method) => Err(format!("`{word}` must be in upper case: write `{method}`")),
        None => Err(format!("`{word}` is not a method a route can have: {}, or ANY", METHODS.join(", "))),
    }
}

fn check_template(template: &str) -> Result<(), String> {
    if template.len() > 1024 {
        return Err("the path is longer than 1024 bytes".to_owned());
    }
    let Some(path) = template.strip_prefix('/') else {
        return Err(format!("the path `{template}` must begin with `/`"));
    };
    if let Some(reserved) = RESERVED
        .into_iter()
        .find(|r| template.strip_prefix(r).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    {
        return Err(format!("the path `{template}` lies under `{reserved}`, which is the gateway's own"));
    }
    let segments: Vec<&str> = path.split('/').collect();
    let mut names: Vec<&str> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        if segment.is_empty() && !last {
            return Err(format!("the path `{template}` has an empty segment (`//`)"));
        }
        match parameter(segment) {
            Some(name) => {
                check_parameter(template, segment, name, last)?;
                if names.contains(&name) {
                    return Err(format!("the path `{template}` has the parameter `{name}` twice"));
                }
                names.push(name);
            }
            None => check_literal(template, segment)?,
        }
    }
    Ok(())
}

fn check_parameter(template: &str, segment: &str, name: &str, last: bool) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "`{segment}` in the path `{template}` is not a parameter: write `{{name}}`, or `{{*name}}` for the rest of \
             the path, of letters, digits and `_`"
        ));
    }
    if segment.starts_with("{*") && !last {
        return Err(format!("`{segment}` takes the rest of the path, so nothing may follow it in `{template}`"));
    }
    Ok(())
}

fn check_literal(template: &str, segment: &str) -> Result<(), String> {
    if segment.contains(['{', '}']) {
        return Err(format!(
            "`{segment}` in the path `{template}`: a parameter takes a whole segment, as in `/a/{{id}}`"
        ));
    }
    if let Some(name) = segment.strip_prefix(':') {
        return Err(format!("`{segment}` in the path `{template}` looks like a parameter: write `{{{name}}}`"));
    }
    if segment == "*" || segment == "**" {
        return Err(format!("`{segment}` in the path `{template}` is no wildcard here: write `{{*rest}}`"));
    }
    if matches!(segment, "." | "..") {
        return Err(format!("the path `{template}` has a dot segment, which no request may have"));
    }
    // RFC 3986 §3.3, without `;` and escapes: the only escapes a canonical path has are of bytes that cannot stand bare.
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@%".contains(c);
    match segment.chars().find(|c| !fits(*c)) {
        Some(wrong) => Err(format!("`{}` cannot stand in the path `{template}`", wrong.escape_debug())),
        None => Ok(()),
    }
}

impl fmt::Display for RouteMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = if self.is_any_method() { "ANY".to_owned() } else { self.methods.join("|") };
        write!(f, "{methods} {}", self.template)
    }
}

text_type!(
    RouteMatch,
    "RouteMatch",
    "Methods (`GET`, `GET|POST`, `ANY`), a space, and a path template.",
    "GET /orders/{id}"
);
