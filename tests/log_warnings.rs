//! The runtime's warnings go to the program's logger.

#![cfg(feature = "log")]

mod common;

use common::{Ended, in_child, until};
use greenroom::spawn;
use log::{LevelFilter, Log, Metadata, Record};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard};

/// What was logged; calls `during` before.
struct Keeps {
    during: fn(),
    texts: Mutex<Vec<String>>,
}

impl Log for Keeps {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        assert!(greenroom::current().is_none());
        let mut texts = self.texts();
        (self.during)();
        texts.push(format!("{} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

impl Keeps {
    fn texts(&self) -> MutexGuard<'_, Vec<String>> {
        self.texts.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn count(&self) -> usize {
        self.texts().len()
    }
}

/// The logger of this program, for warnings.
fn logger(during: fn()) -> &'static Keeps {
    let logger = Box::leak(Box::new(Keeps { during, texts: Mutex::new(Vec::new()) }));
    log::set_logger(logger).unwrap();
    log::set_max_level(LevelFilter::Warn);
    logger
}

/// There is no runtime to be had: each spawn says so.
const NONE: &[(&str, &str)] = &[("GREENROOM_WORKERS", "none")];

fn assert_said(ended: &Ended, times: usize) {
    ended.assert_success();
    ended.assert_says("could not start", times);
}

#[test]
fn the_logger_is_told_and_stderr_is_not() {
    let ended = in_child(NONE, || {
        let logger = logger(|| ());
        (0..3).for_each(|_| drop(spawn(|| ())));
        until(|| logger.count() == 3);
        (0..2).for_each(|_| drop(spawn(|| ())));
        until(|| logger.count() == 5);
        let texts = logger.texts();
        let begins = "WARN greenroom: green thread '<unnamed>' could not start: ";
        assert!(texts.iter().all(|text| text.starts_with(begins)), "{texts:?}");
    });
    assert_said(&ended, 0);
}

#[test]
fn without_a_logger_stderr_is_told() {
    let ended = in_child(NONE, || drop(spawn(|| ())));
    assert_said(&ended, 1);
}

#[test]
fn who_wants_errors_only_is_told_nothing() {
    let ended = in_child(NONE, || {
        let logger = logger(|| ());
        log::set_max_level(LevelFilter::Error);
        drop(spawn(|| ()));
        log::set_max_level(LevelFilter::Warn);
        drop(spawn(|| ()));
        until(|| logger.count() == 1);
    });
    assert_said(&ended, 0);
}

/// What it does under a lock of its own may warn. And it may fail.
#[test]
fn a_logger_may_spawn_and_panic() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let ended = in_child(NONE, || {
        let logger = logger(|| match CALLS.fetch_add(1, SeqCst) {
            0 => drop(spawn(|| ())),
            2 => panic!("no room"),
            _ => {}
        });
        drop(spawn(|| ()));
        until(|| logger.count() == 2);
        (0..2).for_each(|_| drop(spawn(|| ())));
        until(|| logger.count() == 3);
    });
    assert_said(&ended, 0);
    ended.assert_says("no room", 1);
}

/// One that is slow is told how much was lost.
#[test]
fn what_is_too_much_is_counted() {
    static WAITS: Mutex<()> = Mutex::new(());
    let ended = in_child(NONE, || {
        let hold = WAITS.lock().unwrap();
        let logger = logger(|| drop(WAITS.lock().unwrap()));
        for _ in 0..1500 {
            drop(spawn(|| ()));
        }
        drop(hold);
        until(|| logger.texts().last().is_some_and(|t| t.ends_with("were lost")));
        let texts = logger.texts();
        let (last, others) = texts.split_last().unwrap();
        let lost = 1500 - others.len();
        assert_eq!(*last, format!("WARN greenroom: greenroom: {lost} further warnings were lost"));
    });
    assert_said(&ended, 0);
}
