//! Handlers that were installed before the patch block as well where they would
//! park elsewhere.

mod common;

use common::workers;
use greenroom::{spawn, yield_now};
use std::mem::zeroed;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

static TURNS: AtomicU64 = AtomicU64::new(0);
static MEANWHILE: AtomicU64 = AtomicU64::new(u64::MAX);
static STOP: AtomicBool = AtomicBool::new(false);

extern "C" fn dawdle(_: i32) {
    let before = TURNS.load(SeqCst);
    // SAFETY: takes no pointer.
    unsafe { libc::usleep(20_000) };
    MEANWHILE.store(TURNS.load(SeqCst) - before, SeqCst);
}

#[test]
fn a_handler_from_before_the_patch_never_parks() {
    workers(1, || {
        // SAFETY: plain data; a handler that only does what is allowed there.
        unsafe {
            let mut new: libc::sigaction = zeroed();
            new.sa_sigaction = dawdle as *const () as usize;
            assert_eq!(libc::sigaction(libc::SIGUSR1, &new, null_mut()), 0);
        }
        greenroom::patch_all().unwrap();
        // SAFETY: asks only.
        let installed = unsafe {
            let mut old: libc::sigaction = zeroed();
            assert_eq!(libc::sigaction(libc::SIGUSR1, null(), &mut old), 0);
            old.sa_sigaction
        };
        assert_eq!(installed, dawdle as *const () as usize);
        let other = spawn(|| {
            while !STOP.load(SeqCst) {
                TURNS.fetch_add(1, SeqCst);
                yield_now();
            }
        });
        let interrupted = spawn(|| {
            while TURNS.load(SeqCst) == 0 {
                yield_now();
            }
            // SAFETY: takes no pointer.
            unsafe { libc::raise(libc::SIGUSR1) };
        });
        interrupted.join().unwrap();
        STOP.store(true, SeqCst);
        other.join().unwrap();
        assert_eq!(MEANWHILE.load(SeqCst), 0, "others ran while the handler did");
    });
}
