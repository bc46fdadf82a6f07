//! Functions that stop in the middle, and go on from there when they are asked
//! to: [`Generator`]s, which answer whoever resumes them.
//!
//! Each has a guarded stack of its own, from the pool of those of green
//! threads, and runs as a part of the thread that resumes it, green or not: its
//! thread-locals are that thread's, and when it waits, that thread waits. So
//! it belongs to that thread, and cannot be sent to another; the closure that
//! it is made of can.

mod error;
mod home;
mod room;
mod co;
mod resume;
mod builder;

pub use builder::Builder;
pub use co::Co;
pub use error::ResumeError;
pub use resume::{Generator, Step};
