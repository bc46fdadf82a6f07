//! Locks and signals between threads, green and plain: a green thread that
//! waits parks, an OS thread blocks.
//!
//! All serve those who wait in the order in which they came, and hand over
//! directly: who comes later does not overtake. Nothing is poisoned: a panic
//! while a lock is held just releases it. Guards may be held across any wait.

pub(crate) mod line;
pub(crate) mod place;
pub(crate) mod waitable;
pub(crate) mod permits;
mod single;
pub(crate) mod select;
pub(crate) mod mutex;
pub(crate) mod reentrant;
mod condvar;
mod semaphore;
mod event;
pub(crate) mod turns;
mod rwlock;
mod barrier;
mod once;
mod async_result;

pub use async_result::AsyncResult;
pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub(crate) use line::Outcome;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceLock};
pub use reentrant::{ReentrantMutex, ReentrantMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Semaphore, SemaphoreGuard};
