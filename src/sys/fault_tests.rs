//! Tests of `fault`: each fault happens in a child process, and the parent looks at its end.

use super::*;
use crate::sys::reexec::in_child;

/// An address that no program has mapped.
const NOWHERE: usize = 16;

fn say(text: &str) {
    // SAFETY: the bytes are readable; nothing depends on the result.
    unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
}

fn fault() {
    // SAFETY: none; the fault is the purpose, and the process exists only for it.
    unsafe { ptr::without_provenance_mut::<u8>(NOWHERE).write_volatile(1) };
}

/// A report to which no fault belongs.
fn not_ours(fault: &Fault) -> bool {
    say(if fault.address == NOWHERE { "asked;" } else { "asked about elsewhere;" });
    false
}

/// A report to which every fault belongs.
fn ours(_: &Fault) -> bool {
    say("ours;");
    true
}

/// # Safety
/// Called by the kernel as a signal handler.
unsafe extern "C" fn with_info(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel's own structure, passed through.
    let addr = unsafe { (*info).si_addr().addr() };
    if signal == libc::SIGSEGV && addr == NOWHERE && !context.is_null() {
        say("with info;");
    }
    if blocked(libc::SIGUSR1) && blocked(libc::SIGSEGV) {
        say("masked;");
    }
    // SAFETY: ends the child.
    unsafe { libc::_exit(42) };
}

unsafe extern "C" fn plain(signal: libc::c_int) {
    if signal == libc::SIGSEGV && !blocked(libc::SIGSEGV) {
        say("plain, not deferred;");
    }
    // SAFETY: ends the child.
    unsafe { libc::_exit(43) };
}

/// Returns without mending anything, so that a fault repeats.
unsafe extern "C" fn returning(_: libc::c_int) {
    say("called;");
}

fn blocked(signal: libc::c_int) -> bool {
    let mut set = default_action().sa_mask;
    // SAFETY: a null new set only reads the old one.
    unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut set);
        libc::sigismember(&set, signal) == 1
    }
}

/// Puts a handler in place that ours will find.
fn before(handler: usize, flags: libc::c_int, masked: &[libc::c_int]) {
    let mut action = default_action();
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    for signal in masked {
        // SAFETY: the set is initialized.
        unsafe { libc::sigaddset(&mut action.sa_mask, *signal) };
    }
    set_action(libc::SIGSEGV, &action).unwrap();
}

fn send_to_self() {
    // SAFETY: a signal to ourselves.
    unsafe { libc::raise(libc::SIGSEGV) };
    say("alive;");
}

#[test]
fn a_handler_with_info_gets_what_the_kernel_gave() {
    let ended = in_child(&[], || {
        let handler: Handler = with_info;
        before(handler as usize, libc::SA_SIGINFO, &[libc::SIGUSR1]);
        install(not_ours).unwrap();
        fault();
    });
    assert_eq!(ended.code, Some(42), "{ended:?}");
    assert!(ended.stderr.contains("asked;with info;masked;"), "{ended:?}");
}

#[test]
fn a_plain_handler_gets_the_signal_and_may_be_undeferred() {
    let ended = in_child(&[], || {
        let handler: PlainHandler = plain;
        before(handler as usize, libc::SA_NODEFER, &[]);
        install(not_ours).unwrap();
        fault();
    });
    assert_eq!(ended.code, Some(43), "{ended:?}");
    assert!(ended.stderr.contains("asked;plain, not deferred;"), "{ended:?}");
}

#[test]
fn a_handler_for_one_time_is_called_once() {
    let ended = in_child(&[], || {
        let handler: PlainHandler = returning;
        before(handler as usize, libc::SA_RESETHAND, &[]);
        install(not_ours).unwrap();
        fault();
    });
    assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended:?}");
    assert_eq!(ended.stderr.matches("called;").count(), 1, "{ended:?}");
}

#[test]
fn without_a_handler_the_fault_kills() {
    let ended = in_child(&[], || {
        before(libc::SIG_DFL, 0, &[]);
        install(not_ours).unwrap();
        fault();
    });
    assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended:?}");
    assert_eq!(ended.stderr.matches("asked;").count(), 1, "{ended:?}");
}

#[test]
fn nobody_ignores_a_fault() {
    let ended = in_child(&[], || {
        before(libc::SIG_IGN, 0, &[]);
        install(not_ours).unwrap();
        fault();
    });
    assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended:?}");
}

