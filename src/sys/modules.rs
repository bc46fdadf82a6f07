//! The program and its libraries, as far as unwinding needs them. While a
//! [`Modules`] lives none of what it lists is unloaded.

use std::ffi::{CStr, CString, c_int, c_void};
use std::ops::Range;
use std::ptr;

/// One of them.
pub(crate) struct Module {
    /// Where its code is.
    pub(crate) code: Range<usize>,
    /// Where `.eh_frame_hdr` is.
    pub(crate) header: Range<usize>,
    /// The segment of that, in which `.eh_frame` is too.
    pub(crate) segment: Range<usize>,
    /// Keeps it loaded; null for the program itself.
    handle: *mut c_void,
}

/// See the module's head.
pub(crate) struct Modules(Vec<Module>);

impl Modules {
    pub(crate) fn load() -> Modules {
        let mut found: Vec<(CString, Module)> = Vec::new();
        // SAFETY: the callback gets what it was passed.
        unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut found).cast()) };
        // SAFETY: reads a table that never changes; 0 without such a page.
        let kernels = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
        let held = found.into_iter().filter_map(|(name, mut module)| {
            if !name.is_empty() {
                let how = libc::RTLD_NOLOAD | libc::RTLD_LAZY;
                // SAFETY: a C string; nothing is loaded, only counted.
                module.handle = unsafe { libc::dlopen(name.as_ptr(), how) };
            }
            // Without a handle it may be unloaded at any time, but for what the
            // kernel maps, where those who look at the clock are interrupted.
            let stays = name.is_empty() || module.code.contains(&kernels);
            (stays || !module.handle.is_null()).then_some(module)
        });
        Modules(held.collect())
    }

    /// What the code at `address` belongs to.
    pub(crate) fn at(&self, address: usize) -> Option<&Module> {
        self.0.iter().find(|module| module.code.contains(&address))
    }
}

impl Drop for Modules {
    fn drop(&mut self) {
        for module in self.0.iter().filter(|module| !module.handle.is_null()) {
            // SAFETY: from `dlopen`, and closed once.
            unsafe { libc::dlclose(module.handle) };
        }
    }
}

/// # Safety
/// As `dl_iterate_phdr` calls it, with what `load` passed.
unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
    // SAFETY: the loader's record, and what `load` passed.
    let (info, found) = unsafe { (&*info, &mut *found.cast::<Vec<(CString, Module)>>()) };
    // SAFETY: a C string or null; an array of that length.
    let (name, headers) = unsafe {
        let name = if info.dlpi_name.is_null() { c"" } else { CStr::from_ptr(info.dlpi_name) };
        (name, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    let place = |header: &libc::Elf64_Phdr| {
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        start..start.saturating_add(header.p_memsz as usize)
    };
    let of =
        |kind, flags| move |h: &&libc::Elf64_Phdr| h.p_type == kind && h.p_flags & flags == flags;
    let code = headers.iter().filter(of(libc::PT_LOAD, libc::PF_X)).map(place);
    let code = code.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
    let header = headers.iter().find(of(libc::PT_GNU_EH_FRAME, 0)).map(place);
    if let (Some(code), Some(header)) = (code, header) {
        let mut segments = headers.iter().filter(of(libc::PT_LOAD, libc::PF_R)).map(place);
        if let Some(segment) = segments.find(|s| s.contains(&header.start)) {
            let module = Module { code, header, segment, handle: ptr::null_mut() };
            found.push((name.into(), module));
        }
    }
    0
}
