//! Which value holds where nothing is written? Default values, named where they are used.

use std::time::Duration;

use crate::units::{Size, Span};

pub(super) const fn seconds<const N: u64>() -> Span {
    Span(Duration::from_secs(N))
}

pub(super) const fn minutes<const N: u64>() -> Span {
    Span(Duration::from_mins(N))
}

pub(super) const fn millis<const N: u64>() -> Span {
    Span(Duration::from_millis(N))
}

pub(super) const fn kib<const N: u64>() -> Size {
    Size(N << 10)
}

pub(super) const fn mib<const N: u64>() -> Size {
    Size(N << 20)
}
