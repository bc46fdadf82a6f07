//! pthread keys of a thread that is none: running the destructors of their
//! values, as a thread's end does.

use std::ffi::c_void;
use std::ptr;

/// Where pthread keys keep their values and destructors.
pub(super) struct Keys {
    pub(super) table: *const Key,
    /// Of the two-level array of values in `struct pthread`.
    pub(super) values: usize,
}

/// `struct pthread_key_struct`.
#[repr(C)]
pub(super) struct Key {
    /// Odd while in use.
    seq: usize,
    destructor: Option<unsafe extern "C" fn(*mut c_void)>,
}

/// `struct pthread_key_data`.
#[repr(C)]
struct Value {
    seq: usize,
    data: *mut c_void,
}

const KEYS_PER_LEVEL: usize = 32;
pub(super) const LEVELS: usize = 32;
/// How often destructors may leave new values: POSIX's least.
pub(super) const ROUNDS: usize = 4;

impl Keys {
    /// Runs the destructor of every value that has one; true if any ran.
    ///
    /// # Safety
    /// `block` is the calling thread's, and it ends.
    pub(super) unsafe fn run(&self, block: usize) -> bool {
        let mut ran = false;
        // SAFETY: the caller's promise.
        unsafe {
            self.take_each(block, |value, key, data| {
                let live = value == key.seq && value % 2 == 1;
                if let (Some(destructor), true) = (key.destructor, live) {
                    ran = true;
                    // SAFETY: registered for this value.
                    destructor(data);
                }
            });
        }
        ran
    }

    /// Takes the values away.
    ///
    /// # Safety
    /// As `run`.
    pub(super) unsafe fn forget(&self, block: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.take_each(block, |_, _, _| {}) };
    }

    /// Takes each value, and gives its number in the key's life, the key, and it.
    ///
    /// # Safety
    /// As `run`.
    unsafe fn take_each(&self, block: usize, mut give: impl FnMut(usize, &Key, *mut c_void)) {
        for level in 0..LEVELS {
            // SAFETY: `values` is an array of `LEVELS` pointers in the record.
            let values = unsafe {
                *ptr::with_exposed_provenance::<*mut Value>(block + self.values + level * 8)
            };
            if values.is_null() {
                continue;
            }
            for i in 0..KEYS_PER_LEVEL {
                // SAFETY: arrays of that length, in glibc since its beginning.
                let (value, key) =
                    unsafe { (&mut *values.add(i), self.table.add(level * KEYS_PER_LEVEL + i)) };
                if !value.data.is_null() {
                    let data = std::mem::replace(&mut value.data, ptr::null_mut());
                    // SAFETY: as above.
                    give(value.seq, unsafe { &*key }, data);
                }
            }
        }
    }
}
