//! What a head said, in one piece of memory: most requests are kept for a while, and are many.

#[cfg(test)]
mod tests;

/// Method, path, host and user agent, each as long as a record may have it.
#[derive(Debug, Default)]
pub(crate) struct Words {
    text: Box<str>,
    /// Of the method, the path and the host; the rest is the user agent.
    ends: [usize; 3],
}

impl Words {
    /// In bytes.
    const LONGEST: [usize; 4] = [32, 2048, 255, 256];

    /// What is too long is cut, at the end of a character.
    pub(crate) fn of(method: &str, path: &str, host: &str, user_agent: &str) -> Self {
        let all = [method, path, host, user_agent];
        let mut parts = [""; 4];
        for ((part, text), most) in parts.iter_mut().zip(all).zip(Self::LONGEST) {
            *part = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
        }
        let [method, path, host, _] = parts.map(str::len);
        let ends = [method, method + path, method + path + host];
        Self { text: parts.concat().into(), ends }
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub(crate) fn method(&self) -> &str {
        self.part(0, self.ends[0])
    }

    /// Without the query.
    pub(crate) fn path(&self) -> &str {
        self.part(self.ends[0], self.ends[1])
    }

    pub(crate) fn host(&self) -> &str {
        self.part(self.ends[1], self.ends[2])
    }

    pub(crate) fn user_agent(&self) -> &str {
        self.part(self.ends[2], self.text.len())
    }

    /// In bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}
