//! Links without green threads: under Miri, too.

use super::*;
use crate::green::park::{Ready, Slot};
use crate::green::record::Birth;
use crate::task::body;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};

/// One that nobody runs: its scheduler's and its handle's reference.
fn fresh() -> [RecordRef; 2] {
    let (thread, handle) = body::new(|| (), Birth::usual(None)).unwrap();
    [thread, handle]
}

/// How many stand in the table for `record`.
pub(crate) fn count(record: &Record) -> usize {
    let chain = bucket(key(record));
    let mut at = chain.first;
    let mut count = 0;
    // SAFETY: those in a chain stay until they have left.
    while let Some(link) = unsafe { at.as_ref() } {
        count += usize::from(link.key == key(record));
        at = link.next.get();
    }
    count
}

fn counts(calls: &Arc<AtomicU32>) -> Hook {
    let calls = calls.clone();
    Box::new(move |_, how| {
        assert_eq!(how, Ending::Killed);
        calls.fetch_add(1, Relaxed);
    })
}

#[test]
fn miri_told_in_order_unless_it_left() {
    let [thread, _handle] = fresh();
    let ready = Ready::new();
    let slots = [0, 1, 2].map(|n| Slot::new(&ready, n));
    let links = [0, 1, 2].map(|_| Link::new(&thread));
    for (link, slot) in links.iter().zip(&slots) {
        // SAFETY: both stay until the end of this test.
        assert!(unsafe { link.enter(Waiting::Slot(NonNull::from(slot)), || true) });
    }
    assert_eq!(count(&thread), 3);
    assert!(links[1].leave() && !links[1].leave());
    fire(&thread, Ending::Returned);
    assert!(!links[0].leave() && !links[2].leave());
    assert_eq!([ready.take(), ready.take(), ready.take()], [Some(0), Some(2), None]);
    assert_eq!(count(&thread), 0);
}

#[test]
fn miri_nothing_stays_of_one_that_came_too_late() {
    let [thread, _handle] = fresh();
    let ready = Ready::new();
    let (slot, link) = (Slot::new(&ready, 0), Link::new(&thread));
    // SAFETY: both stay until the end of this test.
    assert!(!unsafe { link.enter(Waiting::Slot(NonNull::from(&slot)), || false) });
    let calls = Arc::new(AtomicU32::new(0));
    let Err(hook) = call(&thread, counts(&calls), || false) else { panic!("it has ended") };
    hook(&GreenThread(thread.clone()), Ending::Killed);
    assert_eq!((count(&thread), calls.load(Relaxed)), (0, 1));
}

/// A hook is called or cancelled, also if both are tried at once; whoever waits
/// is told or has left.
#[test]
fn miri_firing_against_leaving() {
    for _ in 0..if cfg!(miri) { 20 } else { 5000 } {
        let [thread, _handle] = fresh();
        let calls = Arc::new(AtomicU32::new(0));
        let called = call(&thread, counts(&calls), || true).ok().unwrap();
        let kept = call(&thread, counts(&calls), || true).ok().unwrap();
        let (left, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|s| {
            s.spawn(|| fire(&thread, Ending::Killed));
            s.spawn(|| left.store(usize::from(called.cancel().is_some()), Relaxed));
            s.spawn(|| {
                let ready = Ready::new();
                let (slot, link) = (Slot::new(&ready, 0), Link::new(&thread));
                // SAFETY: both stay until it has left.
                assert!(unsafe { link.enter(Waiting::Slot(NonNull::from(&slot)), || true) });
                let here = link.leave();
                told.store(1 + usize::from(here), Relaxed);
                assert_eq!(ready.take().is_none(), here);
            });
        });
        assert!(kept.cancel().is_none());
        assert_eq!(calls.load(Relaxed) as usize + left.load(Relaxed), 2);
        assert!(told.load(Relaxed) > 0);
        assert_eq!(count(&thread), 0);
    }
}
