//! What the tests of servers share.

#![allow(dead_code, unused_imports, unused_macros, reason = "no test file uses all of it")]

#[path = "fds.rs"]
mod fds;

pub(crate) use fds::open_fds;

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
