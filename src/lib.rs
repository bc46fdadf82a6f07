//! Green threads for Rust.

// The runtime does not wait through std; its own tests may.
#![cfg_attr(not(test), deny(clippy::disallowed_types, clippy::disallowed_methods))]
