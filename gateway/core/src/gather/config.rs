//! `resource_attributes` of a route.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use validator::Validate;

use crate::units::Span;

/// Where a route's resource gets the attributes from that policies speak about.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct ResourceAttributesConfig {
    /// `http`: a JSON object that the app answers with; `file`: a JSON object with an object for each resource's id;
    /// `path`: the path parameters.
    pub from: AttributesFrom,
    /// With `http`: where to ask, a template over path parameters: `http://127.0.0.1:3000/orders/{id}`. Asked with GET,
    /// without the caller's credential. 404 and 410 mean that there is no such thing: its attributes are absent.
    #[validate(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// With `file`: the file. Relative to the root.
    pub file: Option<PathBuf>,
    /// Attributes put together from members of the object, or from path parameters: `owner = 'User::"demo|{owner}"'` is
    /// an entity, `team = "{team}"` a text. One whose member is absent is absent. Other members that the schema declares
    /// are taken as they are.
    #[serde(default)]
    #[validate(length(max = 32))]
    pub set: BTreeMap<String, String>,
    /// Entities the resource is in, put together in the same way: `'Folder::"{folder}"'`. A member that is a list makes one
    /// of each element. What these are in themselves, `[hierarchy]` says.
    #[serde(default)]
    #[validate(length(max = 8))]
    pub parents: Vec<String>,
    /// How long an answer is waited for: 10ms to 30s.
    #[serde(default = "one_second")]
    pub timeout: Span,
    /// How long an answer is used, up to one hour; `0s`: for requests that wait for it together, and no longer.
    #[serde(default = "no_time")]
    pub cache: Span,
    /// What happens when no answer can be had: `refuse` answers 503; `absent` asks the policies without attributes.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What entities of one type are in, wherever one of them is a resource, above one, or a group of the caller.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Validate)]
#[serde(deny_unknown_fields)]
pub struct HierarchyConfig {
    /// `file`: a JSON object with an object for each entity's id; `http`: a JSON object that the app answers with. What
    /// groups are in must be known before a request comes: `file`.
    pub from: HierarchyFrom,
    /// With `http`: where to ask, with the entity's id as `{id}`: `http://127.0.0.1:3000/folders/{id}`. Asked with GET,
    /// without the caller's credential. 404 and 410 mean that it is in nothing.
    #[validate(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// With `file`: the file. Relative to the root.
    pub file: Option<PathBuf>,
    /// Entities it is in, put together from members of the object: `'Folder::"{parent}"'`. A member that is a list makes
    /// one of each element.
    #[validate(length(min = 1, max = 8))]
    pub parents: Vec<String>,
    /// How long an answer is waited for: 10ms to 30s.
    #[serde(default = "one_second")]
    pub timeout: Span,
    /// How long an answer is used, up to one hour; `0s`: for requests that wait for it together, and no longer.
    #[serde(default = "no_time")]
    pub cache: Span,
    /// What happens when no answer can be had: `refuse` answers 503; `absent` takes it to be in nothing.
    #[serde(default)]
    pub on_failure: OnFailure,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HierarchyFrom {
    File,
    Http,
}

impl From<&HierarchyConfig> for ResourceAttributesConfig {
    fn from(config: &HierarchyConfig) -> Self {
        let HierarchyConfig { from, url, file, parents, timeout, cache, on_failure } = config.clone();
        let from = match from {
            HierarchyFrom::File => AttributesFrom::File,
            HierarchyFrom::Http => AttributesFrom::Http,
        };
        Self { from, url, file, set: BTreeMap::new(), parents, timeout, cache, on_failure }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributesFrom {
    File,
    Http,
    Path,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    Absent,
    #[default]
    Refuse,
}

fn one_second() -> Span {
    Span(Duration::from_secs(1))
}

fn no_time() -> Span {
    Span(Duration::ZERO)
}
