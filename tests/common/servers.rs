//! What the tests of servers share.

#![allow(dead_code, unused_macros, reason = "no test file uses all of it")]

/// How many descriptors this process has.
pub(crate) fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Runs a deed in children: on an OS thread and on a green one, with one worker
/// and with two.
macro_rules! everywhere {
    ($deed:expr) => {
        for workers in ["1", "2"] {
            crate::common::in_child(&[("GREENROOM_WORKERS", workers)], || {
                $deed;
                greenroom::spawn(|| $deed).join().unwrap();
            })
            .assert_success();
        }
    };
}
