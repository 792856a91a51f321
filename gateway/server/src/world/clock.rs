//! The one clock of the process.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::Clock;

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
}

#[expect(clippy::disallowed_methods, reason = "this is the port that everybody else asks")]
impl SystemClock {
    pub fn start() -> Self {
        Self { began: Instant::now() }
    }

    fn wall() -> Moment {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Moment::from_micros(micros)
    }
}

/// For certificates, which are valid from and until a time of day.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { wall: Self::wall(), steady: self.began.elapsed() }
    }

    fn steady(&self) -> Duration {
        self.began.elapsed()
    }
}
