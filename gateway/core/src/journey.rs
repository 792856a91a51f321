//! In which order? `decide` and `admit` are the map of the gateway.
