//! What is known of the thing asked for?
