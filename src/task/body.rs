//! The allocation behind one green thread: record, joining state, result and
//! closure in one piece.
//!
//! ```text
//! ┌────────┬───────────┬───────────┬─────────┐
//! │ Record │ JoinState │ result: T │ closure │  Task<F, T>
//! └────────┴───────────┴───────────┴─────────┘
//! └────────────── Packet<T> ───────┘
//! ```
//! The scheduler knows the `Record`, a `JoinHandle<T>` the `Packet<T>`, and
//! only the functions in `Body` know `F`. Both structs are `repr(C)`, so a
//! pointer to one is a pointer to its head.

use super::join_state::{Finished, JoinState};
use crate::error::JoinError;
use crate::green::record::{Body, Record, RecordRef};
use crate::green::{kill, locals};
use crate::stack::SizeClass;
use std::alloc::{Layout, alloc, dealloc};
use std::cell::UnsafeCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

/// What a handle reaches.
#[repr(C)]
pub(crate) struct Packet<T> {
    record: Record,
    pub(crate) join: JoinState,
    /// Written before `JoinState::finish`, then owned as its table says.
    pub(crate) result: UnsafeCell<Option<Result<T, JoinError>>>,
}

#[repr(C)]
struct Task<F, T> {
    packet: Packet<T>,
    /// Taken by the first run.
    closure: UnsafeCell<Option<F>>,
}

/// Allocates a fresh green thread; two references to it, the scheduler's and
/// the handle's.
///
/// # Errors
/// No memory; `closure` is dropped.
pub(crate) fn new<F, T>(
    closure: F,
    name: Option<Box<str>>,
    class: SizeClass,
) -> io::Result<(RecordRef, RecordRef)>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let body = const {
        &Body {
            run: run::<F, T>,
            refuse: refuse::<F, T>,
            discard: discard::<F, T>,
            free: free::<F, T>,
            ended: None,
        }
    };
    allocate::<F, T>(body, closure, name, class)
}

/// As `new`, for `Record::run_as_job`: it gets no stack and no thread-locals,
/// and has only its handle in common with a green thread.
///
/// # Errors
/// As `new`.
pub(crate) fn new_job<F, T>(closure: F) -> io::Result<(RecordRef, RecordRef)>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let body = const {
        &Body {
            run: run_job::<F, T>,
            refuse: refuse::<F, T>,
            discard: discard::<F, T>,
            free: free::<F, T>,
            ended: None,
        }
    };
    allocate::<F, T>(body, closure, None, SizeClass::DEFAULT)
}

#[inline]
fn allocate<F, T>(
    body: &'static Body,
    closure: F,
    name: Option<Box<str>>,
    class: SizeClass,
) -> io::Result<(RecordRef, RecordRef)> {
    let layout = Layout::new::<Task<F, T>>();
    // SAFETY: a task is never of size zero.
    let Some(task) = NonNull::new(unsafe { alloc(layout) }.cast::<Task<F, T>>()) else {
        return Err(io::ErrorKind::OutOfMemory.into());
    };
    // SAFETY: freshly allocated for this type. A new record counts two
    // references, which are these. Part by part, so that none is built
    // elsewhere and copied.
    unsafe {
        let at = task.as_ptr();
        (&raw mut (*at).packet.record).write(Record::new(body, name, class));
        (&raw mut (*at).packet.join).write(JoinState::new());
        (&raw mut (*at).packet.result).write(UnsafeCell::new(None));
        (&raw mut (*at).closure).write(UnsafeCell::new(Some(closure)));
        let record = task.cast::<Record>();
        record.as_ref().lies_at(record);
        Ok((RecordRef::from_raw(record), RecordRef::from_raw(record)))
    }
}

/// # Safety
/// `record` heads a `Task<F, T>`; once, on its green thread.
unsafe fn run<F: FnOnce() -> T, T>(record: NonNull<Record>) {
    // SAFETY: by the caller's promise; the scheduler's reference keeps it.
    let task = unsafe { record.cast::<Task<F, T>>().as_ref() };
    // SAFETY: only this run touches the closure.
    let Some(closure) = (unsafe { (*task.closure.get()).take() }) else {
        return;
    };
    let result = run_unless_killed(&task.packet.record, closure);
    if task.packet.join.is_detached() {
        drop_quietly(result);
        return locals::end();
    }
    // Before anybody who joins goes on, as with OS threads.
    locals::end();
    // SAFETY: the result is the finisher's until `finish`, which comes once.
    unsafe { store(&task.packet, result) };
}

#[inline(always)] // as `store`
fn run_unless_killed<T>(record: &Record, closure: impl FnOnce() -> T) -> Result<T, JoinError> {
    if record.state.is_killed() {
        drop_quietly(closure); // before it started
        return Err(JoinError::Killed);
    }
    catch_unwind(AssertUnwindSafe(closure)).map_err(kill::why_it_ended)
}

/// # Safety
/// `record` heads a `Task<F, T>`; once. The thread that runs it goes on, so its
/// thread-locals stay.
unsafe fn run_job<F: FnOnce() -> T, T>(record: NonNull<Record>) {
    // SAFETY: by the caller's promise; whoever runs it holds a reference.
    let task = unsafe { record.cast::<Task<F, T>>().as_ref() };
    // SAFETY: only this run touches the closure.
    if let Some(closure) = unsafe { (*task.closure.get()).take() } {
        let result = run_unless_killed(&task.packet.record, closure);
        // SAFETY: the result is the finisher's until `finish`, which comes once.
        unsafe { store(&task.packet, result) };
    }
}

