//! The examples, run as their readers run them, print what they promise.

mod common;
#[path = "examples/network.rs"]
mod network;
#[path = "examples/processes.rs"]
mod processes;
#[path = "examples/queues.rs"]
mod queues;
#[path = "examples/run.rs"]
mod run;
#[path = "examples/threads.rs"]
mod threads;
