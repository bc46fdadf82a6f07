//! Joining oneself, and in a circle.

mod common;

use common::{Counted, until, workers};
use greenroom::{JoinHandle, park, spawn, yield_now};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const NOT_SOON: Duration = Duration::from_secs(3600);

/// Starts a green thread that gets its own handle.
fn with_itself<T: Send + 'static>(
    f: impl FnOnce(JoinHandle<T>) -> T + Send + 'static,
) -> Arc<Mutex<Option<JoinHandle<T>>>> {
    let slot: Arc<Mutex<Option<JoinHandle<T>>>> = Arc::default();
    let inside = slot.clone();
    let handle = spawn(move || {
        park();
        let me = inside.lock().unwrap().take().unwrap();
        f(me)
    });
    let green = handle.thread().clone();
    *slot.lock().unwrap() = Some(handle);
    green.unpark();
    slot
}

#[test]
fn joining_oneself_is_an_error_at_once() {
    workers(1, || {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let (a, b) = (said.clone(), said.clone());
        with_itself(move |me: JoinHandle<Counted>| {
            a.lock().unwrap().push(format!("join: {:?}", me.join().unwrap_err()));
            Counted::new()
        });
        with_itself(move |me: JoinHandle<Counted>| {
            let error = me.join_timeout(NOT_SOON).unwrap().unwrap_err();
            assert!(!error.is_panic() && !error.is_killed());
            b.lock().unwrap().push(format!("join_timeout: {error:?}"));
            Counted::new()
        });
        until(|| said.lock().unwrap().len() == 2);
        let mut said = said.lock().unwrap();
        said.sort();
        assert_eq!(*said, ["join: Itself", "join_timeout: Itself"]);
        // The results, which nobody can get any more, are dropped.
        until(|| common::DROPPED.load(SeqCst) == 2);
        Counted::assert_gone(2);
    });
}

/// Two that join each other wait; with a limit they get out of it.
#[test]
fn a_circle_is_left_by_its_limits() {
    workers(1, || {
        let slot: Arc<Mutex<Option<JoinHandle<()>>>> = Arc::default();
        let inside = slot.clone();
        let a = spawn(move || {
            park();
            let b = inside.lock().unwrap().take().unwrap();
            assert!(b.join_timeout(Duration::from_millis(10)).is_err());
        });
        let green = a.thread().clone();
        *slot.lock().unwrap() = Some(spawn(move || a.join().unwrap()));
        green.unpark();
        until(|| slot.lock().unwrap().is_none());
        spawn(yield_now).join().unwrap();
    });
}
