//! Which paths is an operation for? Its template as a route writes it.

use std::str::FromStr as _;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use crate::route::Template;

/// A route's path, and what became of the parameters' names.
#[derive(Debug)]
pub(super) struct Path {
    pub(super) template: String,
    /// Path parameters by their name in the document, as the route calls them.
    pub(super) names: Vec<(String, String)>,
    /// Segments that mix text and parameters: the route's name for each, and a schema of the whole.
    pub(super) mixed: Vec<(String, Map<String, Value>)>,
    /// Query parameters whose value the path prescribes.
    pub(super) fixed: Vec<(String, String)>,
}

impl Path {
    /// Translates `path` below `base`. `tails` are the parameters that may hold slashes.
    ///
    /// # Errors
    /// A path that no route can have.
    pub(super) fn of(base: &str, path: &str, tails: &[&str]) -> Result<Self, String> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let whole = format!("{base}{path}");
        let fixed = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        let mut out = Self { template: String::new(), names: Vec::new(), mixed: Vec::new(), fixed };
        let rest = whole.strip_prefix('/').ok_or_else(|| format!("`{whole}` does not begin with `/`"))?;
        let mut segments = rest.split('/').peekable();
        while let Some(segment) = segments.next() {
            out.template.push('/');
            let last = segments.peek().is_none();
            let inner = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
            match inner.filter(|inner| !inner.contains(['{', '}'])) {
                Some(name) => {
                    let plain = out.name(name);
                    let tail = if last && tails.contains(&name) { "*" } else { "" };
                    out.template.extend(["{", tail, &plain, "}"]);
                    out.names.push((name.to_owned(), plain));
                }
                None if segment.contains(['{', '}']) => out.mix(segment)?,
                None => out.template.push_str(segment),
            }
        }
        Template::from_str(&out.template)?;
        Ok(out)
    }

    /// Letters, digits and `_`, not used yet.
    fn name(&self, name: &str) -> String {
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(60).collect();
        let taken = |name: &str| self.template.contains(&format!("{{{name}}}"));
        let mut free = if plain.is_empty() { "value".to_owned() } else { plain.clone() };
        let mut number = 2;
        while taken(&free) {
            free = format!("{plain}_{number}");
            number += 1;
        }
        free
    }

    /// `{name}.json` is one parameter, whose text has a pattern.
    fn mix(&mut self, segment: &str) -> Result<(), String> {
        let mut pattern = "^".to_owned();
        let mut rest = segment;
        let mut label = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("`{segment}` has a brace without its pair"))?;
            pattern.push_str(&escaped(before));
            pattern.push_str("[^/]+");
            if !label.is_empty() {
                label.push('_');
            }
            label.push_str(name);
            rest = after;
        }
        pattern.push_str(&escaped(rest));
        pattern.push('$');
        let name = self.name(&label);
        self.template.extend(["{", &name, "}"]);
        let schema = json!({ "type": "string", "pattern": pattern });
        self.mixed.push((name, schema.as_object().cloned().unwrap_or_default()));
        Ok(())
    }

    /// The same for paths that match the same requests.
    pub(super) fn shape(&self) -> String {
        let shaped = self.template.split('/').map(|segment| match segment.strip_prefix('{') {
            Some(inner) if inner.starts_with('*') => "{*}",
            Some(_) => "{}",
            None => segment,
        });
        shaped.collect::<Vec<_>>().join("/").to_ascii_lowercase()
    }
}

/// `name=value` of a query, decoded.
fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    (decoded(name), decoded(value))
}

fn escaped(text: &str) -> String {
    let special = |c: char| ".+*?()|[]{}^$\\/".contains(c);
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}
