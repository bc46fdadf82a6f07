//! Tests of thread-local blocks: coroutines that run as threads would.

use super::*;
use crate::sys::tls_probe::probe;
use corosensei::Coroutine;
use corosensei::stack::DefaultStack;
use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicUsize;

fn block(layout: &Layout) -> Block {
    let size = layout.reserve().next_multiple_of(4096);
    // SAFETY: zeroed, of that size, and never freed.
    unsafe {
        let memory =
            std::alloc::alloc_zeroed(std::alloc::Layout::from_size_align(size, 4096).unwrap());
        layout.make(memory.expose_provenance() + size, 1 << 22).unwrap()
    }
}

/// Runs `f` as a thread with `block` would be run.
fn on(layout: &'static Layout, block: Block, f: impl FnOnce() + 'static) {
    let mut coroutine = Coroutine::<(), (), (), DefaultStack>::with_stack(
        DefaultStack::new(256 << 10).unwrap(),
        move |_, ()| {
            layout.begin();
            f();
            layout.end();
        },
    );
    let me = current();
    // SAFETY: the block is this test's; `resume` uses no thread-local.
    unsafe { switch(block) };
    coroutine.resume(());
    // SAFETY: back to this thread's own.
    unsafe { switch(me) };
}

fn layout() -> &'static Layout {
    Box::leak(Box::new(probe().unwrap()))
}

thread_local! {
    static NUMBER: Cell<u32> = const { Cell::new(7) };
    static LIST: RefCell<Vec<Dropped>> = const { RefCell::new(Vec::new()) };
}
static DROPPED: AtomicUsize = AtomicUsize::new(0);
struct Dropped;
impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Relaxed);
    }
}

#[test]
fn each_block_has_its_own_thread_locals_and_a_used_one_is_as_new() {
    let layout = layout();
    let one = block(layout);
    NUMBER.set(1);
    for round in 1..4 {
        on(layout, one, move || {
            assert_eq!(NUMBER.replace(2), 7);
            LIST.with_borrow_mut(|list| {
                assert!(list.is_empty());
                list.push(Dropped);
            });
            assert_eq!(DROPPED.load(Relaxed), round - 1);
        });
        assert_eq!(DROPPED.load(Relaxed), round, "its destructors run at its end");
        // SAFETY: nobody runs on it.
        unsafe { layout.renew(one, 2 << 22) };
    }
    assert_eq!(NUMBER.get(), 1);
}

#[test]
fn the_panic_count_is_the_threads_own() {
    let layout = layout();
    on(layout, block(layout), || {
        struct Look;
        impl Drop for Look {
            fn drop(&mut self) {
                assert!(std::thread::panicking());
            }
        }
        let caught = std::panic::catch_unwind(|| {
            let _look = Look;
            std::panic::resume_unwind(Box::new(1));
        });
        assert!(caught.is_err() && !std::thread::panicking());
    });
}

#[test]
fn pthread_keys_have_their_values_and_destructors() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: *mut c_void) {
        RAN.fetch_add(1, Relaxed);
    }
    let layout = layout();
    let one = block(layout);
    // SAFETY: plain use of a key.
    let keys: Vec<_> = (0..40)
        .map(|_| unsafe {
            let mut key = 0;
            assert_eq!(libc::pthread_key_create(&mut key, Some(count)), 0);
            key
        })
        .collect();
    for round in 1..3 {
        let keys = keys.clone();
        on(layout, one, move || {
            for key in keys {
                // SAFETY: as above.
                unsafe {
                    assert!(libc::pthread_getspecific(key).is_null());
                    libc::pthread_setspecific(key, ptr::without_provenance(8));
                }
            }
        });
        assert_eq!(RAN.load(Relaxed), 40 * round);
        // SAFETY: nobody runs on it.
        unsafe { layout.renew(one, 2 << 22) };
    }
}

