//! What does each operation become? A route, with its schemas, and what of it could not be mapped.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::document::{Document, below};
use super::path::Path;
use super::schema::{Judging, file_of, translate};
use super::security::{Callers, Kind, callers};
use super::{Block, Note, Wishes, parameters, written};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";
/// Media types of one body.
const MOST_BODIES: usize = 16;

/// One operation as a route.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The route's name, which is the Cedar action.
    pub name: String,
    /// JSON Pointer into the document.
    pub at: String,
    /// As the route's `match` is written: `GET /a/{id}`.
    pub pattern: String,
    pub block: Block,
    /// File name below the folder of this document's schemas, and text.
    pub schemas: Vec<(String, String)>,
    /// Whether it only reads.
    pub reads: bool,
    /// Cedar's types of those who may ask.
    pub principals: BTreeSet<&'static str>,
    /// Whether anybody may ask, without a credential.
    pub public: bool,
}

/// Everything a document became.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    pub operations: Vec<Operation>,
    /// Operations without a route: name or method and path, place, reason.
    pub refused: Vec<Note>,
    pub notes: Vec<Note>,
}

impl Imported {
    /// Translates every operation.
    pub fn of(document: &Document, wishes: &Wishes) -> Self {
        let mut all = Self::default();
        let mut names = BTreeSet::new();
        let (mut shapes, mut files) = (BTreeSet::new(), BTreeSet::new());
        let base = document.base();
        let mut paths: Vec<(&String, &Value)> = document.paths().into_iter().flatten().collect();
        // A path that prescribes a query goes last: the one without it stands for both.
        paths.sort_by_key(|(path, _)| path.contains('?'));
        for (path, item) in paths {
            let at = below("/paths", &[path]);
            let (item, at) = match document.resolved(item, &at) {
                Ok(found) => found,
                Err(message) => {
                    all.refused.push(Note { operation: path.clone(), at, message });
                    continue;
                }
            };
            for method in METHODS {
                let Some(operation) = item.get(method).and_then(Value::as_object) else { continue };
                let place = below(&at, &[method]);
                let upper = method.to_ascii_uppercase();
                let name = name(operation, &upper, path, &mut names);
                let file = unique(&file_name(&name), &mut files);
                let work = Work { document, wishes, name, file, at: place, path, base: &base, method: &upper };
                let refuse = |message: String| Note { operation: work.name.clone(), at: work.at.clone(), message };
                if method == "trace" {
                    all.refused.push(refuse("TRACE is refused for every path".to_owned()));
                } else if method == "head" && item.get("get").is_some() {
                    all.notes.push(refuse("HEAD is covered by the route of GET".to_owned()));
                } else {
                    match work.translate((item, &at), operation, &mut shapes) {
                        Ok((operation, notes)) => {
                            all.operations.push(operation);
                            all.notes.extend(notes);
                        }
                        Err(message) => all.refused.push(refuse(message)),
                    }
                }
            }
        }
        all.notes.sort();
        all.notes.dedup();
        all.refused.sort_by(|one, other| one.at.cmp(&other.at));
        all
    }
}

/// `operationId`, else method and path; in letters that a name may have, and once.
fn name(operation: &Map<String, Value>, method: &str, path: &str, taken: &mut BTreeSet<String>) -> String {
    let id = operation.get("operationId").and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty());
    let plain = |text: &str| -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.:/ -{}".contains(c);
        text.chars().map(|c| if fits(c) { c } else { '_' }).take(128).collect::<String>().trim().to_owned()
    };
    let wanted = id.map(plain).filter(|id| !taken.contains(id)).unwrap_or_else(|| plain(&format!("{method} {path}")));
    let mut name = wanted.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        let short: String = wanted.chars().take(120).collect();
        name = format!("{short} {number}");
        number += 1;
    }
    name
}

pub(super) struct Work<'d> {
    pub(super) document: &'d Document,
    pub(super) wishes: &'d Wishes,
    pub(super) name: String,
    /// What its files are named after.
    pub(super) file: String,
    pub(super) at: String,
    path: &'d str,
    base: &'d str,
    method: &'d str,
}

pub(super) type Notes = Vec<(String, String)>;

