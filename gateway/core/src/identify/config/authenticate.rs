//! `authenticate`: what a route demands of its callers.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// `"public"`, `"optional"`, `["jwt", "api_key"]` or `{ all = ["jwt", "api_key"] }`.
///
/// Of the methods a route lists, every credential that is shown is judged, and one that is bad refuses the
/// request: it never falls through to another. A credential of a method that the route does not list is not
/// judged and counts as none shown (401 `authentication_required` if there is no other).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Authenticate {
    /// Each of these methods must identify the caller. Principal, groups and scopes are those of the first
    /// listed; the identity ends when the first of the credentials does.
    AllOf(Vec<Method>),
    /// One of these methods must. Where several identify, the first listed counts.
    AnyOf(Vec<Method>),
    /// Whoever shows a credential is identified, and refused if it is bad; all others are `Anonymous`.
    Optional,
    /// No credential is judged and nobody is identified.
    Public,
}

/// A way of proving who one is. The words are those of the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    ApiKey,
    Jwt,
    Mtls,
    Session,
}

impl Authenticate {
    /// Whether a caller may be identified by `method`.
    pub fn accepts(&self, method: Method) -> bool {
        match self {
            Self::AllOf(methods) | Self::AnyOf(methods) => methods.contains(&method),
            Self::Optional => true,
            Self::Public => false,
        }
    }
}

impl Method {
    pub const ALL: [Self; 4] = [Self::ApiKey, Self::Jwt, Self::Mtls, Self::Session];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::Mtls => "mtls",
            Self::Session => "session",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(from)?;
        Self::from_name(&name).ok_or_else(|| D::Error::custom(unknown_method(&name)))
    }
}

fn unknown_method(name: &str) -> String {
    let known = "write `session`, `jwt`, `api_key` or `mtls`";
    if name == "public" || name == "optional" {
        return format!("`{name}` stands alone, not in a list: write authenticate = \"{name}\"");
    }
    match nearest(name, Method::ALL.map(Method::name)) {
        Some(near) => format!("`{name}` is no way to authenticate; did you mean `{near}`?"),
        None => format!("`{name}` is no way to authenticate; {known}"),
    }
}

fn nearest<const N: usize>(name: &str, words: [&'static str; N]) -> Option<&'static str> {
    words.into_iter().find(|word| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), word) <= 2)
}

impl<'de> Deserialize<'de> for Authenticate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Authenticate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""public", "optional", a list like ["jwt", "api_key"], or { all = ["jwt", "api_key"] }"#)
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Authenticate, E> {
        match word {
            "optional" => Ok(Authenticate::Optional),
            "public" => Ok(Authenticate::Public),
            _ if Method::from_name(word).is_some() => {
                Err(E::custom(format!("a way to authenticate goes into a list: write authenticate = [\"{word}\"]")))
            }
            _ => Err(E::custom(match nearest(word, ["public", "optional"]) {
                Some(near) => format!("`{word}` is not known here; did you mean `{near}`?"),
                None => format!("`{word}` is not known here; write \"public\", \"optional\" or a list like [\"jwt\"]"),
            })),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Authenticate, A::Error> {
        let mut methods = Vec::new();
        while let Some(method) = from.next_element()? {
            methods.push(method);
        }
        distinct(&methods).map_err(A::Error::custom)?;
        Ok(Authenticate::AnyOf(methods))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Authenticate, A::Error> {
        let mut all = None;
        while let Some(key) = from.next_key::<String>()? {
            if key != "all" || all.is_some() {
                return Err(A::Error::custom(format!(
                    "`{key}` is not known here; write {{ all = [\"jwt\", \"api_key\"] }}"
                )));
            }
            all = Some(from.next_value::<Vec<Method>>()?);
        }
        let methods = all.unwrap_or_default();
        distinct(&methods).map_err(A::Error::custom)?;
        Ok(Authenticate::AllOf(methods))
    }
}

fn distinct(methods: &[Method]) -> Result<(), String> {
    if methods.is_empty() {
        return Err("the list is empty, so nobody could ever pass; name a method, or write \"public\"".into());
    }
    let repeated = methods.iter().enumerate().find(|(index, method)| methods.iter().take(*index).any(|m| m == *method));
    match repeated {
        Some((_, method)) => Err(format!("`{}` is listed twice", method.name())),
        None => Ok(()),
    }
}

impl JsonSchema for Authenticate {
    fn schema_name() -> Cow<'static, str> {
        "Authenticate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let methods = json_schema!({
            "type": "array", "minItems": 1, "uniqueItems": true,
            "items": { "enum": Method::ALL.map(Method::name) }
        });
        json_schema!({
            "description": "what a caller must show: a list demands one of its methods, `all` demands each of them",
            "oneOf": [
                { "enum": ["public", "optional"] },
                methods,
                { "type": "object", "properties": { "all": methods }, "required": ["all"], "additionalProperties": false }
            ]
        })
    }
}
