//! How does a text become a type? Through its `FromStr`, whose error is the message the operator reads.

/// Makes a type with `FromStr<Err = String>` and `Display` readable from the configuration.
///
/// `$about` becomes the description of the type in the JSON Schema, `$example` its example.
macro_rules! text_type {
    ($type:ty, $name:literal, $about:literal, $example:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom::<String>)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $about, "examples": [$example] })
            }
        }
    };
}

pub(super) use text_type;
