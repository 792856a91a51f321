//! Which document is it, and where do its references lead?

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// References followed from one place.
const LONGEST_CHAIN: usize = 32;

/// An `OpenAPI` document of a version that is spoken here.
#[derive(Debug)]
pub struct Document {
    pub(super) root: Value,
    pub(super) dialect: Dialect,
}

/// Whose words its schemas speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// `OpenAPI` 3.0: an own variant of an early draft.
    Own,
    /// `OpenAPI` 3.1: JSON Schema 2020-12.
    JsonSchema,
}

/// Why a document cannot be imported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreadable(pub String);

impl Document {
    /// # Errors
    /// Not an `OpenAPI` document, or of another version.
    pub fn of(root: Value) -> Result<Self, Unreadable> {
        let version = match (root.get("openapi"), root.get("swagger")) {
            (Some(Value::String(version)), _) => version.clone(),
            (Some(version), _) => version.to_string(),
            (None, Some(version)) => {
                return Err(Unreadable(format!(
                    "this is Swagger {}: convert it to OpenAPI 3 first",
                    version.as_str().unwrap_or("2")
                )));
            }
            (None, None) => {
                return Err(Unreadable("this is no OpenAPI document: it has no member `openapi`".to_owned()));
            }
        };
        let dialect = if version.starts_with("3.0") {
            Dialect::Own
        } else if version.starts_with("3.1") || version.starts_with("3.2") {
            Dialect::JsonSchema
        } else {
            return Err(Unreadable(format!("OpenAPI `{version}` is not spoken here: 3.0 and 3.1 are")));
        };
        Ok(Self { root, dialect })
    }

    /// Its title; empty when it has none.
    pub fn title(&self) -> &str {
        self.root.pointer("/info/title").and_then(Value::as_str).unwrap_or_default()
    }

    /// The address of the first server, with its variables at their defaults.
    pub fn server(&self) -> Option<String> {
        let server = self.root.pointer("/servers/0")?;
        let mut url = server.get("url")?.as_str()?.to_owned();
        for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
            let default = variable.get("default").and_then(Value::as_str).unwrap_or_default();
            url = url.replace(&format!("{{{name}}}"), default);
        }
        Some(url)
    }

    /// What stands before every path: the path of the first server.
    pub(super) fn base(&self) -> String {
        let url = self.server().unwrap_or_default();
        let path = match url.split_once("://") {
            Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
            None => url.as_str(),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
    }

    /// What a value stands for, and where: references are followed within the document.
    ///
    /// # Errors
    /// A reference that leads out of the document, nowhere, or in a circle.
    pub(super) fn resolved<'d>(&'d self, value: &'d Value, at: &str) -> Result<(&'d Value, String), String> {
        let mut here = (value, at.to_owned());
        for _ in 0..LONGEST_CHAIN {
            let Some(reference) = here.0.get("$ref").and_then(Value::as_str) else { return Ok(here) };
            let pointer = local(reference)?;
            let target = self.root.pointer(&pointer).ok_or_else(|| format!("`{reference}` is not in the document"))?;
            here = (target, pointer);
        }
        Err("its references lead in a circle".to_owned())
    }

    pub(super) fn paths(&self) -> Option<&Map<String, Value>> {
        self.root.get("paths").and_then(Value::as_object)
    }
}

/// The pointer of a reference into the document itself.
pub(super) fn local(reference: &str) -> Result<String, String> {
    let fragment = reference
        .strip_prefix('#')
        .ok_or_else(|| format!("`{reference}` is outside the document and is not fetched"))?;
    Ok(percent_decode_str(fragment).decode_utf8_lossy().into_owned())
}

/// A JSON Pointer with `names` behind it.
pub(super) fn below(at: &str, names: &[&str]) -> String {
    let mut pointer = at.to_owned();
    for name in names {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
