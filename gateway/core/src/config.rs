//! What may an operator write?
