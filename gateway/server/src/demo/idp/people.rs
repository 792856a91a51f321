//! Whom does the provider know?

use std::fmt;
use std::str::FromStr;

/// Somebody the provider gives tokens for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Person {
    /// The user name and the tokens' `sub`.
    pub name: String,
    /// The tokens' `groups`.
    pub groups: Vec<String>,
}

impl Person {
    /// A writer, a reader, and somebody of no group.
    pub fn everyone() -> Vec<Self> {
        let person = |name: &str, groups: &[&str]| Self {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        vec![person("alice", &["writers"]), person("bob", &["readers"]), person("carol", &[])]
    }

    pub(super) fn email(&self) -> String {
        format!("{}@example.com", self.name)
    }

    /// The name as a page shows it.
    pub(super) fn shown(&self) -> String {
        let mut letters = self.name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }
}

/// `name:group,group`, or `name` alone.
impl FromStr for Person {
    type Err = NotAPerson;

    fn from_str(text: &str) -> Result<Self, NotAPerson> {
        let (name, groups) = text.split_once(':').unwrap_or((text, ""));
        let groups: Vec<String> = groups.split(',').filter(|group| !group.is_empty()).map(str::to_owned).collect();
        let plain = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte));
        let good = !name.is_empty() && name.len() <= 64 && plain(name) && groups.iter().all(|group| plain(group));
        if good { Ok(Self { name: name.to_owned(), groups }) } else { Err(NotAPerson) }
    }
}

/// The text names nobody.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAPerson;

impl fmt::Display for NotAPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write `name:group,group`, of letters, digits, `.`, `_`, `@` and `-`")
    }
}

impl std::error::Error for NotAPerson {}
