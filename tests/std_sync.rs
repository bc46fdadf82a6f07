//! What std promises of `std::sync`, on green threads: this binary is patched
//! before `main`, so libtest runs every test on one, and `thread::spawn` makes
//! more of them.

#[path = "threads/patched.rs"]
mod patched;

#[path = "std_sync/channels.rs"]
mod channels;
#[path = "std_sync/locks.rs"]
mod locks;
#[path = "std_sync/once.rs"]
mod once;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Starts one that waits by `wait`, and returns when it is about to.
fn waiting<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    let (tell, told) = mpsc::channel();
    let handle = thread::spawn(move || {
        tell.send(()).unwrap();
        wait()
    });
    told.recv_timeout(LONG).unwrap();
    handle
}

#[test]
fn tests_run_on_green_threads() {
    assert!(patched::is_green());
}
