//! Thread-local blocks: what the C library calls a thread, without the thread.
//!
//! ```text
//!   low addresses                                        thread pointer (fs)
//!   | stack … |  surplus  | modules' thread-locals | struct pthread |  end
//!             ^ floor()                             ^ Block
//! ```
//! glibc places a module's thread-locals at a fixed distance below the thread
//! pointer, and its own record of the thread above. `_dl_allocate_tls` fills
//! such a block for anybody who asks, and the thread pointer is a register. So
//! a green thread with a block of its own has its own `thread_local!`s,
//! `errno`, panic count and pthread keys.
//!
//! Nothing of this is a public interface. All that is relied on is looked up
//! and checked by `tls_probe.rs`, which says what is missing.

use super::tls_keys::{Keys, ROUNDS};
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Why green threads cannot have their own thread-locals here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("own thread-locals need glibc 2.34 or later as we know it: {0}")]
pub(crate) struct Unsupported(pub(super) &'static str);

/// Offsets from the thread pointer in every glibc for x86-64.
pub(super) const DTV: usize = 0x08;
pub(super) const SELF: usize = 0x10;
/// `multiple_threads`: while it is zero, malloc of glibc before 2.37 takes no
/// locks.
pub(super) const NOT_ALONE: usize = 0x18;
pub(super) const STACK_GUARD: usize = 0x28;
pub(super) const POINTER_GUARD: usize = 0x30;

/// `LC_GLOBAL_LOCALE`.
const GLOBAL_LOCALE: libc::locale_t = ptr::without_provenance_mut(usize::MAX);

/// What the probe found out.
pub(crate) struct Layout {
    /// Bytes from the floor of a block to its end.
    pub(super) size: usize,
    pub(super) align: usize,
    /// Of `struct pthread`.
    pub(super) record: usize,
    pub(super) tid: usize,
    /// Words of a fresh `struct pthread` that point into itself.
    pub(super) own_pointers: Vec<(usize, usize)>,
    pub(super) rseq: Option<usize>,
    pub(super) resolver: Option<Resolver>,
    /// Thread-locals that a reused block must have anew.
    pub(super) images: Vec<Image>,
    pub(super) keys: Keys,
    pub(super) allocate: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    pub(super) run_destructors: unsafe extern "C" fn(),
}

/// The initial thread-locals of one module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    /// Its block lies so far below the thread pointer.
    pub(super) below: usize,
    pub(super) data: *const u8,
    pub(super) data_len: usize,
    pub(super) len: usize,
}

/// `__resp`: a thread's pointer to its own state of the resolver. A fresh one
/// points to the main thread's.
#[derive(Clone, Copy)]
pub(super) struct Resolver {
    /// The pointer lies so far below the thread pointer.
    pub(super) below: usize,
    /// The state lies here in the record.
    pub(super) state: usize,
}

// SAFETY: addresses of what lives as long as the process.
unsafe impl Send for Layout {}
// SAFETY: as above.
unsafe impl Sync for Layout {}

/// A thread-local block: its thread pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block(pub(super) usize);

impl Block {
    /// The thread pointer, which is the C library's handle of the thread.
    #[inline]
    pub(crate) fn address(self) -> usize {
        self.0
    }

    /// The block with that thread pointer.
    ///
    /// # Safety
    /// There is one.
    #[inline]
    pub(crate) unsafe fn at(address: usize) -> Block {
        Block(address)
    }
}

/// The calling thread's.
#[inline]
pub(crate) fn current() -> Block {
    let tp: usize;
    // SAFETY: every thread pointer points to itself.
    unsafe {
        std::arch::asm!("mov {}, fs:0", out(reg) tp, options(nostack, readonly, preserves_flags))
    };
    Block(tp)
}

/// Makes `block` the calling OS thread's.
///
/// # Safety
/// `block` is a thread's own, or made by [`Layout::make`] and used by no other
/// OS thread. No address of a thread-local that was taken before is used until
/// it is switched back. `can_switch` is true.
#[inline(always)]
pub(crate) unsafe fn switch(block: Block) {
    // SAFETY: the caller's promise.
    unsafe { std::arch::asm!("wrfsbase {}", in(reg) block.0, options(nostack, preserves_flags)) };
}

/// Whether the kernel lets programs write the thread pointer themselves
/// (Linux 5.9, and a CPU of the last ten years).
pub(crate) fn can_switch() -> bool {
    const HWCAP2_FSGSBASE: u64 = 2;
    // SAFETY: reads a table that never changes.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
}

impl Layout {
    /// Bytes that a block takes at the end of a stack's slot.
    pub(crate) fn reserve(&self) -> usize {
        self.size.next_multiple_of(self.align) + self.align
    }

    /// The block that `make` made before `end`, if it did.
    ///
    /// # Safety
    /// As `make`, but the memory may have been used by it.
    pub(crate) unsafe fn made(&self, end: usize) -> Option<Block> {
        let tp = (end - self.record) & !(self.align - 1);
        // SAFETY: inside what is ours; zero until a block is made.
        let vector = unsafe { *ptr::with_exposed_provenance::<usize>(tp + DTV) };
        (vector != 0).then_some(Block(tp))
    }

