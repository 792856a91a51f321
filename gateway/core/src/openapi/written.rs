//! How is JSON written into TOML? On one line, with `${` kept from being a variable.

use serde_json::Value;

/// A TOML text.
pub(super) fn text(text: &str) -> String {
    // JSON's escapes are TOML's, but for the solidus, which is written plainly, and DEL.
    Value::from(text.replace("${", "$${")).to_string().replace('\u{7f}', "\\u007f")
}

/// A TOML list of texts.
pub(super) fn texts<'a>(all: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", all.into_iter().map(text).collect::<Vec<_>>().join(", "))
}

/// A TOML value; `None` where it holds `null`, which TOML has not.
pub(super) fn value(json: &Value) -> Option<String> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(_) => json.to_string(),
        // A float always has a point or an exponent, as TOML wants.
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_f64().map(|double| format!("{double:?}")), |whole| Some(whole.to_string()))?,
        Value::String(content) => text(content),
        Value::Array(all) => format!("[{}]", all.iter().map(value).collect::<Option<Vec<_>>>()?.join(", ")),
        Value::Object(members) => {
            let members: Option<Vec<String>> =
                members.iter().map(|(name, member)| Some(format!("{} = {}", key(name), value(member)?))).collect();
            let members = members?;
            if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
        }
    })
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare { name.to_owned() } else { Value::from(name).to_string() }
}
