//! Scopes whose caller is to end: what it hears of those that ended for it.

mod common;

use common::{until, workers};
use greenroom::{scope, sleep, spawn, timeout, uncancellable};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// From a green thread and from an OS thread.
fn everywhere(deed: fn()) {
    deed();
    spawn(deed).join().unwrap();
}

#[test]
fn what_a_timeout_has_cut_short_is_not_returned() {
    workers(2, || {
        greenroom::patch_all().unwrap();
        everywhere(|| {
            let (mut here, _there) = UnixStream::pair().unwrap();
            let waits: [&mut (dyn FnMut() + Send); 2] =
                [&mut || sleep(NOT_SOON), &mut || drop(here.read(&mut [0]))];
            for wait in waits {
                let result = timeout(ms(5), || {
                    scope(|s| {
                        let green = s.spawn(wait);
                        // The scope itself does not wait.
                        uncancellable(|| until(|| green.is_finished()));
                    })
                });
                assert!(result.is_err());
            }
            // Its own is nobody else's.
            timeout(NOT_SOON, || {
                scope(|s| drop(s.spawn(|| timeout(ms(5), || sleep(NOT_SOON)))));
            })
            .unwrap();
        });
    });
}

#[test]
fn a_kill_after_a_timeout_ends_all() {
    workers(2, || {
        let began = Arc::new(AtomicBool::new(false));
        let begins = began.clone();
        let parent = spawn(move || {
            timeout(ms(5), || {
                scope(|s| {
                    // It has no time limit.
                    uncancellable(|| s.spawn(|| sleep(NOT_SOON)));
                    begins.store(true, SeqCst);
                })
            })
        });
        until(|| began.load(SeqCst));
        sleep(ms(20));
        parent.kill();
        assert!(parent.join().unwrap_err().is_killed());
    });
}
