//! Functions that stop in the middle, and go on from there when they are asked
//! to: [`Generator`]s, which answer whoever resumes them, and [`Greenlet`]s,
//! which switch to one another.
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
mod step;
mod resume;
mod end;
mod iterate;
mod load;
mod fiber;
mod forgotten;
mod hub;
mod greenlet;
mod lineage;
mod builder;

pub use builder::Builder;
pub use co::Co;
pub use error::{ParentError, ResumeError, SwitchError};
pub use greenlet::Greenlet;
pub use resume::Generator;
pub use step::Step;
