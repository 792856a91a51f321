//! Has somebody taken this token back before its time?

use std::collections::HashMap;
use std::sync::Arc;

use crate::moment::Moment;

/// By what a token can be taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenMark {
    /// Of its issuer.
    pub alias: Arc<str>,
    /// `jti`.
    pub id: Option<Arc<str>>,
    /// `sub`.
    pub subject: Option<Arc<str>>,
    /// `iat`.
    pub issued: Option<Moment>,
}

/// What was taken back, and not yet forgotten.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Revocations {
    ids: HashMap<(Box<str>, Box<str>), Until>,
    subjects: HashMap<(Box<str>, Box<str>), (Moment, Until)>,
}

/// When an entry may be forgotten; `None`: never.
type Until = Option<Moment>;

/// One entry of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Revoked {
    /// One token, by its `jti`.
    Id(Box<str>),
    /// All tokens of one `sub` that were issued before `before`.
    Subject { subject: Box<str>, before: Moment },
}

impl Revocations {
    /// Adds an entry for the issuer `alias`.
    pub fn add(&mut self, alias: &str, what: Revoked, until: Option<Moment>) {
        let longer = |one: Until, other: Until| one.zip(other).map(|(one, other)| one.max(other));
        match what {
            Revoked::Id(id) => {
                let until = match self.ids.get(&(alias.into(), id.clone())) {
                    Some(known) => longer(*known, until),
                    None => until,
                };
                self.ids.insert((alias.into(), id), until);
            }
            Revoked::Subject { subject, before } => {
                let key = (Box::from(alias), subject);
                let entry = match self.subjects.get(&key) {
                    Some((earlier, known)) => (before.max(*earlier), longer(*known, until)),
                    None => (before, until),
                };
                self.subjects.insert(key, entry);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.subjects.is_empty()
    }

    pub fn len(&self) -> usize {
        self.ids.len() + self.subjects.len()
    }

    /// Whether this token was taken back. One that does not say when it was issued falls under every entry of its
    /// subject.
    pub fn holds(&self, mark: &TokenMark, now: Moment) -> bool {
        if self.is_empty() {
            return false;
        }
        let still = |until: Until| until.is_none_or(|until| now < until);
        let key = |text: &Arc<str>| (Box::from(&*mark.alias), Box::from(&**text));
        let by_id = mark.id.as_ref().and_then(|id| self.ids.get(&key(id)));
        if by_id.is_some_and(|until| still(*until)) {
            return true;
        }
        let by_subject = mark.subject.as_ref().and_then(|subject| self.subjects.get(&key(subject)));
        by_subject.is_some_and(|(before, until)| still(*until) && mark.issued.is_none_or(|issued| issued < *before))
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Moment, Revocations, Revoked, TokenMark};

    fn mark(id: Option<&str>, subject: Option<&str>, issued: Option<i64>) -> TokenMark {
        TokenMark {
            alias: Arc::from("demo"),
            id: id.map(Arc::from),
            subject: subject.map(Arc::from),
            issued: issued.map(Moment::from_seconds),
        }
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_seconds(seconds)
    }

    #[test]
    fn a_token_is_taken_back_by_its_id_at_its_own_issuer_until_the_entry_ends() {
        let mut list = Revocations::default();
        list.add("demo", Revoked::Id("t1".into()), Some(at(100)));
        let token = mark(Some("t1"), Some("alice"), Some(1));
        assert!(list.holds(&token, at(99)));
        assert!(!list.holds(&token, at(100)), "the entry has ended");
        assert!(!list.holds(&TokenMark { alias: Arc::from("other"), ..token }, at(50)));
        assert!(!list.holds(&mark(Some("t2"), Some("t1"), Some(1)), at(50)));
        assert!(!list.holds(&mark(None, None, None), at(50)));
    }

    #[test]
    fn all_tokens_of_a_subject_are_taken_back_that_were_issued_before() {
        let mut list = Revocations::default();
        list.add("demo", Revoked::Subject { subject: "alice".into(), before: at(50) }, None);
        for (issued, expected) in [(Some(49), true), (Some(50), false), (None, true)] {
            assert_eq!(list.holds(&mark(Some("t"), Some("alice"), issued), at(60)), expected, "{issued:?}");
        }
        assert!(!list.holds(&mark(Some("t"), Some("bob"), None), at(60)));
    }

    #[test]
    fn of_two_entries_for_the_same_the_stricter_holds() {
        let mut list = Revocations::default();
        for (before, until) in [(50, Some(at(1_000))), (40, Some(at(70)))] {
            list.add("demo", Revoked::Subject { subject: "alice".into(), before: at(before) }, until);
        }
        assert!(list.holds(&mark(None, Some("alice"), Some(45)), at(999)));
        list.add("demo", Revoked::Id("t".into()), None);
        list.add("demo", Revoked::Id("t".into()), Some(at(1)));
        assert!(list.holds(&mark(Some("t"), None, None), at(2)), "what never ends is not shortened");
        assert_eq!(list.len(), 2);
    }
}
