//! Which template takes a path?

use std::fmt;

use matchit::{InsertError, Router};

use super::template::Rank;

/// Routers that together know static segment before parameter before tail.
///
/// `matchit` takes a parameter and a tail at the same place for a conflict (its "conflict rules"). So templates with a
/// tail live apart, in one router for each number of segments before the tail: within one router nothing conflicts, and
/// of the routers' answers the most specific wins. Within a router `matchit` prefers static text and goes back to
/// parameters when static text leads nowhere; it stops nowhere short (`agrees_with_a_naive_table` in `tests/properties.rs`).
#[derive(Default)]
pub(super) struct Forest {
    trees: Vec<Tree>,
    /// What each value stands for: how specific the template is.
    ranks: Vec<Box<[Rank]>>,
}

struct Tree {
    /// Segments before the tail; `None` for templates without one.
    tail: Option<usize>,
    router: Router<usize>,
}

impl Forest {
    /// Adds a template in the router's notation; answers its number, counted from 0.
    ///
    /// Errors only when the shape is there already, which callers look up before.
    pub(super) fn insert(
        &mut self,
        shape: &str,
        tail: Option<usize>,
        rank: impl Iterator<Item = Rank>,
    ) -> Result<usize, InsertError> {
        let number = self.ranks.len();
        if let Some(tree) = self.trees.iter_mut().find(|tree| tree.tail == tail) {
            tree.router.insert(shape, number)?;
        } else {
            let mut router = Router::new();
            router.insert(shape, number)?;
            self.trees.push(Tree { tail, router });
        }
        self.ranks.push(rank.collect());
        Ok(number)
    }

    /// The number of the most specific template that takes the path.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let numbers = self.trees.iter().filter_map(|tree| Some(*tree.router.at(path).ok()?.value));
        // Two templates that take the same path differ in rank wherever they differ in shape.
        numbers.min_by(|one, other| self.ranks.get(*one).cmp(&self.ranks.get(*other)))
    }
}

impl fmt::Debug for Forest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Forest").field("templates", &self.ranks.len()).finish_non_exhaustive()
    }
}
