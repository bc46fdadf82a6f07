//! Values of which each thread, green or not, has its own.

use super::storage::{self, Gone};
use super::table::Kind;
use crate::error::AccessError;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::*};

/// Declares green-local values, as `thread_local!` does thread-local ones: each
/// green thread has its own, made at its first use, and so has each OS thread.
/// They go when their thread ends, on its own stack, the last one first, and
/// may wait then.
///
/// With `#[inherit]`, a new green thread starts with a clone of what the thread
/// that spawns it has at that moment, if that one has a value; then the type is
/// `Clone + Send`. All ways to make one inherit, patched `std::thread::spawn`
/// too; jobs for OS threads, as of [`offload`](crate::offload()), do not. What a
/// `Clone` itself spawns meanwhile inherits nothing.
///
/// See [`GreenLocal`] for what can be done with them.
///
/// ```
/// use std::cell::Cell;
///
/// greenroom::green_local! {
///     static COUNT: Cell<u32> = Cell::new(0);
///     /// Which request is served.
///     #[inherit]
///     pub static REQUEST: Cell<Option<u64>> = Cell::new(None);
/// }
///
/// COUNT.set(5);
/// REQUEST.set(Some(77));
/// let theirs = greenroom::spawn(|| (COUNT.get(), REQUEST.get()));
/// assert_eq!(theirs.join().unwrap(), (0, Some(77)));
/// ```
#[macro_export]
macro_rules! green_local {
    () => {};
    (@to $new:ident [$($kept:tt)*] #[inherit] $($rest:tt)*) => {
        $crate::green_local!(@to inherited [$($kept)*] $($rest)*);
    };
    (@to $new:ident [$($kept:tt)*] #[$($attribute:tt)*] $($rest:tt)*) => {
        $crate::green_local!(@to $new [$($kept)* #[$($attribute)*]] $($rest)*);
    };
    (@to $new:ident [$($kept:tt)*] $vis:vis static $NAME:ident: $T:ty = $init:expr; $($rest:tt)*) => {
        $crate::green_local!(@to $new [$($kept)*] $vis static $NAME: $T = $init);
        $crate::green_local!($($rest)*);
    };
    (@to $new:ident [$($kept:tt)*] $vis:vis static $NAME:ident: $T:ty = $init:expr) => {
        $($kept)*
        $vis static $NAME: $crate::GreenLocal<$T> = {
            // `$init` sees this name, and may use one of its own.
            fn __greenroom_init() -> $T {
                $init
            }
            $crate::GreenLocal::$new(__greenroom_init)
        };
    };
    ($($declarations:tt)+) => {
        $crate::green_local!(@to new [] $($declarations)+);
    };
}

/// What [`green_local!`](crate::green_local) declares: the key of one value per
/// thread. With its methods as [`std::thread::LocalKey`].
///
/// ```
/// use std::cell::RefCell;
/// greenroom::green_local!(static LOG: RefCell<Vec<&'static str>> = RefCell::default());
///
/// let green = greenroom::spawn(|| {
///     LOG.with_borrow_mut(|log| log.push("begun"));
///     greenroom::yield_now();
///     LOG.with_borrow_mut(|log| log.push("done"));
///     LOG.take()
/// });
/// assert_eq!(green.join().unwrap(), ["begun", "done"]);
/// assert!(LOG.with_borrow(|log| log.is_empty()));
/// ```
pub struct GreenLocal<T: 'static> {
    /// In the tables; 0 before its first use, and in no table.
    number: AtomicUsize,
    init: fn() -> T,
    kind: &'static Kind,
}

/// # Safety
/// A value that `first` or `clone_value` boxed; once.
unsafe fn drop_value<T>(value: NonNull<()>) {
    // SAFETY: the caller's promise.
    drop(unsafe { Box::from_raw(value.cast::<T>().as_ptr()) });
}

/// # Safety
/// As `drop_value`, but it stays.
unsafe fn clone_value<T: Clone>(value: NonNull<()>) -> NonNull<()> {
    // SAFETY: the caller's promise.
    boxed(unsafe { value.cast::<T>().as_ref() }.clone())
}

fn boxed<T>(value: T) -> NonNull<()> {
    NonNull::from(Box::leak(Box::new(value))).cast()
}

impl<T: 'static> GreenLocal<T> {
    /// A key whose values `init` makes.
    pub const fn new(init: fn() -> T) -> GreenLocal<T> {
        let kind = const { &Kind { drop: drop_value::<T>, clone: None } };
        GreenLocal { number: AtomicUsize::new(0), init, kind }
    }

    /// As `new`, but a new green thread inherits a clone: see
    /// [`green_local!`](crate::green_local).
    pub const fn inherited(init: fn() -> T) -> GreenLocal<T>
    where
        T: Clone + Send,
    {
        let kind = const { &Kind { drop: drop_value::<T>, clone: Some(clone_value::<T>) } };
        GreenLocal { number: AtomicUsize::new(0), init, kind }
    }

    /// Runs `f` on this thread's value, which is made if there is none yet.
    ///
    /// # Panics
    /// If the value is gone, because its thread ends.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.try_with(f).expect("green-local values cannot be used during or after their end")
    }

    /// As `with`.
    ///
    /// # Errors
    /// The value is gone, because its thread ends.
    #[inline]
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        let value = match storage::find(self.number.load(Relaxed)) {
            Some(value) => value,
            None => self.first(|| (self.init)())?,
        };
        // SAFETY: of this type, and stays until its thread ends.
        Ok(f(unsafe { value.cast::<T>().as_ref() }))
    }

    /// Makes this thread's value.
    #[cold]
    fn first(&'static self, init: impl FnOnce() -> T) -> Result<NonNull<()>, AccessError> {
        let number = self.number();
        storage::admit(number).map_err(|Gone| AccessError)?;
        let value = boxed(init());
        // SAFETY: of this kind.
        if let Err(ours) = unsafe { storage::keep(number, value, self.kind) } {
            // `init` has used this key itself, and what it saw is the value.
            // SAFETY: it came back.
            unsafe { drop_value::<T>(ours) };
        }
        storage::find(number).ok_or(AccessError)
    }

    fn number(&self) -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        // Acquire and Release: whoever has the number knows of heirs too.
        if self.number.load(Acquire) == 0 {
            if self.kind.clone.is_some() {
                storage::inherits();
            }
            let mine = NEXT.fetch_add(1, Relaxed);
            // Another's may come first; then ours is nobody's.
            let _ = self.number.compare_exchange(0, mine, Release, Relaxed);
        }
        self.number.load(Acquire)
    }

    /// Makes `value` this thread's, if it has none yet: `init` is not run.
    fn begin_with(&'static self, value: T) -> Option<T> {
        let mut value = Some(value);
        if storage::find(self.number.load(Relaxed)).is_none() {
            let made = self.first(|| value.take().expect("taken once"));
            made.expect("green-local values cannot be used during or after their end");
        }
        value
    }
}

impl<T: 'static> GreenLocal<Cell<T>> {
    /// Sets this thread's value.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with).
    pub fn set(&'static self, value: T) {
        if let Some(value) = self.begin_with(Cell::new(value)) {
            self.with(|cell| cell.set(value.into_inner()));
        }
    }

    /// Copies this thread's value.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with).
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes this thread's value, and leaves `Default::default()`.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with).
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Sets this thread's value, and returns what it was.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with).
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> GreenLocal<RefCell<T>> {
    /// Runs `f` on this thread's value.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with), and if the value is borrowed mutably.
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Runs `f` on this thread's value, which it may change.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with), and if the value is borrowed.
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets this thread's value.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with), and if the value is borrowed.
    pub fn set(&'static self, value: T) {
        if let Some(value) = self.begin_with(RefCell::new(value)) {
            drop(self.with(|cell| cell.replace(value.into_inner())));
        }
    }

    /// Takes this thread's value, and leaves `Default::default()`.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with), and if the value is borrowed.
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Sets this thread's value, and returns what it was.
    ///
    /// # Panics
    /// As [`with`](GreenLocal::with), and if the value is borrowed.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for GreenLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GreenLocal").finish_non_exhaustive()
    }
}