impl Work<'_> {
    fn translate(
        &self,
        (item, item_at): (&Value, &str),
        operation: &Map<String, Value>,
        shapes: &mut BTreeSet<String>,
    ) -> Result<(Operation, Vec<Note>), String> {
        let mut notes = Notes::new();
        let own = Value::Object(operation.clone());
        let lists = [(item, item_at.to_owned()), (&own, self.at.clone())];
        let parameters = parameters::all(self.document, &lists, &mut notes);
        let tails: Vec<&str> = parameters
            .iter()
            .filter(|(parameter, _)| {
                let flag = |name: &str| parameter.get(name) == Some(&Value::Bool(true));
                parameter.get("in").is_some_and(|place| place == "path")
                    && (flag("x-multi-segment") || flag("allowReserved"))
            })
            .filter_map(|(parameter, _)| parameter.get("name").and_then(Value::as_str))
            .collect();
        let path = Path::of(self.base, self.path, &tails)?;
        if !shapes.insert(format!("{} {}", self.method, path.shape())) {
            let but = if path.fixed.is_empty() { "its parameters' names" } else { "its query, which chooses no route" };
            return Err(format!("another operation has the same method and the same path but for {but}"));
        }
        if !path.fixed.is_empty() {
            let message = "a path has no query: what this one prescribes is a parameter that must be there";
            notes.push((self.at.clone(), message.to_owned()));
        }
        if !path.mixed.is_empty() {
            notes.push((self.at.clone(), "a segment that mixes text and parameters is one parameter here".to_owned()));
        }
        let written = parameters::write(self.document, &parameters, &path, &mut notes);
        let callers = callers(self.document, operation, self.wishes);
        notes.extend(callers.notes.iter().map(|note| (self.at.clone(), note.clone())));
        let mut schemas = Vec::new();
        let body = self.body(operation, &mut schemas, &mut notes);
        let pattern = format!("{} {}", self.method, path.template);
        let reads = matches!(self.method, "GET" | "HEAD" | "OPTIONS");
        let responses = self.responses(operation, &mut schemas, &mut notes);
        let lines = [body, responses].concat();
        let text = self.text(&pattern, reads, &callers, &lines, &written);
        let notes = notes.into_iter().map(|(at, message)| Note { operation: self.name.clone(), at, message }).collect();
        let principals = principals(&callers);
        let public = callers.kind == Kind::Public;
        let (name, at) = (self.name.clone(), self.at.clone());
        let block = Block::made(&self.name, &text);
        Ok((Operation { name, at, pattern, block, schemas, reads, principals, public }, notes))
    }

    fn text(
        &self,
        pattern: &str,
        reads: bool,
        callers: &Callers,
        body: &[String],
        written: &parameters::Written,
    ) -> String {
        let mut lines = vec![
            "[[routes]]".to_owned(),
            format!("name = {}", written::text(&self.name)),
            format!("match = {}", written::text(pattern)),
            format!("upstream = {}", written::text(&self.wishes.upstream)),
            format!("authenticate = {}", callers.authenticate),
        ];
        if callers.kind != Kind::Public {
            let group = format!("{}-{}", self.wishes.name, if reads { "read" } else { "write" });
            lines.push(format!("action_groups = {}", written::texts([group.as_str()])));
        }
        if !callers.scopes.is_empty() {
            lines.push(format!("scopes = {}", written::texts(callers.scopes.iter().map(String::as_str))));
        }
        lines.extend(body.iter().cloned());
        if !written.entries.is_empty() {
            lines.push("parameters = [".to_owned());
            lines.extend(written.entries.iter().map(|entry| format!("  {entry},")));
            lines.push("]".to_owned());
        }
        let any_query = written.entries.iter().any(|entry| entry.starts_with("{ in = \"query\""));
        match (written.unknown_query, any_query) {
            (true, _) => lines.push("unknown_query = \"allow\"".to_owned()),
            (false, false) => lines.push("unknown_query = \"refuse\"".to_owned()),
            (false, true) => {}
        }
        lines.join("\n")
    }

    /// The lines about bodies.
    fn body(
        &self,
        operation: &Map<String, Value>,
        schemas: &mut Vec<(String, String)>,
        notes: &mut Notes,
    ) -> Vec<String> {
        let at = below(&self.at, &["requestBody"]);
        let found = operation.get("requestBody").map(|body| self.document.resolved(body, &at));
        let (body, at) = match found {
            Some(Ok(found)) => found,
            Some(Err(message)) => {
                notes.push((at, message));
                return Vec::new();
            }
            // No body is declared, so none is taken.
            None => return vec!["max_body = \"0B\"".to_owned()],
        };
        if matches!(self.method, "GET" | "HEAD") {
            notes.push((at, "a body of a GET has no meaning (RFC 9110 §9.3.1) and is refused".to_owned()));
            return vec!["max_body = \"0B\"".to_owned()];
        }
        let content = body.get("content").and_then(Value::as_object);
        let mut entries = Vec::new();
        for (media, inner) in content.into_iter().flatten() {
            let at = below(&at, &["content", media]);
            let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let entry = self.entry(&essence, inner, &at, schemas, notes);
            if !entries.iter().any(|(known, _)| *known == essence) {
                entries.push((essence, entry));
            }
        }
        if entries.is_empty() {
            notes.push((at, "a body without a media type passes unread".to_owned()));
            return Vec::new();
        }
        if entries.len() > MOST_BODIES {
            notes.push((at, format!("more than {MOST_BODIES} media types: the rest is refused")));
            entries.truncate(MOST_BODIES);
        }
        // What names a type goes before what names many.
        entries.sort_by_key(|(essence, _)| essence.matches('*').count());
        let required = body.get("required") == Some(&Value::Bool(true));
        let list: Vec<String> = entries.into_iter().map(|(_, entry)| format!("  {entry},")).collect();
        vec![format!("body_required = {required}"), format!("bodies = [\n{}\n]", list.join("\n"))]
    }

    fn entry(
        &self,
        essence: &str,
        inner: &Value,
        at: &str,
        schemas: &mut Vec<(String, String)>,
        notes: &mut Notes,
    ) -> String {
        let json = essence == "application/json" || (essence.ends_with("+json") && !essence.contains('*'));
        let judged = json || essence == FORM || essence == MULTIPART;
        let mut entry = format!("{{ media_type = {}", written::text(essence));
        match inner.get("schema").filter(|_| judged) {
            Some(schema) => {
                let judging = if essence == MULTIPART { Judging::Files } else { Judging::Values };
                let mut translated = translate(self.document, schema, &below(at, &["schema"]), judging);
                encodings(inner, &mut translated.schema);
                notes.extend(translated.left_out);
                let form = !json;
                if form && !is_object(&translated.schema) {
                    let message = "a form that is no object by its schema passes unread".to_owned();
                    notes.push((at.to_owned(), message));
                } else {
                    let file = format!("{}{}.json", self.file, suffix(essence));
                    let text = serde_json::to_string_pretty(&translated.schema).unwrap_or_default();
                    let path = format!("schemas/{}/{file}", self.wishes.name);
                    entry.push_str(", schema = ");
                    entry.push_str(&written::text(&path));
                    schemas.push((file, text));
                }
            }
            None if judged => notes.push((at.to_owned(), "a body without a schema passes unread".to_owned())),
            None => notes
                .push((at.to_owned(), format!("bodies of `{essence}` cannot be judged by a schema and pass unread"))),
        }
        entry.push_str(" }");
        entry
    }
}

