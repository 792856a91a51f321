//! What time is it? Whatever the test says.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis_core::moment::{Moment, Now};
use portcullis_core::ports::Clock;

/// Stands still at the moment it was made, until the test moves it.
#[derive(Debug)]
pub struct TestClock(Mutex<Now>);

impl Default for TestClock {
    fn default() -> Self {
        #[expect(clippy::disallowed_methods, reason = "certificates and other processes know the time of day only")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        Self(Mutex::new(Now { wall: Moment::default().plus(since), steady: Duration::ZERO }))
    }
}

impl TestClock {
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = Now { wall: now.wall.plus(by), steady: now.steady + by };
    }
}

impl Clock for TestClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap()
    }
}
