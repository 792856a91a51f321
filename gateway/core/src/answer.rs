//! What may a port say? An answer, at once or later, or that it cannot.

use futures::future::BoxFuture;

/// An answer that is usually here already: the common case neither boxes nor yields.
pub enum Answer<'a, T> {
    Ready(T),
    Wait(BoxFuture<'a, T>),
}

impl<T> Answer<'_, T> {
    pub async fn get(self) -> T {
        match self {
            Self::Ready(value) => value,
            Self::Wait(future) => future.await,
        }
    }
}

/// A store could not be asked. What that means is the asking stage's declared failure mode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoreDown {
    /// For the operator: which store, what failed.
    pub what: &'static str,
}
