//! The one difference between green threads and OS threads in this program.

use std::error::Error;
use std::{fmt, io};

use greenroom::{Builder, Config, patch_all};

use crate::options::Options;

/// Where threads come from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Threads {
    Green,
    Os,
}

impl Threads {
    pub(crate) fn start(options: &Options) -> Result<Threads, Box<dyn Error>> {
        if options.os_threads {
            return Ok(Threads::Os);
        }
        patch_all()?;
        if let Some(workers) = options.workers {
            Config::new().workers(workers).install()?;
        }
        // The first one starts the runtime, whose memory is not to be counted as its threads'.
        Threads::Green.spawn(|| ())?.join();
        Ok(Threads::Green)
    }

    pub(crate) fn spawn<F, T>(self, f: F) -> io::Result<Handle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let handle = match self {
            Threads::Green => Builder::new().spawn(f).map(Handle::Green),
            Threads::Os => std::thread::Builder::new().spawn(f).map(Handle::Os),
        };
        handle.map_err(|e| io::Error::new(e.kind(), format!("cannot start another {self}: {e}")))
    }

    /// Waits for [`Handle::unpark`].
    pub(crate) fn park(self) {
        match self {
            Threads::Green => greenroom::park(),
            Threads::Os => std::thread::park(),
        }
    }
}

impl fmt::Display for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Threads::Green => "green thread",
            Threads::Os => "OS thread",
        })
    }
}

pub(crate) enum Handle<T> {
    Green(greenroom::JoinHandle<T>),
    Os(std::thread::JoinHandle<T>),
}

impl<T> Handle<T> {
    pub(crate) fn unpark(&self) {
        match self {
            Handle::Green(handle) => handle.thread().unpark(),
            Handle::Os(handle) => handle.thread().unpark(),
        }
    }

    /// The thread's result, or `None` if it panicked.
    pub(crate) fn join(self) -> Option<T> {
        match self {
            Handle::Green(handle) => handle.join().ok(),
            Handle::Os(handle) => handle.join().ok(),
        }
    }
}