/// A destructor of a key that begins a thread-local, and one that never lets go
/// of its value: neither comes to the next user of the block.
#[test]
fn what_destructors_of_keys_leave_stays_with_their_thread() {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    static GONE: AtomicUsize = AtomicUsize::new(0);
    static STUBBORN: AtomicUsize = AtomicUsize::new(0);
    struct Counts;
    impl Drop for Counts {
        fn drop(&mut self) {
            GONE.fetch_add(1, Relaxed);
        }
    }
    thread_local!(static LATE: Counts = const { Counts });
    extern "C" fn begins(_: *mut c_void) {
        LATE.with(|_| BEGUN.fetch_add(1, Relaxed));
    }
    extern "C" fn stays(value: *mut c_void) {
        // SAFETY: plain use of a key, whose number was left there.
        unsafe { libc::pthread_setspecific(STUBBORN.load(Relaxed) as u32, value) };
    }
    let layout = layout();
    let one = block(layout);
    // SAFETY: plain use of a key.
    let [late, stubborn] = [begins as extern "C" fn(_), stays].map(|destructor| unsafe {
        let mut key = 0;
        assert_eq!(libc::pthread_key_create(&mut key, Some(destructor)), 0);
        key
    });
    STUBBORN.store(stubborn as usize, Relaxed);
    for round in 1..4 {
        on(layout, one, move || {
            for key in [late, stubborn] {
                // SAFETY: as above.
                unsafe {
                    assert!(libc::pthread_getspecific(key).is_null(), "of the one before");
                    libc::pthread_setspecific(key, ptr::without_provenance(8));
                }
            }
        });
        assert_eq!((BEGUN.load(Relaxed), GONE.load(Relaxed)), (round, round));
        // SAFETY: nobody runs on it.
        unsafe { layout.renew(one, 2 << 22) };
    }
}

#[test]
fn a_locale_ends_with_its_thread() {
    let layout = layout();
    let one = block(layout);
    for _ in 0..2 {
        on(layout, one, || {
            // SAFETY: plain use of a locale. `isdigit` reads a table of the thread.
            unsafe {
                assert_eq!(libc::uselocale(ptr::null_mut()), GLOBAL_LOCALE);
                assert_ne!(libc::isdigit(i32::from(b'7')), 0);
                let mine = libc::newlocale(libc::LC_ALL_MASK, c"C".as_ptr(), ptr::null_mut());
                assert!(!mine.is_null());
                libc::uselocale(mine);
            }
        });
        // SAFETY: nobody runs on it.
        unsafe { layout.renew(one, 2 << 22) };
    }
}

#[test]
fn libc_takes_it_for_one_of_many_threads() {
    unsafe extern "C" {
        fn __res_state() -> *mut c_void;
    }
    let layout = layout();
    let block = block(layout);
    // SAFETY: the calling thread's.
    let mine = unsafe { __res_state() }.addr();
    on(layout, block, move || {
        // SAFETY: in the head of the current block.
        let alone = unsafe { *ptr::with_exposed_provenance::<u32>(current().0 + NOT_ALONE) };
        assert_eq!(alone, 1, "malloc would not lock");
        // SAFETY: as above.
        let state = unsafe { __res_state() }.addr();
        assert_ne!(state, mine);
        assert!((block.0..block.0 + layout.record).contains(&state));
    });
}

#[test]
fn errno_and_recursive_mutexes_tell_blocks_apart() {
    let layout = layout();
    // SAFETY: a recursive mutex, used as POSIX says.
    unsafe {
        let mut kind = std::mem::zeroed();
        libc::pthread_mutexattr_init(&mut kind);
        libc::pthread_mutexattr_settype(&mut kind, libc::PTHREAD_MUTEX_RECURSIVE);
        let mutex: &'static mut libc::pthread_mutex_t = Box::leak(Box::new(std::mem::zeroed()));
        libc::pthread_mutex_init(mutex, &kind);
        let mutex = mutex as *mut libc::pthread_mutex_t;
        assert_eq!(libc::pthread_mutex_lock(mutex), 0);
        *libc::__errno_location() = 5;
        on(layout, block(layout), move || {
            assert_eq!(*libc::__errno_location(), 0);
            *libc::__errno_location() = 6;
            assert_eq!(libc::pthread_mutex_trylock(mutex), libc::EBUSY);
        });
        assert_eq!(*libc::__errno_location(), 5);
        assert_eq!(libc::pthread_mutex_unlock(mutex), 0);
    }
}
