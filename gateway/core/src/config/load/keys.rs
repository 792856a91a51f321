//! Is every key one we know, and every key there that must be? Asked of the whole text at once, before any of it
//! becomes a type.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::Findings;
use super::text::{TextFile, Veil};
use super::tree::{Node, Table, Value};
use crate::config::schema::json_schema;

/// Which file is walked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Routes, upstreams and token sources only.
    Included,
    Main,
}

const INCLUDABLE: [&str; 3] = ["routes", "tokens", "upstreams"];

type Form<'s> = &'s Map<String, Json>;
type Forms<'s> = Rc<[Form<'s>]>;

/// Reports unknown and missing keys and takes the unknown ones out of the tree. A key that is plainly a misspelling
/// goes on under its right name, so that its value is judged, too. Notes where secrets stand.
pub(super) fn walk(file: usize, text: &mut TextFile, part: Part, findings: &mut Findings) {
    let schema = json_schema();
    let mut walk = Walk { schema: &schema, file, findings, veils: &mut text.veils, known: HashMap::new() };
    if let (Part::Included, Value::Table(table)) = (part, &mut text.tree.value) {
        walk.leave_only_includable(table);
    }
    let forms = walk.forms(&schema);
    walk.node(&mut text.tree, &forms);
}

struct Walk<'s, 'f> {
    schema: &'s Json,
    file: usize,
    findings: &'f mut Findings,
    veils: &'f mut Vec<Veil>,
    /// The forms of each part of the schema, by where it lies: every route asks for the same.
    known: HashMap<*const Json, Forms<'s>>,
}