/// `encoding` of a multipart body: which media types a file may have.
fn encodings(inner: &Value, schema: &mut Value) {
    for (name, encoding) in inner.get("encoding").and_then(Value::as_object).into_iter().flatten() {
        let Some(types) = encoding.get("contentType").and_then(Value::as_str) else { continue };
        let types: Vec<&str> = types.split(',').map(str::trim).filter(|kind| !kind.is_empty()).collect();
        let place = schema.get_mut("properties").and_then(|properties| properties.get_mut(name));
        if let Some(place) = place.filter(|place| place.pointer("/properties/media_type").is_some())
            && types.iter().all(|kind| !kind.contains('*'))
        {
            *place = file_of(&types);
        }
    }
}

/// Whether the compiler of forms will take it.
fn is_object(schema: &Value) -> bool {
    let input = serde_json::json!({ "bodies": [{ "media_type": FORM, "schema": "s" }] });
    let Ok(route) = serde_json::from_value(input) else { return false };
    let text = schema.to_string();
    let others = |_: &std::path::Path| Some(text.as_bytes());
    let schemas = crate::validate::Schemas { body: None, others: &others };
    crate::validate::Validate::compile(&route, schemas, crate::validate::Limits::default(), 1 << 20).is_ok()
}

fn suffix(essence: &str) -> String {
    match essence {
        "application/json" => String::new(),
        FORM => ".form".to_owned(),
        MULTIPART => ".multipart".to_owned(),
        other => format!(".{}", file_name(other)),
    }
}

/// `name`, or with a number behind it where another has it already; to some file systems case says nothing.
fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while !taken.insert(free.to_ascii_lowercase()) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}

/// A name that every file system takes.
pub(super) fn file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '_' };
    name.chars().map(plain).take(120).collect::<String>().trim_matches('.').to_owned()
}

fn principals(callers: &Callers) -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    for method in &callers.methods {
        match *method {
            "jwt" => all.extend(["Client", "User"]),
            "mtls" => all.extend(["Certificate"]),
            _ => all.extend(["ApiKey"]),
        }
    }
    match callers.kind {
        Kind::Known => all,
        // Whoever shows any credential is known.
        Kind::Optional => ["Anonymous", "ApiKey", "Client", "User"].into(),
        Kind::Public => ["Anonymous"].into(),
    }
}
