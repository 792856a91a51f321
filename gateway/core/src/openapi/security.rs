//! Who may come? What the security requirements mean here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::document::Document;
use super::{Certificates, Tokens, Wishes, written};

/// Whom a route lets come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Callers {
    /// As `authenticate` is written.
    pub(super) authenticate: String,
    pub(super) kind: Kind,
    pub(super) methods: BTreeSet<&'static str>,
    /// Every token must carry them.
    pub(super) scopes: Vec<String>,
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Known,
    Optional,
    Public,
}

/// Of one operation. A document that says nothing about security is not thereby public.
pub(super) fn callers(document: &Document, operation: &Map<String, Value>, wishes: &Wishes) -> Callers {
    let stated = operation.get("security").or(document.root.get("security")).and_then(Value::as_array);
    let mut notes = Vec::new();
    let requirements: Vec<&Map<String, Value>> = stated.into_iter().flatten().filter_map(Value::as_object).collect();
    let named: Vec<&&Map<String, Value>> = requirements.iter().filter(|requirement| !requirement.is_empty()).collect();
    if stated.is_some() && named.is_empty() {
        let authenticate = written::text("public");
        return Callers { authenticate, kind: Kind::Public, methods: BTreeSet::new(), scopes: Vec::new(), notes };
    }
    let mut methods = BTreeSet::new();
    let mut scopes: Option<BTreeSet<String>> = None;
    for requirement in &named {
        let mut own = BTreeSet::new();
        for (name, wanted) in requirement.iter() {
            methods.insert(method(document, name, wishes, &mut notes));
            own.extend(wanted.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        }
        scopes = Some(match scopes {
            None => own,
            Some(others) => others.intersection(&own).cloned().collect(),
        });
    }
    if methods.is_empty() {
        methods.insert("api_key");
        if wishes.tokens == Tokens::Declared {
            methods.insert("jwt");
        }
    }
    let together = match named.as_slice() {
        [one] => one.len() > 1 && methods.len() > 1,
        _ => false,
    };
    let list = written::texts(methods.iter().copied());
    let optional = requirements.len() > named.len();
    let (authenticate, kind) = match (optional, together) {
        (true, _) => (written::text("optional"), Kind::Optional),
        (false, true) => (format!("{{ all = {list} }}"), Kind::Known),
        (false, false) => (list, Kind::Known),
    };
    let only_tokens = methods.len() == 1 && methods.contains("jwt") && kind == Kind::Known;
    let scopes: Vec<String> = scopes.into_iter().flatten().filter(|scope| is_scope(scope)).collect();
    Callers { authenticate, kind, methods, scopes: if only_tokens { scopes } else { Vec::new() }, notes }
}

fn method(document: &Document, name: &str, wishes: &Wishes, notes: &mut Vec<String>) -> &'static str {
    let scheme = document.root.pointer(&super::document::below("/components/securitySchemes", &[name]));
    let scheme = scheme.and_then(|scheme| document.resolved(scheme, "").ok()).map(|(scheme, _)| scheme);
    let word = |key: &str| scheme.and_then(|scheme| scheme.get(key)).and_then(Value::as_str).unwrap_or_default();
    let token = word("type") == "oauth2"
        || word("type") == "openIdConnect"
        || (word("type") == "http" && word("scheme").eq_ignore_ascii_case("bearer"));
    match word("type") {
        "apiKey" => "api_key",
        "mutualTLS" if wishes.certificates == Certificates::Asked => "mtls",
        _ if token && wishes.tokens == Tokens::Declared => "jwt",
        kind => {
            notes.push(match kind {
                _ if token => format!("`{name}` means tokens, but the project has no `[tokens]`: an API key takes their place"),
                "mutualTLS" => format!("`{name}` means certificates, but no `client_certificates` are asked for: an API key takes their place"),
                "http" => format!("`{name}` is HTTP `{}`, which is not spoken here: an API key takes its place", word("scheme")),
                _ => format!("`{name}` is not among `securitySchemes`: an API key takes its place"),
            });
            "api_key"
        }
    }
}

/// RFC 6749 §3.3.
fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
