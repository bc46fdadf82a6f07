//! When everybody waits for another, it is said who waits for what.

mod common;

use common::in_child;
use std::thread;
use std::time::Duration;

#[test]
fn one_that_nobody_unparks() {
    let ended = in_child(&[("GREENROOM_WORKERS", "2")], || {
        // SAFETY: ends the process.
        unsafe { libc::alarm(3) };
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(1));
            drop(thread);
        });
        green.join().unwrap();
    });
    ended.assert_says("stalled", 1);
}
