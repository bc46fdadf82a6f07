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
                    unsafe { (&mut *values.add(i), &*self.table.add(level * KEYS_PER_LEVEL + i)) };
                let data = std::mem::replace(&mut value.data, ptr::null_mut());
                let live = value.seq == key.seq && value.seq % 2 == 1;
                if let (Some(destructor), false, true) = (key.destructor, data.is_null(), live) {
                    ran = true;
                    // SAFETY: registered for this value.
                    unsafe { destructor(data) };
                }
            }
        }
        ran
    }
}
