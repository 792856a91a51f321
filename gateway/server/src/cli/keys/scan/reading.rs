//! The keys in one text of any length, read through a window.

use std::io::{self, Read};

use portcullis_core::identify::{LONGEST_KEY, find_keys};

/// Read at a time, in bytes.
const WINDOW: usize = 256 * 1024;
/// A text with a NUL in its beginning is binary, as `git` and `grep` have it.
const BEGINNING: usize = 8 * 1024;

/// One key, by what may be shown of it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Found {
    /// From 1.
    pub(super) line: u64,
    /// From 1, in bytes.
    pub(super) column: u64,
    pub(super) env: String,
    pub(super) id: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Text {
    /// Not looked into.
    Binary,
    Plain,
}

/// Tells `tell` of every key, `most` of them at most.
pub(super) fn read(mut text: impl Read, binary: bool, most: u64, mut tell: impl FnMut(Found)) -> io::Result<Text> {
    let (mut window, mut left) = (Vec::with_capacity(WINDOW + LONGEST_KEY), most);
    let (mut line, mut column, mut first) = (1, 1, true);
    loop {
        let kept = window.len();
        let wanted = u64::try_from(WINDOW).unwrap_or(u64::MAX);
        let read = text.by_ref().take(wanted).read_to_end(&mut window)?;
        if first && !binary && window.iter().take(BEGINNING).any(|byte| *byte == 0) {
            return Ok(Text::Binary);
        }
        first = false;
        // What ends in the window before was told then; what may go on behind this one waits for the next.
        let mut at = 0;
        for (begin, key) in find_keys(&window) {
            if begin + key.len() <= kept {
                continue;
            }
            (line, column) = moved(line, column, window.get(at..begin).unwrap_or_default());
            at = begin;
            tell(Found { line, column, env: key.env().to_owned(), id: key.id().to_owned() });
            left -= 1;
            if left == 0 {
                return Ok(Text::Plain);
            }
        }
        if read == 0 {
            return Ok(Text::Plain);
        }
        let keep = window.len().saturating_sub(LONGEST_KEY).max(at);
        (line, column) = moved(line, column, window.get(at..keep).unwrap_or_default());
        window.drain(..keep);
    }
}

/// Where the text goes on after `passed`.
fn moved(line: u64, column: u64, passed: &[u8]) -> (u64, u64) {
    let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    match memchr::memrchr(b'\n', passed) {
        None => (line, column + count(passed.len())),
        Some(last) => {
            let lines = memchr::memchr_iter(b'\n', passed).count();
            (line + count(lines), count(passed.len() - last))
        }
    }
}

#[cfg(test)]
mod tests;
