//! May this address even ask?
