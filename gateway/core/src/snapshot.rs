//! What is in force? The compiled configuration.
