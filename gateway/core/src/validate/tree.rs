//! How do flat names make an object? `address[city]`, `tags[]`, `items[0][price]`: the notation of `deepObject` and of
//! forms, read in one way only.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::json::{self, Limits};
use super::pointer;
use super::shape::Shape;

/// Brackets of one name.
const DEEPEST: usize = 8;

/// What is wrong, and where below the place it began.
pub(super) type Wrong = (String, &'static str);

/// What stands behind one name.
#[derive(Debug)]
pub(super) enum Leaf {
    /// Read by the shape.
    Text(String),
    /// Read already.
    Value(Value),
}

/// Whether a text may be JSON where the schema wants an object or a list (RFC 7578 leaves that to the parties,
/// `OpenAPI` makes it the default for members of forms).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Texts {
    MayBeJson,
    Plain,
}

/// Values under their names, before the schema says what they are.
#[derive(Debug, Default)]
pub(super) struct Tree {
    leaves: Vec<Leaf>,
    /// Behind `[]`.
    next: Vec<Leaf>,
    below: Vec<(String, Tree)>,
}

impl Tree {
    /// Puts a leaf under `name`, which may have brackets.
    ///
    /// # Errors
    /// Brackets that do not pair, are nested too deep, or hold nothing before the last.
    pub(super) fn insert(&mut self, name: &str, leaf: Leaf) -> Result<(), &'static str> {
        let (base, brackets) = name.find('[').and_then(|at| name.split_at_checked(at)).unwrap_or((name, ""));
        if base.is_empty() || base.contains(']') {
            return Err("has a name whose brackets do not pair");
        }
        let mut at = self.child(base)?;
        let mut rest = brackets;
        let mut depth = 0;
        while !rest.is_empty() {
            let inside = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let Some((key, after)) = inside.filter(|(key, _)| !key.contains('[')) else {
                return Err("has a name whose brackets do not pair");
            };
            depth += 1;
            if depth > DEEPEST {
                return Err("has a name with more than 8 brackets");
            }
            if key.is_empty() {
                if !after.is_empty() {
                    return Err("has `[]` before the last bracket of a name: write the index");
                }
                at.next.push(leaf);
                return Ok(());
            }
            at = at.child(key)?;
            rest = after;
        }
        at.leaves.push(leaf);
        Ok(())
    }

    /// The names are few: forms are bounded.
    fn child(&mut self, name: &str) -> Result<&mut Self, &'static str> {
        let at = self.below.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.below.push((name.to_owned(), Self::default()));
            self.below.len() - 1
        });
        self.below.get_mut(at).map(|(_, child)| child).ok_or("could not be read")
    }

    /// The object that the names make.
    ///
    /// # Errors
    /// A name twice, a value that is both text and object, what cannot be read as the schema's type.
    pub(super) fn object(self, shape: &Shape, texts: Texts, limits: &Limits) -> Result<Value, Wrong> {
        let text = Shape::default();
        let mut object = Map::new();
        for (name, child) in self.below {
            let below = |(at, message): Wrong| {
                let mut here = String::new();
                pointer::push(&mut here, &name);
                (here + &at, message)
            };
            let shape = shape.member(&name).unwrap_or(&text);
            let value = child.value(shape, texts, limits).map_err(below)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }

    fn value(mut self, shape: &Shape, texts: Texts, limits: &Limits) -> Result<Value, Wrong> {
        let here = |message: &'static str| (String::new(), message);
        let forms = usize::from(!self.leaves.is_empty())
            + usize::from(!self.next.is_empty())
            + usize::from(!self.below.is_empty());
        if forms > 1 {
            return Err(here("is written in two ways at once"));
        }
        if !self.below.is_empty() {
            return match (&shape.members, &shape.items) {
                (Some(_), _) => self.object(shape, texts, limits),
                (None, Some(items)) => self.indexed(items, texts, limits),
                (None, None) => Err(here("must not have brackets in its name")),
            };
        }
        let several = self.leaves.len() > 1 || !self.next.is_empty();
        let mut leaves = std::mem::take(&mut self.leaves);
        leaves.append(&mut self.next);
        match (&shape.items, several) {
            (Some(items), true) => list(leaves, items, texts, limits),
            (None, true) => Err(here("appears more than once")),
            (items, false) => match (leaves.pop(), items) {
                (None, _) => Ok(Value::Null),
                (Some(Leaf::Value(value)), Some(_)) if !value.is_array() && !shape.is_scalar() => {
                    Ok(Value::Array(vec![value]))
                }
                (Some(Leaf::Value(value)), _) => Ok(value),
                (Some(Leaf::Text(text)), Some(items)) if !shape.is_scalar() && shape.members.is_none() => match texts {
                    Texts::MayBeJson if text.starts_with('[') => parsed(&text, limits),
                    Texts::MayBeJson | Texts::Plain => list(vec![Leaf::Text(text)], items, texts, limits),
                },
                (Some(Leaf::Text(text)), _) => one(&text, shape, texts, limits),
            },
        }
    }

    /// `a[0]`, `a[1]`: every index from 0 on, once, in any order.
    fn indexed(self, items: &Shape, texts: Texts, limits: &Limits) -> Result<Value, Wrong> {
        let wrong = "must be a list whose indices begin at 0 and leave none out";
        let count = self.below.len();
        let mut all: Vec<Option<Value>> = (0..count).map(|_| None).collect();
        for (index, child) in self.below {
            let plain = index == "0" || !index.starts_with('0') && index.bytes().all(|byte| byte.is_ascii_digit());
            let at: Option<usize> = index.parse().ok().filter(|_| plain);
            let place = at.and_then(|at| all.get_mut(at)).ok_or((String::new(), wrong))?;
            *place =
                Some(child.value(items, texts, limits).map_err(|(at, message)| (format!("/{index}{at}"), message))?);
        }
        let all: Option<Vec<Value>> = all.into_iter().collect();
        all.map(Value::Array).ok_or((String::new(), wrong))
    }
}

fn list(leaves: Vec<Leaf>, items: &Shape, texts: Texts, limits: &Limits) -> Result<Value, Wrong> {
    let mut all = Vec::with_capacity(leaves.len());
    for (at, leaf) in leaves.into_iter().enumerate() {
        let value = match leaf {
            Leaf::Value(value) => Ok(value),
            Leaf::Text(text) => one(&text, items, texts, limits),
        };
        all.push(value.map_err(|(below, message)| (format!("/{at}{below}"), message))?);
    }
    Ok(Value::Array(all))
}

fn one(text: &str, shape: &Shape, texts: Texts, limits: &Limits) -> Result<Value, Wrong> {
    if shape.is_scalar() || (shape.members.is_none() && shape.items.is_none()) {
        let plain = !shape.is_scalar();
        return if plain {
            Ok(Value::String(text.to_owned()))
        } else {
            shape.scalar(text).map_err(|m| (String::new(), m))
        };
    }
    match texts {
        Texts::MayBeJson => parsed(text, limits),
        Texts::Plain => shape.scalar(text).map_err(|message| (String::new(), message)),
    }
}

fn parsed(text: &str, limits: &Limits) -> Result<Value, Wrong> {
    json::parse(text.as_bytes(), limits)
        .map(|parsed| parsed.value)
        .map_err(|fault| (fault.pointer, "must be one JSON value that everybody reads alike"))
}
