//! Two pieces of work at once.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

/// Policies are taken apart by recursion. It is set aside, and used as far as it is needed.
const STACK: usize = 64 * 1024 * 1024;

/// Does both; the second on a thread of its own where they are `worth` one.
pub(super) fn both<A, B: Send>(worth: bool, one: impl FnOnce() -> A, other: impl Fn() -> B + Send + Sync) -> (A, B) {
    if !worth {
        return (one(), other());
    }
    scope(|scope| match Builder::new().name("compile".to_owned()).stack_size(STACK).spawn_scoped(scope, &other) {
        Ok(thread) => {
            let one = one();
            (one, thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
        }
        // No thread to be had.
        Err(_) => (one(), other()),
    })
}
