//! Switching from one stack to another.
//!
//! By jumps. A processor predicts where a `ret` goes by the `call`s before it, which
//! it keeps on a short stack of its own. A switch that calls its way in and returns
//! out of it, as corosensei's does, leaves an entry there that is not the caller's, so
//! that both that `ret` and the first one on the other stack are mispredicted: which
//! took more time than all the rest of a switch. A jump leaves that stack alone; where
//! green threads wait in the same places, its entries are even right for the next one.
//!
//! What is suspended has pushed, from high to low addresses, its rbp, its rbx, and
//! where to jump; the compiler is told that all other registers are lost, and saves
//! those that it needs. So corosensei leaves it, too, and `unwind.rs` relies on it.

use std::arch::asm;
use std::ptr;

/// What is suspended: where its stack ends.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Suspended(*mut u8);

/// What runs on a new stack, to begin with; it never returns. It is told what was said
/// with the first switch to it, and who made that.
pub(crate) type Main = unsafe extern "sysv64" fn(word: u64, from: Suspended) -> !;

impl Suspended {
    /// Nothing: what is here runs, or has ended.
    pub(crate) const NOTHING: Suspended = Suspended(ptr::null_mut());

    /// `main`, about to begin on the stack below `top`.
    ///
    /// # Safety
    /// `top` is a multiple of 16, and the memory below is nobody else's.
    #[inline]
    pub(crate) unsafe fn new(top: usize, main: Main) -> Suspended {
        debug_assert!(top.is_multiple_of(16));
        let end = ptr::with_exposed_provenance_mut::<usize>(top - 16);
        // SAFETY: the caller's promise.
        unsafe {
            end.write(main as usize);
            // In place of its return address: here the stack ends for whoever unwinds.
            end.add(1).write(0);
        }
        Suspended(end.cast())
    }
}

/// Suspends what runs here and goes on with `to`, which is told `word`; comes back when
/// somebody switches here, and returns who that was, and what it said.
///
/// # Safety
/// `to` is suspended, and nobody else goes on with it. What runs here may be switched to
/// once. Nothing unwinds from one stack to the other.
#[inline(always)]
pub(crate) unsafe fn switch(to: Suspended, word: u64) -> (Suspended, u64) {
    let (from, said);
    // SAFETY: pops what it has pushed, once it is switched to; the caller's promise.
    unsafe {
        asm!(
            // The two that the compiler does not let go.
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "xchg rsp, rsi",
            "pop rax",
            "xor ebp, ebp", // a new stack's first frame has none before it
            "jmp rax",
            "2:",
            "pop rbx",
            "pop rbp",
            inlateout("rsi") to.0 => from,
            inlateout("rdi") word => said,
            lateout("r12") _, lateout("r13") _, lateout("r14") _, lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
    (Suspended(from), said)
}

#[cfg(all(test, not(miri), not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[repr(align(16))]
    struct Memory([u8; 256 << 10]);

    fn stack() -> (Box<Memory>, usize) {
        let memory = Box::new(Memory([0; 256 << 10]));
        let top = memory.0.as_ptr_range().end.expose_provenance();
        (memory, top)
    }

    #[inline(never)]
    fn deep(depth: u64, from: &mut Suspended) -> u64 {
        if depth > 0 {
            return deep(depth - 1, from) + 1;
        }
        // SAFETY: by its caller's promise.
        let (back, said) = unsafe { switch(*from, 1000) };
        *from = back;
        said
    }

    /// # Safety
    /// As `Main`: who switched here waits.
    unsafe extern "sysv64" fn adds(mut word: u64, mut from: Suspended) -> ! {
        loop {
            word = deep(word, &mut from);
            // SAFETY: as above.
            let (back, said) = unsafe { switch(from, word) };
            (from, word) = (back, said);
        }
    }

    #[test]
    fn words_and_registers_come_through() {
        let ((_one, one), (_two, two)) = (stack(), stack());
        // SAFETY: memory of our own.
        let mut both = unsafe { [Suspended::new(one, adds), Suspended::new(two, adds)] };
        let mut sum = 0.0_f64;
        for round in 0..1000_u64 {
            for (at, number) in both.iter_mut().zip([3, 40]) {
                let words = [round, number, round ^ number];
                // SAFETY: suspended, and only here.
                unsafe {
                    let said;
                    (*at, said) = switch(*at, number);
                    assert_eq!(said, 1000);
                    let said;
                    (*at, said) = switch(*at, 7);
                    assert_eq!(said, 7 + number);
                }
                assert_eq!(words, [round, number, round ^ number]);
                sum += 0.5;
            }
        }
        assert_eq!(sum, 1000.0);
    }

    /// # Safety
    /// As above.
    unsafe extern "sysv64" fn panics(_: u64, mut from: Suspended) -> ! {
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: who switched here waits.
            let (back, said) = unsafe { switch(from, trace.contains("panics").into()) };
            from = back;
            panic!("told {said}");
        }));
        let text = *caught.unwrap_err().downcast::<String>().unwrap();
        // SAFETY: as above.
        unsafe { switch(from, text.len() as u64) };
        unreachable!("nobody comes back")
    }

    #[test]
    fn panics_and_backtraces_end_where_the_stack_does() {
        let (_memory, top) = stack();
        // SAFETY: memory of our own; it is left suspended for good.
        unsafe {
            let (at, said) = switch(Suspended::new(top, panics), 0);
            assert_eq!(said, 1, "the backtrace shows it");
            let (_, said) = switch(at, 12345);
            assert_eq!(said, "told 12345".len() as u64);
        }
    }
}