/// # Safety
/// As `run`, instead of it, on the worker.
unsafe fn refuse<F, T>(record: NonNull<Record>, why: io::Error) {
    // SAFETY: as in `run`.
    let task = unsafe { record.cast::<Task<F, T>>().as_ref() };
    // What the closure holds may wait when it is dropped, and this may be a
    // worker: it is left to the joiner, unless there is none.
    // SAFETY: as in `run`.
    if unsafe { store(&task.packet, Err(JoinError::NotStarted(why))) } {
        // SAFETY: detached, so it is the finisher's.
        unsafe { discard::<F, T>(record) };
    }
}

/// # Safety
/// `record` heads a `Task<F, T>` that was refused; once.
unsafe fn discard<F, T>(record: NonNull<Record>) {
    // SAFETY: the caller's promise.
    let task = unsafe { record.cast::<Task<F, T>>().as_ref() };
    // SAFETY: as above.
    drop_quietly(unsafe { (*task.closure.get()).take() });
}

/// True if it was detached, and its result dropped.
///
/// # Safety
/// Once, by the finisher.
#[inline(always)] // else the result is put together elsewhere and copied
unsafe fn store<T>(packet: &Packet<T>, result: Result<T, JoinError>) -> bool {
    // SAFETY: the result is the finisher's until `finish`.
    unsafe { *packet.result.get() = Some(result) };
    // SAFETY: once, by the caller's promise.
    match unsafe { packet.join.finish(|joiner| joiner.wake()) } {
        Finished::Nobody => {}
        Finished::Woke(joiner) => joiner.finish(),
        Finished::Detached => {
            // SAFETY: nobody will ask for it, so it is still the finisher's.
            drop_quietly(unsafe { (*packet.result.get()).take() });
            return true;
        }
    }
    false
}

/// A panic in the destructor of what nobody wants has nobody to go to; the
/// hook has reported it.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // The payload's own destructor might panic once more.
        std::mem::forget(payload);
    }
}

/// # Safety
/// The last reference to a `Task<F, T>` is gone.
unsafe fn free<F, T>(record: NonNull<Record>) {
    let task = record.cast::<Task<F, T>>().as_ptr();
    // SAFETY: allocated by `new` with this layout; closure and result were
    // taken out by those that own them.
    unsafe {
        ptr::drop_in_place(task);
        dealloc(task.cast(), Layout::new::<Task<F, T>>());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::green::handle::GreenThread;
    use crate::green::record::Home;
    use crate::task::join::JoinHandle;
    use std::sync::Mutex;

    /// Keeps what is queued on it.
    struct Shelf(Mutex<Vec<RecordRef>>);
    impl Home for Shelf {
        fn enqueue(&self, thread: RecordRef) {
            self.0.lock().unwrap().push(thread);
        }
    }

    /// Runs without a stack, as the coroutine's main would.
    fn ends(thread: RecordRef) {
        // SAFETY: fresh, once, and alive until it returns.
        unsafe { thread.run_here() };
        thread.state.finish();
    }

    #[test]
    fn miri_a_result_reaches_the_handle() {
        let (thread, handle) = new(|| vec![1, 2], Some("x".into()), SizeClass::DEFAULT).unwrap();
        // SAFETY: made for this type, one handle.
        let handle = unsafe { JoinHandle::<Vec<i32>>::new(GreenThread(handle)) };
        let t = std::thread::spawn(move || ends(thread));
        assert_eq!(handle.join().unwrap(), [1, 2]);
        t.join().unwrap();
    }

    #[test]
    fn miri_a_detached_result_is_dropped() {
        let a = std::sync::Arc::new(1);
        let b = a.clone();
        let (thread, handle) = new(move || b, None, SizeClass::DEFAULT).unwrap();
        // SAFETY: made for this type, one handle.
        drop(unsafe { JoinHandle::<std::sync::Arc<i32>>::new(GreenThread(handle)) });
        ends(thread);
        assert_eq!(std::sync::Arc::strong_count(&a), 1);
    }

    /// The scheduler's reference goes through `unpark` and is the last one.
    #[test]
    fn miri_woken_and_freed_by_the_scheduler() {
        static SHELF: Shelf = Shelf(Mutex::new(Vec::new()));
        let (thread, handle) = new(|| vec![1], Some("x".into()), SizeClass::DEFAULT).unwrap();
        thread.live_at(&SHELF);
        thread.state.begin_run();
        assert!(thread.state.commit_park());
        thread.into_raw();
        handle.unpark();
        let woken = SHELF.0.lock().unwrap().pop().unwrap();
        woken.state.begin_run();
        drop(handle);
        ends(woken);
    }

    #[test]
    fn miri_counted_and_refused() {
        let (thread, handle) = new(|| vec![1], None, SizeClass::DEFAULT).unwrap();
        crate::green::current::enter(&thread);
        let counted = crate::green::current::counted().unwrap();
        crate::green::current::leave();
        thread.state.finish();
        // SAFETY: never run.
        unsafe { thread.refuse(std::io::ErrorKind::OutOfMemory.into()) };
        drop(thread);
        // SAFETY: made for this type, one handle.
        let handle = unsafe { JoinHandle::<Vec<i32>>::new(GreenThread(handle)) };
        assert!(handle.join().is_err());
        drop(counted);
    }
}
