//! What may a request be, by the document? Read here by nothing of the gateway's.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use portcullis_tests::upstream::Recorded;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};

/// An OpenAPI document of 3.1, as far as the sample app's needs it.
pub(super) struct Document(Value);

/// An object whose members' names were seen, each once.
struct Once(Map<String, Value>);

impl Document {
    pub(super) fn read(path: &Path) -> Self {
        Self(serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// Every operation: its name, method and path.
    pub(super) fn operations(&self) -> Vec<(&str, &str, &str)> {
        let mut all = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap().iter().filter(|(method, _)| *method != "parameters") {
                all.push((operation["operationId"].as_str().unwrap(), method.as_str(), path.as_str()));
            }
        }
        all
    }

    /// A schema among its components.
    pub(super) fn component(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    /// The operation that allows the request, and its body's media type; `Err`: why none does.
    pub(super) fn judge(&self, request: &Recorded) -> Result<String, String> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let method = if request.method == "HEAD" { "get".to_owned() } else { request.method.as_str().to_lowercase() };
        let paths = self.0["paths"].as_object().unwrap();
        let found = paths.iter().find_map(|(template, item)| Some((item, matched(template, path)?)));
        let (item, of_path) = found.ok_or_else(|| format!("no path `{path}`"))?;
        let operation = item.get(&method).ok_or_else(|| format!("no {method} of `{path}`"))?;

        let lists = [&item["parameters"], &operation["parameters"]];
        let parameters: Vec<&Value> = lists.into_iter().filter_map(Value::as_array).flatten().collect();
        let of_query = pairs(query)?;
        let declared: BTreeSet<&str> =
            parameters.iter().filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str()).collect();
        if let Some((name, _)) = of_query.iter().find(|(name, _)| !declared.contains(name.as_str())) {
            return Err(format!("query parameter `{name}` is not declared"));
        }
        for parameter in parameters {
            let name = parameter["name"].as_str().unwrap();
            let texts = match parameter["in"].as_str().unwrap() {
                "path" => of_path.iter().filter(|(known, _)| known == name).map(|(_, text)| text.clone()).collect(),
                "query" => of_query.iter().filter(|(known, _)| known == name).map(|(_, text)| text.clone()).collect(),
                "header" => fields(request, name),
                "cookie" => cookies(request, name),
                other => panic!("{other}"),
            };
            self.parameter(parameter, texts).map_err(|why| format!("{name}: {why}"))?;
        }
        let media_type = self.body(&operation["requestBody"], request)?;
        Ok(format!("{} {media_type}", operation["operationId"].as_str().unwrap()).trim_end().to_owned())
    }

    fn parameter(&self, parameter: &Value, texts: Vec<String>) -> Result<(), String> {
        let schema = &parameter["schema"];
        let value = match (schema["type"] == "array", texts.as_slice()) {
            (_, []) if parameter["required"] == true => return Err("it is required".to_owned()),
            (_, []) => return Ok(()),
            (true, _) => texts.iter().map(|text| scalar(&schema["items"], text)).collect(),
            (false, [text]) => scalar(schema, text),
            (false, _) => return Err("it is there more than once".to_owned()),
        };
        self.fits(schema, &value)
    }

    fn body(&self, declared: &Value, request: &Recorded) -> Result<String, String> {
        if !request.complete {
            return Err("its body broke off".to_owned());
        }
        if declared.is_null() || request.body.is_empty() {
            let may_be = declared.is_null() || declared["required"] != true;
            let fits = may_be && request.body.is_empty();
            return if fits { Ok(String::new()) } else { Err("a body too many or too few".to_owned()) };
        }
        let media_type = request.header("content-type").unwrap_or_default();
        let essence = media_type.split(';').next().unwrap().trim().to_lowercase();
        let content = declared["content"].get(&essence).ok_or_else(|| format!("media type `{essence}`"))?;
        let text = std::str::from_utf8(&request.body).map_err(|error| error.to_string())?;
        let value = match essence.as_str() {
            "application/json" => match serde_json::from_str::<Once>(text) {
                Ok(Once(members)) => Value::Object(members),
                // Anything but an object will be judged by the schema.
                Err(error) if text.trim_start().starts_with('{') => return Err(error.to_string()),
                Err(_) => serde_json::from_str(text).map_err(|error| error.to_string())?,
            },
            "application/x-www-form-urlencoded" => self.form(&content["schema"], text)?,
            other => panic!("{other}"),
        };
        self.fits(&content["schema"], &value).map(|()| essence)
    }

    fn form(&self, schema: &Value, text: &str) -> Result<Value, String> {
        let at = schema["$ref"].as_str().unwrap().trim_start_matches('#');
        let properties = &self.0.pointer(at).unwrap()["properties"];
        let mut members = Map::new();
        for (name, text) in pairs(text)? {
            let value = scalar(&properties[&name], &text);
            if members.insert(name.clone(), value).is_some() {
                return Err(format!("`{name}` is there twice"));
            }
        }
        Ok(members.into())
    }

    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let whole = json!({ "allOf": [schema], "components": self.0["components"] });
        let judge = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        judge.validate(value).map_err(|error| format!("{error} (at {})", error.instance_path()))
    }
}

/// The parameters of a path that the template matches.
fn matched(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (parts, segments): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    if parts.len() != segments.len() {
        return None;
    }
    let mut found = Vec::new();
    for (part, segment) in parts.into_iter().zip(segments) {
        match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => found.push((name.to_owned(), decoded(segment).ok()?)),
            None if part == segment => {}
            None => return None,
        }
    }
    Some(found)
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let plain = |text: &str| decoded(&text.replace('+', " "));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| Ok((plain(name)?, plain(value)?)))
        .collect()
}

fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(std::borrow::Cow::into_owned).map_err(|error| error.to_string())
}

fn fields(request: &Recorded, name: &str) -> Vec<String> {
    let values = request.headers.get_all(name).iter();
    values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
}

fn cookies(request: &Recorded, name: &str) -> Vec<String> {
    let lines = fields(request, "cookie");
    let pairs = lines.iter().flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).collect()
}

/// A text as the type that the schema names: numbers as JSON writes them, and nothing else that might be meant.
fn scalar(schema: &Value, text: &str) -> Value {
    let spelled = |value: &Value| {
        let spelling = value.to_string();
        spelling == text
    };
    let typed = serde_json::from_str::<Value>(text).ok().filter(spelled);
    match schema["type"].as_str() {
        Some("integer" | "number") => typed.filter(Value::is_number).unwrap_or_else(|| text.into()),
        Some("boolean") => typed.filter(Value::is_boolean).unwrap_or_else(|| text.into()),
        _ => text.into(),
    }
}

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Once, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a member twice"));
                    }
                }
                Ok(Once(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
