//! Green threads for Rust.

#[allow(dead_code, reason = "the layers above are not written yet")]
mod green;
#[allow(dead_code, reason = "the layers above are not written yet")]
mod stack;
mod sys;
