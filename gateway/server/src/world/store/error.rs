//! What can go wrong with a store, in an operator's words.

use std::fmt;

/// The store could not do it. Nothing was half written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StoreError {
    /// It cannot be reached; why.
    Away(String),
    /// Too much work is waiting already.
    Busy,
    /// What was expected to stand there does not.
    Conflict,
    /// The cursor is not one we gave out.
    Cursor,
    /// What is kept does not hold together; the store's own words.
    Damaged(String),
    /// It was told and did not answer: whether the change was made is not known; why.
    Doubtful(String),
    /// Anything else that the store or the system says.
    Failed(String),
    /// It is the database of something else.
    Foreign,
    /// There is no room.
    Full,
    /// Another process holds the store.
    Locked,
    /// A newer version of this program has written it.
    Newer { found: i64, known: i64 },
    /// It may be read, not written.
    ReadOnly,
    /// The store has been shut down.
    Stopped,
    /// The change is beyond the bounds that every store keeps.
    Unfit(&'static str),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => write!(f, "the store cannot be reached ({why})"),
            Self::Busy => f.write_str("the store has too much to do: try again"),
            Self::Conflict => f.write_str("it is there already, or somebody else has changed it"),
            Self::Cursor => f.write_str("the cursor is not one that was given out"),
            Self::Damaged(what) => write!(f, "the store is damaged ({what})"),
            Self::Doubtful(why) => {
                write!(f, "the store did not answer ({why}): whether the change was made is not known")
            }
            Self::Failed(what) => write!(f, "the store failed ({what})"),
            Self::Foreign => f.write_str("it is a database of another program"),
            Self::Full => f.write_str("the disk is full"),
            Self::Locked => f.write_str("another process holds the store"),
            Self::Newer { found, known } => {
                write!(f, "it has format {found}, and this version knows no format above {known}")
            }
            Self::ReadOnly => f.write_str("the store cannot be written"),
            Self::Stopped => f.write_str("the store has been shut down"),
            Self::Unfit(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StoreError {}
