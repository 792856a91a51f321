//! Is the head unambiguous HTTP?
