//! Which words mean something in a schema? JSON Schema ignores those it does not know, so a slip of the pen would
//! leave input unjudged; here it is an error.

use serde_json::{Map, Value};

use super::Dialect;

/// In both drafts.
const COMMON: &[&str] = &[
    "$comment",
    "$id",
    "$ref",
    "$schema",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "default",
    "description",
    "else",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "if",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "propertyNames",
    "readOnly",
    "required",
    "then",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// Since 2019-09 or 2020-12. `$defs` is only a place, so it serves draft 7 too.
const NEWER: &[&str] = &[
    "$anchor",
    "contentSchema",
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "prefixItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Until 2019-09.
const OLDER: &[&str] = &["additionalItems", "dependencies"];
/// Places for schemas, and words of `OpenAPI` that judge nothing. `example` and `examples` differ by one letter.
const SILENT: &[&str] = &["$defs", "definitions", "deprecated", "discriminator", "example", "externalDocs", "xml"];
/// What may stand beside `$ref` in draft 7, where all else beside it is ignored.
const BESIDE_REF: &[&str] =
    &["$comment", "$defs", "$id", "$ref", "$schema", "default", "definitions", "description", "examples", "title"];
const TYPES: &[&str] = &["array", "boolean", "integer", "null", "number", "object", "string"];

/// What is wrong with one member name of a schema object.
pub(super) fn wrong_keyword(name: &str, schema: &Map<String, Value>, dialect: Dialect) -> Option<String> {
    let known = |list: &[&str]| list.contains(&name);
    match dialect {
        Dialect::Draft7 if known(NEWER) => {
            return Some(format!(
                "`{name}` means nothing in draft 7: write `\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"`"
            ));
        }
        Dialect::Draft202012 if known(OLDER) => {
            let instead = if name == "additionalItems" {
                "`prefixItems` with `items`"
            } else {
                "`dependentRequired` or `dependentSchemas`"
            };
            return Some(format!("`{name}` means nothing in draft 2020-12: use {instead}"));
        }
        Dialect::Draft7 if schema.contains_key("$ref") && !BESIDE_REF.contains(&name) => {
            return Some(format!("`{name}` beside `$ref` means nothing in draft 7: put both under `allOf`"));
        }
        Dialect::Draft7 | Dialect::Draft202012 => {}
    }
    match name {
        "$dynamicRef" | "$recursiveRef" => return Some(format!("`{name}` is not supported: use `$ref`")),
        "nullable" => return Some("`nullable` means nothing here: write `\"type\": [\"…\", \"null\"]`".to_owned()),
        _ => {}
    }
    if known(COMMON) || known(NEWER) || known(OLDER) || known(SILENT) || name.starts_with("x-") {
        return None;
    }
    let all = || COMMON.iter().chain(NEWER).chain(OLDER);
    let same = all().find(|keyword| keyword.eq_ignore_ascii_case(name) || keyword.trim_start_matches('$') == name);
    let near = || all().find(|keyword| keyword.len() > 4 && strsim::damerau_levenshtein(keyword, name) == 1);
    let meant = same.filter(|keyword| keyword.len() > 2).or_else(near)?;
    Some(format!("`{name}` is not a keyword and would judge nothing: did you mean `{meant}`?"))
}

/// A better sentence than the meta-schema's about a misspelt `type`.
pub(super) fn wrong_type(pointer: &str, value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let at_type = pointer.ends_with("/type") || pointer.rsplit_once('/').is_some_and(|(p, _)| p.ends_with("/type"));
    if !at_type {
        return None;
    }
    let meant = TYPES.iter().find(|kind| strsim::damerau_levenshtein(kind, &name.to_ascii_lowercase()) <= 2);
    Some(match meant {
        Some(kind) => format!("`{name}` is not a type: did you mean `{kind}`?"),
        None => format!("`{name}` is not a type: write one of {}", TYPES.join(", ")),
    })
}
