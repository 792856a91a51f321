//! Which keys of ours stand in this text?

use memchr::memmem;

use super::text::{CHECKSUM, ID, KeyText, MOST_ENV, PREFIX, SECRET};

/// From the end of the environment to the end of the key.
const TAIL: usize = 1 + ID + 1 + SECRET + CHECKSUM;

/// No key is longer, in bytes.
pub const LONGEST: usize = PREFIX.len() + MOST_ENV + TAIL;

/// The keys in `text` and where each begins: what matches [`super::PATTERN`] and has the right checksum.
pub fn find(text: &[u8]) -> impl Iterator<Item = (usize, KeyText<'_>)> {
    memmem::find_iter(text, PREFIX).filter_map(move |at| {
        let rest = text.get(at..)?;
        let env = rest.get(PREFIX.len()..)?.iter().take(MOST_ENV + 1).position(|byte| *byte == b'_')?;
        let key = std::str::from_utf8(rest.get(..PREFIX.len() + env + TAIL)?).ok()?;
        KeyText::parse(key).ok().map(|key| (at, key))
    })
}
