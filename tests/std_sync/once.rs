//! `Once`, `OnceLock`, `LazyLock`, and thread-locals.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Once, OnceLock};
use std::thread;
use std::time::Duration;

fn nap() {
    thread::sleep(Duration::from_millis(10));
}

#[test]
fn an_initialiser_that_waits_runs_once() {
    static ONCE: Once = Once::new();
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let all: Vec<_> = (0..20)
        .map(|_| {
            thread::spawn(|| {
                ONCE.call_once(|| {
                    nap();
                    RUNS.fetch_add(1, SeqCst);
                });
                assert_eq!(RUNS.load(SeqCst), 1, "done before any goes on");
            })
        })
        .collect();
    all.into_iter().for_each(|t| t.join().unwrap());
    assert!(ONCE.is_completed());
}

#[test]
fn a_panic_poisons_a_once_and_can_be_made_good() {
    static ONCE: Once = Once::new();
    assert!(thread::spawn(|| ONCE.call_once(|| panic!("at first"))).join().is_err());
    assert!(thread::spawn(|| ONCE.call_once(|| ())).join().is_err());
    ONCE.call_once_force(|state| assert!(state.is_poisoned()));
    ONCE.call_once(|| unreachable!());
}

#[test]
fn a_once_lock_has_one_value() {
    static LOCK: OnceLock<usize> = OnceLock::new();
    let set = |n| {
        thread::spawn(move || {
            *LOCK.get_or_init(|| {
                nap();
                n
            })
        })
    };
    let values: Vec<_> = (1..=10).map(set).map(|t| t.join().unwrap()).collect();
    assert!(values.iter().all(|v| *v == values[0]));
    assert_eq!(LOCK.set(99), Err(99));
}

#[test]
fn a_lazy_value_is_made_when_first_used() {
    static LAZY: LazyLock<Vec<u32>> = LazyLock::new(|| {
        nap();
        vec![1, 2, 3]
    });
    let sums: Vec<_> = (0..10).map(|_| thread::spawn(|| LAZY.iter().sum::<u32>())).collect();
    assert!(sums.into_iter().all(|s| s.join().unwrap() == 6));
}

#[test]
fn thread_locals_are_ones_own_across_waits() {
    thread_local!(static NAMES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
    let own = |i: usize| {
        thread::spawn(move || {
            NAMES.with_borrow_mut(|names| {
                names.push(i);
                nap(); // borrowed: on a shared one the next would panic
                names.push(i);
            });
            NAMES.take()
        })
    };
    let all: Vec<_> = (0..20).map(own).collect();
    for (i, names) in all.into_iter().enumerate() {
        assert_eq!(names.join().unwrap(), [i, i]);
    }
}

#[test]
fn a_lazy_thread_local_may_wait_in_its_initialiser() {
    thread_local!(static LAZY: usize = {
        nap();
        COUNT.fetch_add(1, SeqCst)
    });
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let all: Vec<_> =
        (0..10).map(|_| thread::spawn(|| (LAZY.with(|v| *v), LAZY.with(|v| *v)))).collect();
    let mut values: Vec<_> = all.into_iter().map(|t| t.join().unwrap()).collect();
    assert!(values.iter().all(|(a, b)| a == b));
    values.sort_unstable();
    assert!(values.iter().map(|(a, _)| *a).eq(0..10));
}

#[test]
fn destructors_of_thread_locals_may_wait_and_run_before_join() {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            nap();
            self.0.fetch_add(1, SeqCst);
        }
    }
    thread_local!(static HELD: Cell<Option<Counts>> = const { Cell::new(None) });
    let dropped = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..10)
        .map(|_| {
            let counts = Counts(dropped.clone());
            thread::spawn(move || HELD.set(Some(counts)))
        })
        .collect();
    all.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(dropped.load(SeqCst), 10);
}
