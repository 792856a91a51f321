//! Is it well formed?