    /// Makes a block whose record ends before `end`, in zeroed memory, for a
    /// green thread with that number, which will never be the kernel's. `None`: no memory.
    ///
    /// # Safety
    /// `reserve` bytes before `end` are ours, writable and zero.
    pub(crate) unsafe fn make(&self, end: usize, number: u32) -> Option<Block> {
        let tp = (end - self.record) & !(self.align - 1);
        // SAFETY: the loader's own function for threads; the block lies inside
        // what is ours.
        if unsafe { (self.allocate)(ptr::with_exposed_provenance_mut(tp)) }.is_null() {
            return None;
        }
        let me = current().0;
        // SAFETY: `at` is inside either record.
        let put =
            |at: usize, value: usize| unsafe { *ptr::with_exposed_provenance_mut(tp + at) = value };
        // SAFETY: as above.
        let mine = |at: usize| unsafe { *ptr::with_exposed_provenance::<usize>(me + at) };
        for &(at, to) in &self.own_pointers {
            put(at, tp + to);
        }
        put(STACK_GUARD, mine(STACK_GUARD));
        put(POINTER_GUARD, mine(POINTER_GUARD));
        // SAFETY: inside the record.
        unsafe { *ptr::with_exposed_provenance_mut::<u32>(tp + NOT_ALONE) = 1 };
        if let Some(resolver) = self.resolver {
            // SAFETY: libc's word in this block.
            unsafe {
                *ptr::with_exposed_provenance_mut(tp - resolver.below) = tp + resolver.state;
            }
        }
        // SAFETY: inside the record.
        unsafe { *ptr::with_exposed_provenance_mut::<u32>(tp + self.tid) = number };
        if let Some(rseq) = self.rseq {
            // `cpu_id`: not registered, so that nobody believes `cpu_id_start`.
            // SAFETY: inside the record.
            unsafe { *ptr::with_exposed_provenance_mut::<i32>(tp + rseq + 4) = -1 };
        }
        Some(Block(tp))
    }

    /// Gives a block that a green thread has used the thread-locals of a fresh
    /// one with that number. libc's own stay: its malloc cache goes with the block.
    ///
    /// # Safety
    /// Made by `make`, and nobody's at the moment.
    pub(crate) unsafe fn renew(&self, block: Block, number: u32) {
        for image in &self.images {
            let to = ptr::with_exposed_provenance_mut::<u8>(block.0 - image.below);
            // SAFETY: the module's place in the block, of that length.
            unsafe {
                ptr::copy_nonoverlapping(image.data, to, image.data_len);
                ptr::write_bytes(to.add(image.data_len), 0, image.len - image.data_len);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { self.forget_dynamic(block) };
        // SAFETY: inside the record.
        unsafe { *ptr::with_exposed_provenance_mut::<u32>(block.0 + self.tid) = number };
    }

    /// Drops the thread-locals of libraries that were loaded later: the vector
    /// beside the block has those that were touched.
    ///
    /// # Safety
    /// As `renew`.
    unsafe fn forget_dynamic(&self, block: Block) {
        /// `dtv_t`: entry -1 counts, entry 0 is the generation.
        #[repr(C)]
        struct Entry {
            value: usize,
            to_free: *mut c_void,
        }
        const UNALLOCATED: usize = usize::MAX;
        // SAFETY: the loader made it, with the length in entry -1.
        unsafe {
            let dtv = *ptr::with_exposed_provenance::<*mut Entry>(block.0 + DTV);
            for i in 1..=(*dtv.sub(1)).value {
                let entry = &mut *dtv.add(i);
                if !entry.to_free.is_null() {
                    libc::free(entry.to_free);
                    *entry = Entry { value: UNALLOCATED, to_free: ptr::null_mut() };
                }
            }
        }
    }

    /// Where libc has the number of the thread with the block at `address`.
    pub(crate) fn number_at(&self, address: usize) -> usize {
        address + self.tid
    }

    /// What a thread does before its first line. On the green thread.
    pub(crate) fn begin(&self) {
        // libc's own thread-locals stay with the block, and the last user may
        // have set a locale, which is gone by now. This fills the tables of
        // `isalpha` and its like as well.
        // SAFETY: the process's locale, which always is.
        unsafe { libc::uselocale(GLOBAL_LOCALE) };
    }

    /// What a thread does after its last line: destructors of `thread_local!`s
    /// and pthread keys. On the green thread; they may wait.
    ///
    /// Those of a real thread that destructors of keys begin or set anew are
    /// forgotten with it. The block has a next user, to whom none must come.
    pub(crate) fn end(&self) {
        // SAFETY: the current thread's, at its end.
        unsafe { (self.run_destructors)() };
        for _ in 0..ROUNDS {
            // SAFETY: as above.
            if !unsafe { self.keys.run(current().0) } {
                return;
            }
            // SAFETY: as above.
            unsafe { (self.run_destructors)() };
        }
        // SAFETY: as above.
        unsafe { self.keys.forget(current().0) };
    }
}

/// Numbers that no kernel thread has (they end at 2^22), so that the owner of a recursive
/// mutex is told apart. Taken from all there are by blocks: or all who start green threads
/// would write one cache line for each.
pub(crate) struct Numbers(u32);

impl Numbers {
    pub(crate) const fn new() -> Numbers {
        Numbers(0)
    }

    pub(crate) fn take(&mut self) -> u32 {
        const BLOCK: u32 = 1024;
        const FIRST: u32 = 1 << 22;
        // Below 2^30: the bits above are the kernel's, in a mutex's word.
        const BLOCKS: u32 = ((1 << 30) - FIRST) / BLOCK;
        static NEXT_BLOCK: AtomicU32 = AtomicU32::new(0);
        if self.0.is_multiple_of(BLOCK) {
            self.0 = FIRST + NEXT_BLOCK.fetch_add(1, Relaxed) % BLOCKS * BLOCK;
        }
        self.0 += 1;
        self.0 - 1
    }
}

#[cfg(all(test, not(miri)))]
#[path = "tls_tests.rs"]
mod tests;
