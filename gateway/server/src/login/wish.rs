//! How is a login to be?

/// What was asked of it.
pub(super) struct Wish {
    pub(super) back_to: String,
    pub(super) acr_values: Option<String>,
    pub(super) max_age: Option<u64>,
    pub(super) attempt: Attempt,
}

/// A login that was lost is begun once more, and not again and again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Attempt {
    First,
    Again,
}

impl Attempt {
    /// The first letter of `state`, so that the answer shows which it was, even where all else is lost.
    pub(super) const fn mark(self) -> char {
        match self {
            Self::First => '0',
            Self::Again => '1',
        }
    }

    pub(super) fn of(state: &str) -> Self {
        if state.starts_with(Self::First.mark()) { Self::First } else { Self::Again }
    }
}
