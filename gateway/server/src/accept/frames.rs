//! How much may an HTTP/2 client say without asking for anything? A bounded number of frames.
//!
//! The HTTP/2 engine answers `PING` and `SETTINGS` for ever and ignores `PRIORITY`; a client that sends nothing else
//! costs work and brings none. So the frames' heads are watched as they arrive (RFC 9113 §4.1, §10.5): each frame that
//! asks for nothing takes from a budget, requests and bodies put back into it, and so do the bytes we answer with,
//! because whoever reads much has windows to update. INVARIANT: how the bytes are cut into pieces changes nothing.

/// Frames that ask for nothing, which may come in a row within one [`super::guard`] window.
const BUDGET: u32 = 1_000;
/// What a request or a piece of a body is worth.
const WORTH: u32 = 10;
/// For so many bytes of our answers a client may update a window.
const ANSWERED: usize = 256;
/// `PRI * HTTP/2.0` and what follows (RFC 9113 §3.4).
const PREFACE: usize = 24;
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// Watches what one client sends.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the preface, or of a frame's payload, that are still to come.
    skip: usize,
    head: [u8; HEAD],
    have: usize,
    budget: u32,
}

/// More frames that ask for nothing than the budget has room for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Spent;

impl Frames {
    pub(super) fn new() -> Self {
        Self { skip: PREFACE, head: [0; HEAD], have: 0, budget: BUDGET }
    }

    /// Looks at the next bytes of the connection.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), Spent> {
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            if self.skip > 0 {
                let take = self.skip.min(rest.len());
                self.skip -= take;
                rest = rest.get(take..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.have) {
                *place = *byte;
                self.have += 1;
            }
            rest = after;
            if self.have == HEAD {
                self.have = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// So many bytes were answered.
    pub(super) fn wrote(&mut self, bytes: usize) {
        let worth = u32::try_from(bytes.div_ceil(ANSWERED)).unwrap_or(BUDGET);
        // A `PING` is answered too, and with so little that it must not pay for the next one.
        if bytes >= ANSWERED {
            self.earn(worth);
        }
    }

    /// A new window begins.
    pub(super) fn refill(&mut self) {
        self.budget = BUDGET;
    }

    fn frame(&mut self) -> Result<(), Spent> {
        let [high, middle, low, kind, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = length;
        match kind {
            HEADERS => self.earn(WORTH),
            DATA if length > 0 => self.earn(WORTH),
            // A head that needs many of them is bounded where it is put together.
            CONTINUATION => {}
            _ => self.budget = self.budget.checked_sub(1).ok_or(Spent)?,
        }
        Ok(())
    }

    fn earn(&mut self, worth: u32) {
        self.budget = self.budget.saturating_add(worth).min(BUDGET);
    }
}

#[cfg(test)]
mod tests {
    use super::{BUDGET, DATA, Frames, HEADERS, PREFACE, Spent};

    const PING: u8 = 6;
    const RST_STREAM: u8 = 3;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        let mut bytes = vec![0, 0, length, kind, 0, 0, 0, 0, 1];
        bytes.extend(std::iter::repeat_n(PING, length.into()));
        bytes
    }

    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.read(&[b'x'; PREFACE]).unwrap();
        frames
    }

    fn sent(frames: &mut Frames, kinds: &[u8], times: u32) -> Result<(), Spent> {
        let bytes: Vec<u8> = kinds.iter().flat_map(|kind| frame(*kind, 8)).collect();
        (0..times).try_for_each(|_| frames.read(&bytes))
    }

    #[test]
    fn frames_that_ask_for_nothing_are_counted_however_they_are_cut() {
        for piece in [1, 7, 9, 100] {
            let mut frames = begun();
            let flood: Vec<u8> = std::iter::repeat_n(frame(PING, 8), BUDGET as usize).flatten().collect();
            assert!(flood.chunks(piece).all(|piece| frames.read(piece).is_ok()), "{piece}");
            assert_eq!(frames.read(&frame(PING, 8)), Err(Spent), "{piece}");
        }
    }

    #[test]
    fn a_window_that_begins_anew_forgets() {
        let mut frames = begun();
        sent(&mut frames, &[PING], BUDGET).unwrap();
        frames.refill();
        assert_eq!(sent(&mut frames, &[PING], BUDGET), Ok(()));
        assert_eq!(sent(&mut frames, &[PING], 1), Err(Spent));
    }

    #[test]
    fn requests_and_bodies_pay_for_what_goes_with_them() {
        for worthy in [HEADERS, DATA] {
            let mut frames = begun();
            assert_eq!(sent(&mut frames, &[worthy, PING, RST_STREAM], 10 * BUDGET), Ok(()));
        }
        let mut frames = begun();
        let empty = frame(DATA, 0);
        assert!((0..BUDGET).all(|_| frames.read(&empty).is_ok()));
        assert_eq!(frames.read(&empty), Err(Spent), "an empty piece brings nothing");
    }

    #[test]
    fn long_answers_pay_for_windows_and_short_ones_do_not() {
        let mut frames = begun();
        for _ in 0..10 * BUDGET {
            frames.wrote(16 * 1024);
            sent(&mut frames, &[8], 1).unwrap();
        }
        let mut frames = begun();
        for _ in 0..BUDGET {
            frames.wrote(17);
            sent(&mut frames, &[PING], 1).unwrap();
        }
        assert_eq!(sent(&mut frames, &[PING], 1), Err(Spent));
    }
}
