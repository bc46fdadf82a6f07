//! What is done about a stall, once it was told: nothing, or joins fail, or the
//! process ends; and somebody may help first.

mod common;

use common::{in_child, set_limit, until};
use greenroom::JoinError;
use greenroom::inspect::on_stall;
use greenroom::queue::Queue;
use std::thread;

#[test]
fn joins_fail_if_that_was_chosen() {
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_ON_STALL", "error")];
    let ended = in_child(&vars, || {
        let queue = Queue::<i32>::new();
        let stuck: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                greenroom::spawn(move || queue.get().unwrap())
            })
            .collect();
        let first = greenroom::spawn(greenroom::park).join();
        assert!(matches!(first, Err(JoinError::Stalled)), "{first:?}");
        let all = greenroom::joinall(stuck);
        assert!(all.iter().all(|r| matches!(r, Err(JoinError::Stalled))), "{all:?}");
        // And what is not stuck goes on as ever.
        assert_eq!(greenroom::spawn(|| 5).join().unwrap(), 5);
        queue.put(1).unwrap();
    });
    ended.assert_success();
    assert!(ended.stderr.contains("(4 green, "), "{ended}");
}

/// There is no memory for the thread on which it would be told.
#[test]
fn joins_fail_also_if_nobody_can_be_told() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_ON_STALL", "error")];
    let ended = in_child(&vars, || {
        let stuck = greenroom::spawn(greenroom::park);
        until(|| greenroom::inspect::stats().alive() == 1);
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        set_limit(libc::RLIMIT_AS, pages * 4096 + (1 << 20));
        // Stacks of threads that have ended may be used again.
        let one = || thread::Builder::new().spawn(thread::park);
        let _all: Vec<_> = std::iter::from_fn(|| one().ok()).collect();
        let joined = stuck.join();
        assert!(matches!(joined, Err(JoinError::Stalled)), "{joined:?}");
    });
    ended.assert_success();
    ended.assert_says("greenroom: stalled: nothing is left", 1);
}

#[test]
fn the_process_is_aborted_if_that_was_chosen() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_ON_STALL", "abort")];
    let ended = in_child(&vars, || {
        greenroom::scope(|s| {
            s.spawn(greenroom::park);
        });
    });
    ended.assert_signal(libc::SIGABRT);
    ended.assert_says("(1 green, ", 1);
    ended.assert_says("stalled; aborting", 1);
}

#[test]
fn a_callback_may_end_the_stall() {
    let vars = [("GREENROOM_WORKERS", "2"), ("GREENROOM_ON_STALL", "abort")];
    let ended = in_child(&vars, || {
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        on_stall(move |_| thread.unpark());
        green.join().unwrap();
        // The next one is another stall.
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        on_stall(move |report| {
            assert_eq!(report.threads.len(), 1);
            thread.request_kill();
        });
        assert!(green.join().unwrap_err().is_killed());
    });
    ended.assert_success();
    ended.assert_says("greenroom: stalled", 2);
}

/// Its own end, which comes with the last use of it, may fail.
#[test]
fn a_callback_may_replace_itself() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_ON_STALL", "error")];
    let ended = in_child(&vars, || {
        struct Fails;
        impl Drop for Fails {
            fn drop(&mut self) {
                panic!("no end");
            }
        }
        let fails = Fails;
        on_stall(move |_| {
            let _mine = &fails;
            on_stall(|_| ());
        });
        let joined = greenroom::spawn(greenroom::park).join();
        assert!(matches!(joined, Err(JoinError::Stalled)), "{joined:?}");
    });
    ended.assert_success();
    ended.assert_says("no end", 1);
}

#[test]
fn a_handler_of_a_signal_might_help() {
    let vars = [("GREENROOM_WORKERS", "1"), ("GREENROOM_ON_STALL", "abort")];
    let ended = in_child(&vars, || {
        extern "C" fn handle(_: i32) {}
        let handler: extern "C" fn(i32) = handle;
        // SAFETY: a handler that does nothing.
        unsafe { libc::signal(libc::SIGUSR1, handler as *const () as usize) };
        let green = greenroom::spawn(greenroom::park);
        let thread = green.thread().clone();
        on_stall(move |report| {
            assert_eq!(report.signals, [libc::SIGUSR1]);
            let thread = thread.clone();
            // Nothing is done about it, and then somebody does.
            thread::spawn(move || {
                greenroom::patch::native(|| thread::sleep(std::time::Duration::from_millis(50)));
                thread.unpark();
            });
        });
        green.join().unwrap();
    });
    ended.assert_success();
    ended.assert_says("unless the handler of a signal wakes one: SIGUSR1", 1);
}
