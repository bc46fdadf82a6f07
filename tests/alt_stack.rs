//! `sigaltstack` on a worker, which answers by itself until somebody sets another stack;
//! then it forgets for good. So each test is a process.

mod common;

use common::in_child;
use greenroom::{Config, ThreadLocals, patch_all};
use libc::{c_int, stack_t};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// What the kernel says, asked by nobody's function.
fn by_the_kernel() -> stack_t {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: an out pointer.
    unsafe {
        let asked = libc::syscall(libc::SYS_sigaltstack, ptr::null::<stack_t>(), &mut stack);
        assert_eq!(asked, 0);
        stack.assume_init()
    }
}

fn alt_stack() -> stack_t {
    let mut stack = MaybeUninit::uninit();
    // SAFETY: an out pointer.
    unsafe {
        assert_eq!(libc::sigaltstack(ptr::null(), stack.as_mut_ptr()), 0);
        stack.assume_init()
    }
}

fn parts(stack: stack_t) -> (usize, c_int, usize) {
    (stack.ss_sp.addr(), stack.ss_flags, stack.ss_size)
}

#[track_caller]
fn agrees() {
    assert_eq!(parts(alt_stack()), parts(by_the_kernel()));
}

/// Not the size of a worker's own.
const ROOM: usize = 3 << 15;

/// Another one, for ever.
fn other() -> stack_t {
    let room = vec![0_u8; ROOM].leak();
    stack_t { ss_sp: room.as_mut_ptr().cast(), ss_flags: 0, ss_size: room.len() }
}

/// On a `std::thread` that is green, and whose worker still has what it began with.
fn patched(f: fn()) {
    Config::new().workers(1).thread_locals(ThreadLocals::Own).install().unwrap();
    patch_all().unwrap();
    let green = move || {
        assert!(greenroom::current().is_some());
        agrees();
        assert_eq!(alt_stack().ss_flags, 0, "a worker has one");
        f();
        agrees();
    };
    thread::spawn(green).join().unwrap();
}

/// Behind the patch's back, so that `handler` counts as the green thread, as that of another
/// language's runtime does.
fn install(handler: extern "C" fn(c_int), flags: c_int) {
    /// As the kernel has it.
    #[repr(C)]
    struct Action {
        handler: usize,
        flags: u64,
        restorer: usize,
        mask: u64,
    }
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    let mut raw = MaybeUninit::<Action>::uninit();
    // SAFETY: zeroes are an empty mask; a handler that makes few calls, and is safe there.
    unsafe {
        action.assume_init_mut().sa_sigaction = handler as *const () as usize;
        action.assume_init_mut().sa_flags = flags;
        assert_eq!(libc::sigaction(libc::SIGUSR2, action.as_ptr(), ptr::null_mut()), 0);
        let (call, none) = (libc::SYS_rt_sigaction, ptr::null_mut::<Action>());
        assert_eq!(libc::syscall(call, libc::SIGUSR2, none, raw.as_mut_ptr(), 8), 0);
        raw.assume_init_mut().handler = handler as *const () as usize;
        assert_eq!(libc::syscall(call, libc::SIGUSR2, raw.as_ptr(), none, 8), 0);
    }
}

static SEEN: AtomicUsize = AtomicUsize::new(99);

#[test]
fn a_handler_on_it_sees_that_it_is_in_use() {
    extern "C" fn looks(_: c_int) {
        SEEN.store(alt_stack().ss_flags as usize, SeqCst);
    }
    let deed = || {
        install(looks, libc::SA_ONSTACK);
        // SAFETY: raises a signal that has a handler.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
        assert_eq!(SEEN.load(SeqCst), libc::SS_ONSTACK as usize);
    };
    in_child(&[], || patched(deed)).assert_success();
}

#[test]
fn what_is_set_is_what_it_is() {
    let deed = || {
        let other = other();
        for stack in [other, stack_t { ss_flags: libc::SS_DISABLE, ..other }, other] {
            let (was, mut replaced) = (alt_stack(), MaybeUninit::uninit());
            // SAFETY: large enough, and there for ever.
            unsafe {
                assert_eq!(libc::sigaltstack(&stack, replaced.as_mut_ptr()), 0);
                assert_eq!(parts(replaced.assume_init()), parts(was));
            }
            agrees();
            assert_eq!(alt_stack().ss_flags, stack.ss_flags);
        }
        let small = stack_t { ss_size: 1, ..other };
        // SAFETY: refused.
        assert_eq!(unsafe { libc::sigaltstack(&small, ptr::null_mut()) }, -1);
        assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(libc::ENOMEM));
    };
    in_child(&[], || patched(deed)).assert_success();
}

#[test]
fn what_is_set_by_syscall_is_what_it_is() {
    let deed = || {
        let (other, none) = (other(), ptr::null_mut::<stack_t>());
        // SAFETY: large enough, and there for ever.
        assert_eq!(unsafe { libc::syscall(libc::SYS_sigaltstack, &other, none) }, 0);
        assert_eq!(parts(alt_stack()), parts(other));
    };
    in_child(&[], || patched(deed)).assert_success();
}

/// The kernel takes its own back when the handler returns.
#[test]
fn what_a_handler_sets_ends_with_it() {
    extern "C" fn sets(_: c_int) {
        // SAFETY: large enough, and there for ever.
        assert_eq!(unsafe { libc::sigaltstack(&other(), ptr::null_mut()) }, 0);
        SEEN.store(alt_stack().ss_size, SeqCst);
    }
    let deed = || {
        let before = alt_stack();
        install(sets, 0);
        // SAFETY: raises a signal that has a handler.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR2) }, 0);
        assert_eq!(SEEN.load(SeqCst), ROOM);
        assert_eq!(parts(alt_stack()), parts(before));
    };
    in_child(&[], || patched(deed)).assert_success();
}
