//! Which routes were edited by hand? Each generated one stands behind a mark with a hash of what was written.

use std::hash::Hasher as _;

/// Begins the line before a generated route.
const MARK: &str = "# imported ";

/// One generated route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Block {
    pub name: String,
    /// Of the text that was generated.
    pub hash: String,
    pub text: String,
}

/// A file of routes, taken apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Blocks {
    pub generated: Vec<Block>,
    /// What people added: everything that stands behind no mark, but the head.
    pub own: String,
}

impl Block {
    /// A block as it is generated.
    pub fn made(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), hash: hash(text), text: text.to_owned() }
    }

    /// Whether people changed it since.
    pub fn is_edited(&self) -> bool {
        hash(&self.text) != self.hash
    }

    /// As it stands in the file.
    pub fn written(&self) -> String {
        format!("{MARK}{} {}\n{}\n", self.hash, self.name, self.text)
    }
}

impl Blocks {
    /// Takes a file apart. `head` is what stands before the first block when it is generated.
    pub fn of(text: &str, head: &str) -> Self {
        let text = text.strip_prefix(head).unwrap_or(text);
        let mut blocks = Self::default();
        let mut current: Option<Block> = None;
        let mut seen = 0;
        for line in text.lines() {
            if let Some((hash, name)) = line.strip_prefix(MARK).and_then(|rest| rest.split_once(' ')) {
                blocks.keep(current.take());
                current = Some(Block { name: name.to_owned(), hash: hash.to_owned(), text: String::new() });
                seen = 0;
                continue;
            }
            seen += usize::from(line.trim() == "[[routes]]");
            match &mut current {
                // A second route behind one mark is somebody's own.
                Some(block) if seen < 2 => push(&mut block.text, line),
                Some(_) | None => {
                    blocks.keep(current.take());
                    push(&mut blocks.own, line);
                }
            }
        }
        blocks.keep(current);
        blocks.own = blocks.own.trim().to_owned();
        blocks
    }

    fn keep(&mut self, block: Option<Block>) {
        self.generated.extend(block.map(|block| Block { text: block.text.trim_end().to_owned(), ..block }));
    }
}

fn push(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Sixteen hexadecimal digits, the same in every version: FNV-1a. Nobody is kept from forging it; it finds edits.
pub(super) fn hash(text: &str) -> String {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    hasher.write(text.trim_end().as_bytes());
    format!("{:016x}", hasher.finish())
}

struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
