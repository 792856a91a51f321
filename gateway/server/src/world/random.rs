//! The only source of randomness.

use std::cell::RefCell;

/// The operating system gave no randomness. Whoever asked must not go on with what it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoRandomness;

impl std::fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the operating system gave no random bytes")
    }
}

impl std::error::Error for NoRandomness {}

/// Fills `bytes` with bytes fit for keys and identifiers.
#[expect(clippy::disallowed_methods, reason = "the one place that asks; everyone else asks here")]
pub fn fill(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| NoRandomness)
}

/// Bytes that one thread draws ahead.
const STOCK: usize = 2560;

thread_local! {
    static DRAWN: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], left: 0 }) };
}

struct Stock {
    bytes: [u8; STOCK],
    /// How many at the end of `bytes` were not given out yet.
    left: usize,
}

/// As [`fill`], from what was drawn ahead, for names that guard nothing: a draw of its own for each request's ids costs
/// more than writing them down.
pub fn fill_from_stock(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    DRAWN.with_borrow_mut(|stock| {
        if stock.left < bytes.len() {
            stock.left = 0;
            fill(&mut stock.bytes)?;
            stock.left = STOCK;
        }
        let (Some(begin), Some(left)) = (STOCK.checked_sub(stock.left), stock.left.checked_sub(bytes.len())) else {
            return fill(bytes);
        };
        let drawn = stock.bytes.get_mut(begin..begin + bytes.len()).unwrap_or_default();
        for (to, from) in bytes.iter_mut().zip(drawn) {
            *to = std::mem::take(from);
        }
        stock.left = left;
        Ok(())
    })
}
