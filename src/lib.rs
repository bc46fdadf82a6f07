//! Green threads for Rust.
//!
//! STAND-IN for the examples branch: OS threads under the public names. Dropped in the merge.
#![allow(missing_docs)]

use std::time::Duration;
use std::{any::Any, io, thread};

pub struct GreenThread(thread::Thread);
impl GreenThread {
    pub fn unpark(&self) {
        self.0.unpark();
    }
}

pub struct JoinHandle<T>(thread::JoinHandle<T>, GreenThread);
impl<T> JoinHandle<T> {
    pub fn join(self) -> Result<T, JoinError> {
        self.0.join().map_err(JoinError::Panicked)
    }
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
    pub fn thread(&self) -> &GreenThread {
        &self.1
    }
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("the green thread panicked")]
    Panicked(Box<dyn Any + Send>),
}
#[derive(Debug, thiserror::Error)]
#[error("cannot configure")]
pub struct ConfigError;
#[derive(Debug, thiserror::Error)]
#[error("cannot patch")]
pub struct PatchError;

#[derive(Default)]
pub struct Builder;
impl Builder {
    pub fn new() -> Self {
        Self
    }
    pub fn name(self, _: String) -> Self {
        self
    }
    pub fn spawn<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let handle = thread::Builder::new().spawn(f)?;
        let green = GreenThread(handle.thread().clone());
        Ok(JoinHandle(handle, green))
    }
}

pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let handle = Builder::new().spawn(f).unwrap();
    thread::sleep(Duration::from_millis(1)); // one worker would run them in this order
    handle
}
pub fn joinall<T>(handles: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<Result<T, JoinError>> {
    handles.into_iter().map(JoinHandle::join).collect()
}
pub fn sleep(d: Duration) {
    thread::sleep(d);
}
pub fn yield_now() {
    thread::yield_now();
}
pub fn park() {
    thread::park();
}
pub fn patch_all() -> Result<(), PatchError> {
    Ok(())
}

#[derive(Default)]
pub struct Config;
impl Config {
    pub fn new() -> Self {
        Self
    }
    pub fn workers(self, _: usize) -> Self {
        self
    }
    pub fn stack_size(self, _: usize) -> Self {
        self
    }
    pub fn install(self) -> Result<(), ConfigError> {
        Ok(())
    }
}
