//! The matrix for people, and what changes between two.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Cell, Matrix, Role};

impl Role {
    /// `User in demo|writers`, `ApiKey in no group`, `anybody`.
    pub fn words(&self) -> String {
        let groups: Vec<&str> = self.groups.iter().map(String::as_str).collect();
        match (self.kind, groups.as_slice()) {
            ("Anonymous", _) => "no credential".to_owned(),
            ("Certificate", []) => self.kind.to_owned(),
            (kind, []) => format!("{kind} in no group"),
            (kind, some) => format!("{kind} in {}", some.join(", ")),
        }
    }
}

impl Cell {
    fn words(&self) -> String {
        match self {
            Self::Allow => "allow".to_owned(),
            Self::Deny => "deny".to_owned(),
            Self::Depends(condition) => format!("depends: `{condition}`"),
            Self::Unenforced => "allow (policies not enforced)".to_owned(),
        }
    }

    /// How wide it stands open.
    const fn width(&self) -> u8 {
        match self {
            Self::Deny => 0,
            Self::Depends(_) => 1,
            Self::Allow | Self::Unenforced => 2,
        }
    }
}

/// A table with a row for each route and a column for each role; roles between which no route makes a difference share
/// one.
pub fn markdown(matrix: &Matrix) -> String {
    let mut columns: Vec<(String, Vec<&Cell>)> = Vec::new();
    for (at, role) in matrix.roles.iter().enumerate() {
        let cells: Vec<&Cell> = matrix.rows.iter().filter_map(|row| row.cells.get(at)).collect();
        match columns.iter_mut().find(|(_, known)| *known == cells) {
            Some((words, _)) => {
                let _ = write!(words, "<br>{}", escape(&role.words()));
            }
            None => columns.push((escape(&role.words()), cells)),
        }
    }
    let mut text = String::from(
        "# Who may do what\n\n\
         Made by `portcullis policy matrix`; `--check` says when it no longer holds. A role is in the named groups and in no\n\
         other. Requests without a credential, or with one that a route does not take, are refused before policies are asked.\n\n",
    );
    let head = columns.iter().map(|(words, _)| words.as_str()).collect::<Vec<_>>().join(" | ");
    let _ = writeln!(text, "| route | {head} |");
    let _ = writeln!(text, "| --- |{}", " --- |".repeat(columns.len()));
    for (at, row) in matrix.rows.iter().enumerate() {
        let cells = columns.iter().filter_map(|(_, cells)| cells.get(at)).map(|cell| escape(&cell.words()));
        let _ = writeln!(
            text,
            "| {}<br>`{}` | {} |",
            escape(&row.route),
            escape(&row.pattern),
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
    text
}

/// A bar would end the cell, in code too.
fn escape(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Which way a change goes.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It depends on something else now, which may be more.
    Changes,
    Narrows,
    Widens,
}

/// One cell that is not what it was; a route that is not there denies.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(rename = "MatrixChange")]
pub struct Change {
    pub route: String,
    pub role: String,
    pub before: String,
    pub after: String,
    pub direction: Direction,
}

/// What changes from `before` to `after`, which have the same roles.
pub fn differences(before: &Matrix, after: &Matrix) -> Vec<Change> {
    let mut routes: Vec<&str> = Vec::new();
    for row in before.rows.iter().chain(&after.rows) {
        if !routes.contains(&row.route.as_str()) {
            routes.push(&row.route);
        }
    }
    let roles: BTreeSet<&Role> = before.roles.iter().chain(&after.roles).collect();
    let mut changes = Vec::new();
    for route in routes {
        for role in &roles {
            let (one, other) = (before.cell(route, role), after.cell(route, role));
            if one == other {
                continue;
            }
            let direction = match one.width().cmp(&other.width()) {
                std::cmp::Ordering::Less => Direction::Widens,
                std::cmp::Ordering::Equal if one.width() == 2 => continue,
                std::cmp::Ordering::Equal => Direction::Changes,
                std::cmp::Ordering::Greater => Direction::Narrows,
            };
            changes.push(Change {
                route: route.to_owned(),
                role: role.words(),
                before: one.words(),
                after: other.words(),
                direction,
            });
        }
    }
    changes
}

impl Matrix {
    fn cell(&self, route: &str, role: &Role) -> &Cell {
        let row = self.rows.iter().find(|row| row.route == route);
        let at = self.roles.iter().position(|known| known == role);
        row.zip(at).and_then(|(row, at)| row.cells.get(at)).unwrap_or(&Cell::Deny)
    }
}
