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
//! and checked by [`probe`], which says what is missing.

use super::real::lookup;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Why green threads cannot have their own thread-locals here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("own thread-locals need glibc 2.34 or later as we know it: {0}")]
pub(crate) struct Unsupported(&'static str);

/// Offsets from the thread pointer in every glibc for x86-64.
const DTV: usize = 0x08;
const SELF: usize = 0x10;
/// `multiple_threads`: while it is zero, malloc of glibc before 2.37 takes no
/// locks.
const NOT_ALONE: usize = 0x18;
const STACK_GUARD: usize = 0x28;
const POINTER_GUARD: usize = 0x30;

/// What `probe` found out.
pub(crate) struct Layout {
    /// Bytes from the floor of a block to its end.
    size: usize,
    align: usize,
    /// Of `struct pthread`.
    record: usize,
    tid: usize,
    /// Words of a fresh `struct pthread` that point into itself.
    own_pointers: Vec<(usize, usize)>,
    rseq: Option<usize>,
    resolver: Option<Resolver>,
    /// Thread-locals that a reused block must have anew.
    images: Vec<Image>,
    keys: Keys,
    allocate: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    init_ctype: unsafe extern "C" fn(),
    run_destructors: unsafe extern "C" fn(),
}

/// The initial thread-locals of one module.
#[derive(Debug, Clone, Copy)]
struct Image {
    /// Its block lies so far below the thread pointer.
    below: usize,
    data: *const u8,
    data_len: usize,
    len: usize,
}

/// `__resp`: a thread's pointer to its own state of the resolver. A fresh one
/// points to the main thread's.
#[derive(Clone, Copy)]
struct Resolver {
    /// The pointer lies so far below the thread pointer.
    below: usize,
    /// The state lies here in the record.
    state: usize,
}

/// Where pthread keys keep their values and destructors.
struct Keys {
    table: *const Key,
    /// Of the two-level array of values in `struct pthread`.
    values: usize,
}

/// `struct pthread_key_struct`.
#[repr(C)]
struct Key {
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
const LEVELS: usize = 32;
/// How often destructors may leave new values: POSIX's least.
const ROUNDS: usize = 4;

// SAFETY: addresses of what lives as long as the process.
unsafe impl Send for Layout {}
// SAFETY: as above.
unsafe impl Sync for Layout {}

/// A thread-local block: its thread pointer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block(usize);

impl Block {
    /// The thread pointer, which is the C library's handle of the thread.
    #[inline]
    pub(crate) fn address(self) -> usize {
        self.0
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

/// Looks at the C library.
///
/// # Errors
/// Something is not as we know it.
pub(crate) fn probe() -> Result<Layout, Unsupported> {
    if !can_switch() {
        return Err(Unsupported("the kernel does not allow `wrfsbase`"));
    }
    // A thread that has done nothing yet: its record is the model of others.
    std::thread::Builder::new()
        .spawn(Layout::read)
        .map_err(|_| Unsupported("no thread could be started to look at"))?
        .join()
        .unwrap_or(Err(Unsupported("looking at a thread panicked")))
}

fn symbol(name: &'static std::ffi::CStr) -> Result<*mut c_void, Unsupported> {
    lookup(name).ok_or(Unsupported(name.to_str().unwrap_or("a symbol")))
}

/// The byte offset in a descriptor that libthread_db reads: `{bits, count,
/// offset}`.
fn field(name: &'static std::ffi::CStr) -> Result<usize, Unsupported> {
    // SAFETY: these descriptors are three words of 32 bits.
    Ok(unsafe { *symbol(name)?.cast::<u32>().add(2) } as usize)
}

impl Layout {
    fn read() -> Result<Layout, Unsupported> {
        type Info = unsafe extern "C" fn(*mut usize, *mut usize);
        let (mut size, mut align) = (0, 0);
        let info = symbol(c"_dl_get_tls_static_info")?;
        // SAFETY: the signature of all glibc versions.
        unsafe { std::mem::transmute::<*mut c_void, Info>(info)(&mut size, &mut align) };
        // SAFETY: a word of 32 bits.
        let record = unsafe { *symbol(c"_thread_db_sizeof_pthread")?.cast::<u32>() } as usize;
        let tid = field(c"_thread_db_pthread_tid")?;
        let keys = Keys {
            table: symbol(c"__pthread_keys")?.cast(),
            values: field(c"_thread_db_pthread_specific")?,
        };
        let rseq = lookup(c"__rseq_offset").map(|at| {
            // SAFETY: a `ptrdiff_t`.
            unsafe { *at.cast::<usize>() }
        });
        let me = current().0;
        let own_pointers = own_pointers(me, record);
        // SAFETY: the signatures of all glibc versions.
        let layout = unsafe {
            Layout {
                size,
                align,
                record,
                tid,
                own_pointers,
                rseq: rseq.filter(|at| *at < record),
                resolver: resolver(me, record),
                images: images(me),
                keys,
                allocate: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut c_void) -> *mut c_void,
                >(symbol(c"_dl_allocate_tls")?),
                init_ctype: std::mem::transmute::<*mut c_void, unsafe extern "C" fn()>(symbol(
                    c"__ctype_init",
                )?),
                run_destructors: std::mem::transmute::<*mut c_void, unsafe extern "C" fn()>(
                    symbol(c"__call_tls_dtors")?,
                ),
            }
        };
        layout.check(me)?;
        Ok(layout)
    }

    /// Whether the fields are where the calling thread has them.
    fn check(&self, me: usize) -> Result<(), Unsupported> {
        let word = |at: usize| {
            // SAFETY: inside this thread's record.
            unsafe { *ptr::with_exposed_provenance::<usize>(me + at) }
        };
        let kernel_tid = super::raw::thread_id();
        if !(self.record..64 << 10).contains(&self.size) || !self.align.is_power_of_two() {
            return Err(Unsupported("the size of thread-local storage"));
        }
        if self.tid + 4 > self.record || word(self.tid) as u32 != kernel_tid {
            return Err(Unsupported("the thread id is not in its place"));
        }
        if word(SELF) != me || word(DTV) == 0 || word(STACK_GUARD) == 0 {
            return Err(Unsupported("the head of the thread's record"));
        }
        if self.keys.values + LEVELS * 8 > self.record {
            return Err(Unsupported("the values of pthread keys"));
        }
        Ok(())
    }

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
    /// green thread that will never be the kernel's. `None`: no memory.
    ///
    /// # Safety
    /// `reserve` bytes before `end` are ours, writable and zero.
    pub(crate) unsafe fn make(&self, end: usize) -> Option<Block> {
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
        unsafe { *ptr::with_exposed_provenance_mut::<u32>(tp + self.tid) = green_tid() };
        if let Some(rseq) = self.rseq {
            // `cpu_id`: not registered, so that nobody believes `cpu_id_start`.
            // SAFETY: inside the record.
            unsafe { *ptr::with_exposed_provenance_mut::<i32>(tp + rseq + 4) = -1 };
        }
        Some(Block(tp))
    }

    /// Gives a block that a green thread has used the thread-locals of a fresh
    /// one. libc's own stay: its malloc cache goes with the block.
    ///
    /// # Safety
    /// Made by `make`, and nobody's at the moment.
    pub(crate) unsafe fn renew(&self, block: Block) {
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
        unsafe { *ptr::with_exposed_provenance_mut::<u32>(block.0 + self.tid) = green_tid() };
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

    /// What a thread does before its first line. On the green thread.
    pub(crate) fn begin(&self) {
        // SAFETY: fills libc's own thread-locals.
        unsafe { (self.init_ctype)() }
    }

    /// What a thread does after its last line: destructors of `thread_local!`s
    /// and pthread keys. On the green thread; they may wait.
    pub(crate) fn end(&self) {
        // SAFETY: the current thread's, at its end.
        unsafe { (self.run_destructors)() };
        for _ in 0..ROUNDS {
            // SAFETY: as above.
            if !unsafe { self.keys.run(current()) } {
                break;
            }
        }
    }
}

impl Keys {
    /// Runs the destructor of every value that has one; true if any ran.
    ///
    /// # Safety
    /// `block` is the calling thread's, and it ends.
    unsafe fn run(&self, block: Block) -> bool {
        let mut ran = false;
        for level in 0..LEVELS {
            // SAFETY: `values` is an array of `LEVELS` pointers in the record.
            let values = unsafe {
                *ptr::with_exposed_provenance::<*mut Value>(block.0 + self.values + level * 8)
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

/// The words of the record at `me` that point into it.
fn own_pointers(me: usize, record: usize) -> Vec<(usize, usize)> {
    (0..record / 8)
        .map(|word| word * 8)
        .filter_map(|at| {
            // SAFETY: inside the calling thread's record.
            let value = unsafe { *ptr::with_exposed_provenance::<usize>(me + at) };
            (me..me + record).contains(&value).then(|| (at, value - me))
        })
        .collect()
}

/// Where a thread keeps its resolver's state; `None`: not beside its record,
/// and then it is shared.
fn resolver(me: usize, record: usize) -> Option<Resolver> {
    // For a thread-local, this thread's address of it.
    let at = lookup(c"__resp")?.expose_provenance();
    // SAFETY: libc's, a pointer.
    let state = unsafe { *ptr::with_exposed_provenance::<usize>(at) };
    let inside = (me..me + record).contains(&state) && at < me && me - at < 64 << 10;
    inside.then(|| Resolver { below: me - at, state: state - me })
}

/// A number that no kernel thread has (they end at 2^22), so that the owner of
/// a recursive mutex is told apart.
fn green_tid() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 1 << 22;
    // Below 2^30: the bits above are the kernel's, in a mutex's word.
    FIRST + NEXT.fetch_add(1, Relaxed) % ((1 << 30) - FIRST)
}

/// The thread-locals of all modules in the calling thread's static block, but
/// for those of libc and the loader.
fn images(me: usize) -> Vec<Image> {
    let mut found = (me, Vec::new());
    // SAFETY: the callback gets what it was passed.
    unsafe { libc::dl_iterate_phdr(Some(add_image), (&raw mut found).cast()) };
    found.1
}

unsafe extern "C" fn add_image(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    found: *mut c_void,
) -> c_int {
    // SAFETY: the loader's record, and what `images` passed.
    let (info, (me, images)) = unsafe { (&*info, &mut *found.cast::<(usize, Vec<Image>)>()) };
    // SAFETY: a C string or null; an array of that length.
    let (name, headers) = unsafe {
        let name =
            if info.dlpi_name.is_null() { c"" } else { std::ffi::CStr::from_ptr(info.dlpi_name) };
        (name, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    let file = name.to_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default();
    let at = info.dlpi_tls_data as usize;
    let header = headers.iter().find(|h| h.p_type == libc::PT_TLS);
    if let (Some(header), false) =
        (header, file.starts_with(b"libc.so") || file.starts_with(b"ld-linux"))
    {
        // Elsewhere: loaded later, and its block is its own.
        if at != 0 && at < *me && *me - at < 64 << 10 {
            images.push(Image {
                below: *me - at,
                data: ptr::with_exposed_provenance(
                    info.dlpi_addr as usize + header.p_vaddr as usize,
                ),
                data_len: header.p_filesz as usize,
                len: header.p_memsz as usize,
            });
        }
    }
    0
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
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
            layout.make(memory.expose_provenance() + size).unwrap()
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
            unsafe { layout.renew(one) };
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
            unsafe { layout.renew(one) };
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
}
