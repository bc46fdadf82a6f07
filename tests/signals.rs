//! Handlers of signals: they block where they would park elsewhere, and what
//! asks for them is told the truth.

use greenroom::{Config, yield_now};
use std::mem::zeroed;
use std::os::fd::AsRawFd;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

/// Calls of C that cannot fail here.
macro_rules! c {
    ($call:expr) => {
        // SAFETY: valid arguments.
        unsafe { $call }
    };
}

/// One worker, all patched, and no other test meanwhile.
fn ready() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Config::new().workers(1).install().unwrap();
        greenroom::patch_all().unwrap();
    });
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn install(signal: i32, handler: usize, flags: i32) -> libc::sigaction {
    // SAFETY: plain data; handlers that only do what is allowed there.
    unsafe {
        let (mut new, mut old): (libc::sigaction, libc::sigaction) = (zeroed(), zeroed());
        new.sa_sigaction = handler;
        new.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &new, &mut old), 0);
        old
    }
}

fn installed(signal: i32) -> libc::sigaction {
    // SAFETY: asks only.
    unsafe {
        let mut old = zeroed();
        assert_eq!(libc::sigaction(signal, null(), &mut old), 0);
        old
    }
}

static TURNS: AtomicU64 = AtomicU64::new(0);
static MEANWHILE: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sleeps, and waits for a socket: both would let others run.
extern "C" fn dawdle(_: i32) {
    let before = TURNS.load(SeqCst);
    c!(libc::usleep(20_000));
    let nobody = libc::timeval { tv_sec: 0, tv_usec: 20_000 };
    let mut pair = [0; 2];
    c!(libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()));
    let (option, size) = ((&raw const nobody).cast(), size_of::<libc::timeval>() as u32);
    c!(libc::setsockopt(pair[0], libc::SOL_SOCKET, libc::SO_RCVTIMEO, option, size));
    let mut byte = 0_u8;
    c!(libc::read(pair[0], (&raw mut byte).cast(), 1));
    let _ = pair.map(|fd| c!(libc::close(fd)));
    MEANWHILE.store(TURNS.load(SeqCst) - before, SeqCst);
}

#[test]
fn a_handler_never_parks() {
    let _alone = ready();
    install(libc::SIGUSR1, dawdle as *const () as usize, libc::SA_RESTART);
    static STOP: AtomicBool = AtomicBool::new(false);
    let other = greenroom::spawn(|| {
        while !STOP.load(SeqCst) {
            TURNS.fetch_add(1, SeqCst);
            yield_now();
        }
    });
    let interrupted = greenroom::spawn(|| {
        while TURNS.load(SeqCst) == 0 {
            yield_now();
        }
        c!(libc::raise(libc::SIGUSR1));
        let turns = TURNS.load(SeqCst);
        std::thread::sleep(Duration::from_millis(1));
        TURNS.load(SeqCst) - turns
    });
    let parked = interrupted.join().unwrap();
    STOP.store(true, SeqCst);
    other.join().unwrap();
    assert_eq!(MEANWHILE.load(SeqCst), 0, "others ran while the handler did");
    assert_ne!(parked, 0, "after the handler, calls park again");
}

static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn plain(signal: i32) {
    SEEN.fetch_add(signal as u64, SeqCst);
}

extern "C" fn informed(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    assert!(!context.is_null());
    // SAFETY: the kernel's.
    SEEN.fetch_add((signal + unsafe { (*info).si_signo }) as u64, SeqCst);
}

