//! The examples, run as their readers run them, print what they promise.

mod common;
#[path = "examples/run.rs"]
mod run;
#[path = "examples/threads.rs"]
mod threads;
