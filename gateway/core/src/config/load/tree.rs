//! What stands in a file? Its values, each with its place, owned.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// Deepest nesting of tables and lists, with room to spare for everything that has a meaning here.
pub(super) const DEEPEST: usize = 64;

/// A value and where it stands. For a table with a header, the header.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    /// A date or a time: nothing here takes one.
    Date,
    Float(f64),
    /// Wide enough for anything TOML promises; wider ones are clamped and then refused by their bounds.
    Int(i128),
    List(Vec<Node>),
    Table(Table),
    Text(String),
}

pub(super) type Table = BTreeMap<String, Entry>;

/// A key's place and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Range<usize>,
    pub(super) node: Node,
}

impl Default for Value {
    fn default() -> Self {
        Self::Table(Table::new())
    }
}

impl Node {
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) | Value::List(_) | Value::Text(_) => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) | Value::Table(_) | Value::Text(_) => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    /// Takes out the value at `span`, wherever it is; whether it was there.
    pub(super) fn remove(&mut self, span: &Range<usize>) -> bool {
        match &mut self.value {
            Value::Table(table) => {
                let found = table.iter().find(|(_, entry)| entry.node.span == *span).map(|(key, _)| key.clone());
                match found {
                    Some(key) => table.remove(&key).is_some(),
                    None => table.values_mut().any(|entry| entry.node.remove(span)),
                }
            }
            Value::List(list) => match list.iter().position(|node| node.span == *span) {
                Some(at) => {
                    list.remove(at);
                    true
                }
                None => list.iter_mut().any(|node| node.remove(span)),
            },
            Value::Bool(_) | Value::Date | Value::Float(_) | Value::Int(_) | Value::Text(_) => false,
        }
    }
}

/// The parsed document; `Err` names a place that is nested more than [`DEEPEST`] deep.
pub(super) fn from_document(document: DeTable<'_>) -> Result<Node, Range<usize>> {
    Ok(Node { span: 0..0, value: Value::Table(from_table(document, 1)?) })
}

fn from_table(table: DeTable<'_>, depth: usize) -> Result<Table, Range<usize>> {
    let entry = |(key, value): (toml::Spanned<toml::de::DeString<'_>>, toml::Spanned<DeValue<'_>>)| {
        let place = key.span();
        let node = from_value(value, depth)?;
        Ok((key.into_inner().into_owned(), Entry { key: place, node }))
    };
    table.into_iter().map(entry).collect()
}

fn from_value(value: toml::Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Range<usize>> {
    let span = value.span();
    if depth > DEEPEST {
        return Err(span);
    }
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => {
            let huge = if number.as_str().starts_with('-') { i128::MIN } else { i128::MAX };
            Value::Int(i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(huge))
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(list) => {
            Value::List(list.into_iter().map(|node| from_value(node, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => Value::Table(from_table(table, depth + 1)?),
    };
    Ok(Node { span, value })
}