#[test]
fn who_asks_is_told_of_his_own() {
    let _alone = ready();
    let signal = libc::SIGUSR2;
    let (plain, informed) = (plain as *const () as usize, informed as *const () as usize);
    install(signal, libc::SIG_DFL, 0);
    assert_eq!(install(signal, plain, libc::SA_RESTART).sa_sigaction, libc::SIG_DFL);
    assert_eq!(installed(signal).sa_sigaction, plain);
    assert_eq!(installed(signal).sa_flags & libc::SA_RESTART, libc::SA_RESTART);
    c!(libc::raise(signal));
    assert_eq!(SEEN.swap(0, SeqCst), signal as u64);

    assert_eq!(install(signal, informed, libc::SA_SIGINFO).sa_sigaction, plain);
    c!(libc::raise(signal));
    assert_eq!(SEEN.swap(0, SeqCst), 2 * signal as u64);

    assert_eq!(c!(libc::signal(signal, plain)), informed);
    assert_eq!(installed(signal).sa_sigaction, plain);
    assert_eq!(c!(libc::signal(signal, libc::SIG_IGN)), plain);
    assert_eq!(installed(signal).sa_sigaction, libc::SIG_IGN);
    c!(libc::raise(signal));
    assert_eq!(SEEN.load(SeqCst), 0);
    assert_eq!(c!(libc::signal(signal, libc::SIG_DFL)), libc::SIG_IGN);
}

#[test]
fn a_handler_for_one_time() {
    let _alone = ready();
    let signal = libc::SIGUSR2;
    install(signal, plain as *const () as usize, libc::SA_RESETHAND);
    c!(libc::raise(signal));
    assert_eq!(SEEN.swap(0, SeqCst), signal as u64);
    assert_eq!(installed(signal).sa_sigaction, libc::SIG_DFL);
}

#[test]
fn what_cannot_be_handled() {
    let _alone = ready();
    let refused = |signal| {
        // SAFETY: refused before anything is installed.
        let result = unsafe {
            let mut action: libc::sigaction = zeroed();
            action.sa_sigaction = plain as *const () as usize;
            libc::sigaction(signal, &action, null_mut())
        };
        let errno = std::io::Error::last_os_error().raw_os_error();
        let other = c!(libc::signal(signal, plain as *const () as usize));
        (result, errno) == (-1, Some(libc::EINVAL)) && other == libc::SIG_ERR
    };
    for signal in [libc::SIGKILL, libc::SIGSTOP, 0, -1, 65, i32::MAX] {
        assert!(refused(signal), "{signal}");
    }
}

/// A call that waits in the kernel, on an OS thread, is interrupted as ever.
#[test]
fn interrupted_as_by_the_kernel() {
    let _alone = ready();
    install(libc::SIGUSR2, plain as *const () as usize, 0);
    let waits = || {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = a.as_raw_fd();
        let me = c!(libc::pthread_self());
        let done = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                while !done.load(SeqCst) {
                    c!(libc::pthread_kill(me, libc::SIGUSR2));
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let mut byte = 0_u8;
            let result = c!(libc::read(fd, (&raw mut byte).cast(), 1));
            let errno = std::io::Error::last_os_error().raw_os_error();
            done.store(true, SeqCst);
            (result, errno)
        })
    };
    use greenroom::patch::native;
    let (result, errno) = native(|| std::thread::spawn(move || native(waits))).join().unwrap();
    assert_eq!((result, errno), (-1, Some(libc::EINTR)));
    SEEN.store(0, SeqCst);
}

/// A signalfd is read as a pipe is: others run meanwhile.
#[test]
fn reading_a_signalfd() {
    let _alone = ready();
    let waits = || {
        // SAFETY: a set of one signal; buffers of that length.
        unsafe {
            let mut set = zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGURG);
            assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &set, null_mut()), 0);
            let fd = libc::signalfd(-1, &set, libc::SFD_CLOEXEC);
            let other = greenroom::spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                let (me, worker) = (libc::getpid(), libc::syscall(libc::SYS_gettid));
                assert_eq!(libc::syscall(libc::SYS_tgkill, me, worker, libc::SIGURG), 0);
            });
            let mut info: libc::signalfd_siginfo = zeroed();
            let size = size_of::<libc::signalfd_siginfo>();
            let read = libc::read(fd, (&raw mut info).cast(), size);
            other.join().unwrap();
            libc::close(fd);
            assert_eq!(libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, null_mut()), 0);
            (read, info.ssi_signo)
        }
    };
    let size = size_of::<libc::signalfd_siginfo>() as isize;
    let reader = greenroom::spawn(waits);
    let limit = Duration::from_secs(60);
    let read = reader.join_timeout(limit).expect("it was woken").unwrap();
    assert_eq!(read, (size, libc::SIGURG as u32));
}