#[test]
fn a_sent_signal_kills_by_default_and_is_not_a_fault() {
    let ended = in_child(&[], || {
        before(libc::SIG_DFL, 0, &[]);
        install(ours).unwrap();
        send_to_self();
    });
    assert_eq!(ended.signal, Some(libc::SIGSEGV), "{ended:?}");
    assert!(!ended.stderr.contains("ours;") && !ended.stderr.contains("alive;"), "{ended:?}");
}

#[test]
fn a_sent_signal_that_was_ignored_still_is() {
    let ended = in_child(&[], || {
        before(libc::SIG_IGN, 0, &[]);
        install(ours).unwrap();
        send_to_self();
    });
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("alive;"), "{ended:?}");
}

#[test]
fn a_fault_that_is_ours_aborts_whatever_handles_sigabrt() {
    let ended = in_child(&[], || {
        let mut handled = default_action();
        let handler: PlainHandler = plain;
        handled.sa_sigaction = handler as usize;
        set_action(libc::SIGABRT, &handled).unwrap();
        install(ours).unwrap();
        install(not_ours).unwrap(); // Changes nothing.
        fault();
    });
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
    assert!(ended.stderr.contains("ours;"), "{ended:?}");
}

fn overflow(depth: usize) -> usize {
    let frame = std::hint::black_box([depth; 64]);
    if depth == 0 { 0 } else { overflow(depth + 1) + frame[depth % 64] }
}

#[test]
fn an_os_thread_that_overflows_is_still_reported_by_std() {
    let ended = in_child(&[], || {
        install(not_ours).unwrap();
        let thread = std::thread::Builder::new().name("deep".into());
        let deep = move || {
            let _alt = ensure_alt_stack().unwrap();
            overflow(1)
        };
        let _ = thread.spawn(deep).unwrap().join();
    });
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
    assert!(ended.stderr.contains("asked about elsewhere;"), "{ended:?}");
    assert!(ended.stderr.contains("thread 'deep'"), "{ended:?}");
    assert!(ended.stderr.contains("has overflowed its stack"), "{ended:?}");
}

#[test]
fn bus_errors_are_asked_about_and_kill_as_before() {
    let ended = in_child(&[], || {
        install(not_ours).unwrap();
        let page = pages::page_size();
        // SAFETY: a mapping of an empty file of our own; reading it is meant to fault.
        unsafe {
            let file = libc::memfd_create(c"empty".as_ptr(), 0);
            let private = libc::MAP_PRIVATE;
            let start = libc::mmap(ptr::null_mut(), page, libc::PROT_READ, private, file, 0);
            assert_ne!(start, libc::MAP_FAILED);
            start.cast::<u8>().read_volatile();
        }
    });
    assert_eq!(ended.signal, Some(libc::SIGBUS), "{ended:?}");
    assert_eq!(ended.stderr.matches("asked about elsewhere;").count(), 1, "{ended:?}");
}

#[test]
fn an_alternate_stack_is_large_guarded_and_undone() {
    let test = || {
        let before = current_alt_stack().unwrap();
        let stack = ensure_alt_stack().unwrap();
        let current = current_alt_stack().unwrap();
        assert_eq!(current.ss_flags, 0);
        assert!(current.ss_size >= ALT_STACK_SIZE.max(min_signal_stack() + HANDLER_ROOM));
        // Large enough now: the second changes nothing, neither made nor dropped.
        drop(ensure_alt_stack().unwrap());
        assert_eq!(current_alt_stack().unwrap().ss_sp, current.ss_sp);
        drop(stack);
        let after = current_alt_stack().unwrap();
        assert_eq!((after.ss_sp, after.ss_flags), (before.ss_sp, before.ss_flags));
    };
    std::thread::spawn(test).join().unwrap();
}

#[test]
fn the_handler_runs_on_the_alternate_stack_with_a_guard_below() {
    let ended = in_child(&[], || {
        let _alt = ensure_alt_stack().unwrap();
        let stack = current_alt_stack().unwrap();
        install(ours).unwrap();
        // SAFETY: none; the byte below the stack is meant to fault.
        unsafe { stack.ss_sp.cast::<u8>().sub(1).write_volatile(1) };
    });
    assert_eq!(ended.signal, Some(libc::SIGABRT), "{ended:?}");
    assert!(ended.stderr.contains("ours;"), "{ended:?}");
}
