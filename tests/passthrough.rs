//! What is not patched passes through: other families, OS threads, and all of
//! it before the patch. What is asked for too late is refused.

#[macro_use]
mod common_net;

use common_net::c::{self, AGAIN};
use common_net::{alone, done, green, ms, os, settle, tcp_pair, timed};
use greenroom::patch::{Family, Patch, is_patched};
use greenroom::{Config, PatchError};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;

/// Only sleeping, on one worker.
fn sleep_only() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Config::new().workers(1).install().unwrap();
        assert!(!is_patched(Family::Sleep));
        Patch::none().apply().unwrap();
        assert!(!is_patched(Family::Sleep) && !is_patched(Family::Socket));
        Patch::none().sleep(true).apply().unwrap();
        assert!(is_patched(Family::Sleep) && !is_patched(Family::Socket));
        common_net::watch();
    });
}

#[test]
fn only_what_was_chosen_parks() {
    sleep_only();
    let _alone = alone();
    let naps = (0..10).map(|_| greenroom::spawn(|| thread::sleep(ms(400))));
    let naps: Vec<_> = naps.collect();
    let (took, _) = timed(|| common_net::all_done(naps));
    assert!(took < ms(3500), "{took:?}");
    // A read blocks the one worker: nobody runs until there is something.
    static TURNS: AtomicU32 = AtomicU32::new(0);
    let (mut here, mut there) = tcp_pair();
    let reader = greenroom::spawn(move || {
        let n = here.read(&mut [0; 8]).unwrap();
        (n, TURNS.load(SeqCst))
    });
    settle();
    let other = greenroom::spawn(|| TURNS.fetch_add(1, SeqCst));
    settle();
    assert!(!other.is_finished());
    there.write_all(b"abc").unwrap();
    assert_eq!(done(reader), (3, 0));
    done(other);
}

#[test]
fn a_listener_is_left_alone() {
    sleep_only();
    let _alone = alone();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fd = listener.as_raw_fd();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    drop(green(move || listener.accept().map(|_| listener)).unwrap());
    drop(client);
    let fresh = TcpListener::bind("127.0.0.1:0").unwrap();
    c::set_timeouts(fresh.as_raw_fd(), 20);
    let fresh_fd = fresh.as_raw_fd();
    assert_eq!(green(move || c::accept(fresh_fd)), AGAIN);
    let status = c!(libc::syscall(libc::SYS_fcntl, fresh_fd, libc::F_GETFL));
    assert_eq!(status as i32 & libc::O_NONBLOCK, 0);
    assert!(fd > 0);
}

#[test]
fn too_late_is_an_error_and_again_is_not() {
    sleep_only();
    let line = line!() + 1;
    greenroom::spawn(|| ()).join().unwrap();
    match greenroom::patch_all() {
        Err(PatchError::TooLate { started_by }) => {
            // Another test may have been first.
            assert!(started_by.file().ends_with(".rs"), "{started_by} or line {line}");
        }
        other => panic!("{other:?}"),
    }
    let text = greenroom::patch_all().unwrap_err().to_string();
    assert!(text.contains("too late") && text.contains("patch_all first"), "{text}");
    Patch::none().sleep(true).apply().unwrap();
    Patch::none().apply().unwrap();
    assert!(Patch::none().socket(true).apply().is_err());
    assert!(!is_patched(Family::Socket));
}

#[test]
fn os_threads_sleep_and_time_out_as_ever() {
    sleep_only();
    let _alone = alone();
    let (took, ()) = timed(|| os(|| thread::sleep(ms(30))));
    assert!((ms(30)..ms(5000)).contains(&took), "{took:?}");
    let (here, _there) = tcp_pair();
    here.set_read_timeout(Some(ms(30))).unwrap();
    let (took, n) = timed(|| c::read(here.as_raw_fd(), &mut [0; 4]));
    assert!(n == AGAIN && (ms(28)..ms(5000)).contains(&took), "{n} {took:?}");
}
