//! Looks whether the C library is as `tls.rs` takes it to be, and where
//! everything is.

use super::real::lookup;
use super::tls::{DTV, Image, Layout, Resolver, SELF, STACK_GUARD, Unsupported};
use super::tls::{can_switch, current};
use super::tls_keys::{Keys, LEVELS};
use std::ffi::{c_int, c_void};
use std::ptr;

type Address = *mut c_void;
type Allocate = unsafe extern "C" fn(*mut c_void) -> *mut c_void;
type Plain = unsafe extern "C" fn();

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
                allocate: std::mem::transmute::<Address, Allocate>(symbol(c"_dl_allocate_tls")?),
                run_destructors: std::mem::transmute::<Address, Plain>(symbol(
                    c"__call_tls_dtors",
                )?),
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
