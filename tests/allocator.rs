//! An allocator that waits, as one whose locks are patched may: nothing of the
//! runtime is locked meanwhile, or whoever comes to that lock waits for ever.
//! With one worker that is certain to show.

mod common;

use common::{until, workers};
use greenroom::queue::Queue;
use greenroom::sync::Event;
use greenroom::{
    Generator, Greenlet, Group, Pool, iwait, joinall, park, scope, select, spawn, wait_any,
    yield_now,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

struct Waits;

static WAITS: AtomicBool = AtomicBool::new(false);
static WAITED: AtomicUsize = AtomicUsize::new(0);

/// Patched, it lets others run.
fn wait() {
    if WAITS.load(SeqCst) {
        WAITED.fetch_add(1, SeqCst);
        std::thread::yield_now();
    }
}

// SAFETY: passes everything on.
unsafe impl GlobalAlloc for Waits {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        wait();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        wait();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Waits = Waits;

/// Several at once do `deed`, on one worker.
fn together(deed: fn()) {
    greenroom::patch::Patch::none().sleep(true).apply().unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    spawn(move || {
        WAITS.store(true, SeqCst);
        let all: Vec<_> = (0..4).map(|_| spawn(move || (0..20).for_each(|_| deed()))).collect();
        all.into_iter().for_each(|one| one.join().unwrap());
        WAITS.store(false, SeqCst);
    })
    .join()
    .unwrap();
    assert!(WAITED.load(SeqCst) > 1000);
}

/// What all of them use.
fn shared<T: Clone + Send + Sync + 'static>(make: fn() -> T) -> T {
    use std::any::{Any, TypeId};
    static SHARED: greenroom::sync::Mutex<Vec<(TypeId, Box<dyn Any + Send>)>> =
        greenroom::sync::Mutex::new(Vec::new());
    let mut all = SHARED.lock();
    let id = TypeId::of::<T>();
    if !all.iter().any(|one| one.0 == id) {
        all.push((id, Box::new(make())));
    }
    let one = all.iter().find(|one| one.0 == id).and_then(|one| one.1.downcast_ref::<T>());
    one.unwrap().clone()
}

#[test]
fn groups() {
    workers(1, || {
        together(|| {
            let group = shared(Group::new);
            let members: Vec<_> = (0..3).map(|_| group.spawn(yield_now)).collect();
            let fails = group.spawn(|| panic!("a member"));
            let others: Vec<_> = (0..8).map(|n| spawn(move || assert!(n > 3))).collect();
            others.iter().for_each(|other| group.add(other));
            group.discard(&others[7]);
            others[6].on_finish(|_, _| {}).cancel();
            joinall(members);
            joinall(others);
            drop(fails.join());
            drop(group.join());
            let parked = spawn(park);
            group.add(&parked);
            group.kill();
            assert!(parked.is_finished() || group.len() < 100);
        });
    });
}

#[test]
fn pools() {
    workers(1, || {
        together(|| {
            let pool = shared(|| Pool::new(3));
            let theirs = pool.clone();
            assert_eq!(pool.map(0..5, move |n| theirs.apply(move || n)), [0, 1, 2, 3, 4]);
            assert_eq!(pool.imap(0..5, |n| n).sum::<i32>(), 10);
            assert_eq!(pool.imap_unordered(0..5, |n| n).sum::<i32>(), 10);
            drop(pool.apply_async(|| 1, |_| panic!("a callback")).join());
        });
    });
}

#[test]
fn scopes() {
    workers(1, || {
        together(|| {
            let failed = catch_unwind(AssertUnwindSafe(|| {
                scope(|s| {
                    s.kill_on_failure();
                    let handles: Vec<_> = (0..5).map(|_| s.spawn(yield_now)).collect();
                    drop(handles);
                    s.spawn(park);
                    s.spawn(|| panic!("one"));
                    s.spawn(|| panic!("another"));
                })
            }));
            assert!(failed.is_err());
        });
    });
}

#[test]
fn generators_and_greenlets() {
    workers(1, || {
        together(|| {
            let main = Greenlet::current();
            let text = String::from("its own");
            let endless = Greenlet::new(move |mut n: usize| {
                loop {
                    n = main.switch(n + text.len());
                }
            });
            assert_eq!((endless.switch(1), endless.switch(2)), (8, 9));
            drop(endless);
            let texts = Generator::<(), String, ()>::new(|co, ()| {
                (0..9).for_each(|n: u8| co.yield_(n.to_string()));
            });
            assert_eq!(texts.take(2).collect::<Vec<_>>(), ["0", "1"]);
        });
    });
}

#[test]
fn waits_for_several() {
    workers(1, || {
        together(|| {
            let (queue, event) = (Queue::bounded(2), Arc::new(Event::new()));
            let greens: Vec<_> = (0..4).map(|_| spawn(yield_now)).collect();
            let last = spawn(park);
            let (theirs, sets) = (queue.clone(), event.clone());
            let puts = spawn(move || {
                theirs.put(1).unwrap();
                sets.set();
            });
            assert!(wait_any(&[&queue, &*event, &last, &greens[0]]) < 4);
            let got = select! { it = get(queue) => it.unwrap(), _ = wait(event) => 0 };
            assert!(got < 2);
            assert_eq!(iwait(greens).filter(|end| end.1.is_ok()).count(), 4);
            last.kill();
            until(|| last.is_finished() && puts.is_finished());
        });
    });
}