impl<'s> Walk<'s, '_> {
    fn leave_only_includable(&mut self, table: &mut Table) {
        let known: Vec<&str> = self
            .schema
            .get("properties")
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .map(|(k, _)| k.as_str())
            .collect();
        let wrong: Vec<String> = table
            .keys()
            .filter(|key| known.contains(&key.as_str()) && !INCLUDABLE.contains(&key.as_str()))
            .cloned()
            .collect();
        for key in wrong {
            let Some(entry) = table.remove(&key) else { continue };
            let message = format!("`{key}` may stand in the main file only");
            let help = "an included file may hold `[[routes]]`, `[upstreams.…]` and `[tokens.…]`".to_owned();
            self.findings.add(self.file, entry.key, message, Some(help));
        }
    }

    fn node(&mut self, node: &mut Node, forms: &[Form<'s>]) {
        if forms.iter().any(|form| form.get("writeOnly") == Some(&Json::Bool(true))) {
            self.veil(node);
        }
        match &mut node.value {
            Value::List(list) => {
                let items = self.all(forms.iter().filter_map(|form| form.get("items")));
                for node in list {
                    self.node(node, &items);
                }
            }
            Value::Table(table) => self.table(table, &node.span, forms),
            Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) | Value::Text(_) => {}
        }
    }

    /// Veils a value that may be secret, also where it has not the form it should have.
    fn veil(&mut self, node: &Node) {
        let value = node.text().filter(|text| !text.contains("${")).unwrap_or_default().to_owned();
        self.veils.push(Veil::Secret { span: node.span.clone(), value });
        node.list().into_iter().flatten().for_each(|below| self.veil(below));
        node.table().into_iter().flatten().for_each(|(_, entry)| self.veil(&entry.node));
    }

    fn table(&mut self, table: &mut Table, span: &Range<usize>, forms: &[Form<'s>]) {
        let properties: Vec<(&'s String, &'s Json)> =
            forms.iter().filter_map(|form| form.get("properties")?.as_object()).flatten().collect();
        let others: Option<&'s Json> =
            forms.iter().find_map(|form| form.get("additionalProperties")).filter(|s| s.is_object());
        if properties.is_empty() && others.is_none() {
            // Either anything may stand here, or no table at all, which its type will say.
            return;
        }
        if others.is_none() {
            self.take_out_unknown(table, &properties);
        }
        if let [form] = forms.iter().filter(|form| form.contains_key("properties")).collect::<Vec<_>>().as_slice() {
            self.say_what_is_missing(table, span, form);
        }
        for (key, entry) in table.iter_mut() {
            let known = properties.iter().filter(|(name, _)| *name == key).map(|(_, schema)| *schema);
            let forms = self.all(known.chain(others));
            self.node(&mut entry.node, &forms);
        }
    }

    fn take_out_unknown(&mut self, table: &mut Table, properties: &[(&'s String, &'s Json)]) {
        let known = || properties.iter().map(|(name, _)| name.as_str());
        let unknown: Vec<String> = table.keys().filter(|key| known().all(|name| name != *key)).cloned().collect();
        for key in unknown {
            let Some(entry) = table.remove(&key) else { continue };
            let absent = known().filter(|name| !table.contains_key(*name));
            let meant = nearest(&key, absent).or_else(|| nearest(&key, known()));
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    format!("known here: {}", known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
                }
            };
            self.findings.add(self.file, entry.key.clone(), format!("unknown key `{}`", shown(&key)), Some(help));
            match meant {
                Some(meant) => drop(table.entry(meant.to_owned()).or_insert(entry)),
                // What it holds nobody can tell.
                None if entry.node.span.start > entry.key.start => self.veil(&entry.node),
                None => {}
            }
        }
    }

    fn say_what_is_missing(&mut self, table: &Table, span: &Range<usize>, form: Form<'s>) {
        let required = form.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
        let missing: Vec<&str> = required.filter(|key| !table.contains_key(*key)).collect();
        let about = |key: &str| {
            let text = form.get("properties")?.get(key)?.get("description")?.as_str()?.replace('\n', " ");
            let text = text.trim_end_matches('.');
            let mut letters = text.chars();
            let first = letters.next()?.to_lowercase();
            Some(format!("`{key}`: {first}{}", letters.as_str()))
        };
        if missing.is_empty() {
            return;
        }
        let names = missing.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let verb = if missing.len() == 1 { "is" } else { "are" };
        let help = missing.iter().filter_map(|key| about(key)).collect::<Vec<_>>().join("\n      ");
        self.findings.add(self.file, span.clone(), format!("{names} {verb} missing"), Some(help));
    }

    /// Every form a value may take by any of these.
    fn all(&mut self, schemas: impl Iterator<Item = &'s Json>) -> Forms<'s> {
        let mut all: Option<Forms<'s>> = None;
        for schema in schemas {
            let more = self.forms(schema);
            all = Some(all.map_or_else(|| Rc::clone(&more), |some| some.iter().chain(&*more).copied().collect()));
        }
        all.unwrap_or_default()
    }

    /// Every form a value may take by this schema.
    fn forms(&mut self, schema: &'s Json) -> Forms<'s> {
        let at = std::ptr::from_ref(schema);
        if let Some(forms) = self.known.get(&at) {
            return Rc::clone(forms);
        }
        let forms: Forms<'s> = self.followed(schema).into();
        self.known.insert(at, Rc::clone(&forms));
        forms
    }

    /// With references and choices followed.
    fn followed(&self, schema: &'s Json) -> Vec<Form<'s>> {
        let mut found = Vec::new();
        let mut open = vec![schema];
        // Bounded, should a reference ever lead back to itself.
        for _ in 0..64 {
            let Some(schema) = open.pop() else { break };
            let Some(form) = schema.as_object() else { continue };
            found.push(form);
            let reference =
                form.get("$ref").and_then(Json::as_str).and_then(|at| self.schema.pointer(at.strip_prefix('#')?));
            open.extend(reference);
            for choice in ["allOf", "anyOf", "oneOf"] {
                open.extend(form.get(choice).and_then(Json::as_array).into_iter().flatten());
            }
        }
        found
    }
}

fn shown(key: &str) -> String {
    key.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The keys, anywhere, whose values may be secret.
pub(super) fn secret_names() -> Vec<String> {
    let schema = json_schema();
    let secret = |property: &Json| {
        let target = property.get("$ref").and_then(Json::as_str).and_then(|at| schema.pointer(at.strip_prefix('#')?));
        target.unwrap_or(property).get("writeOnly") == Some(&Json::Bool(true))
    };
    let types = schema.get("$defs").and_then(Json::as_object).into_iter().flatten().map(|(_, schema)| schema);
    let properties = types.filter_map(|schema| schema.get("properties")?.as_object()).flatten();
    let mut names: Vec<String> =
        properties.filter(|(_, property)| secret(property)).map(|(key, _)| key.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The word that was probably meant: one that begins alike, or at most one change in three letters away.
pub(in crate::config) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    // Longer words are no misspelling of anything here, and comparing them takes long.
    if word.len() > 64 {
        return None;
    }
    let most = (word.chars().count() / 3).clamp(1, 3);
    let near = known.into_iter().filter_map(|other| {
        let (one, two) = (plain(word), plain(other));
        let begins = one.len().min(two.len()) >= 4 && (one.starts_with(&two) || two.starts_with(&one));
        let distance = strsim::damerau_levenshtein(&one, &two);
        let longer = one.len().abs_diff(two.len());
        (distance <= most || begins).then_some((distance, longer, other))
    });
    near.min().map(|(_, _, other)| other)
}
