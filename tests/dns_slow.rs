//! Lookups that take long, by a resolver of our own in front of libc's, do not
//! hold up the worker.

mod common;

use common::{in_child, until};
use greenroom::spawn;
use std::net::ToSocketAddrs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// How long each lookup takes.
const TAKES: Duration = Duration::from_secs(1);

fn mode() -> String {
    std::env::var("GREENROOM_THREAD_LOCALS").unwrap_or_default()
}

/// Builds the resolver; its path.
fn resolver(name: &str) -> String {
    // Both modes may be tested at a time.
    let to = format!("{}/{name}-{}.so", env!("CARGO_TARGET_TMPDIR"), mode());
    let from = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/dns/slow.c");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o", &to, from, "-ldl"]).status();
    assert!(built.unwrap().success());
    to
}

fn look_up() -> String {
    let found: Vec<_> = ("slow.test", 80).to_socket_addrs().unwrap().collect();
    format!("{found:?}")
}

/// Many at once take as long as one, while others run.
#[test]
fn lookups_wait_together() {
    let path = resolver("together");
    in_child(&[("LD_PRELOAD", &path), ("GREENROOM_WORKERS", "1")], || {
        static TURNS: AtomicUsize = AtomicUsize::new(0);
        greenroom::patch_all().unwrap();
        let start = Instant::now();
        let lookups: Vec<_> = (0..50).map(|_| spawn(look_up)).collect();
        let turns = spawn(|| {
            while TURNS.fetch_add(1, SeqCst) < 20 {
                greenroom::sleep(Duration::from_millis(1));
            }
        });
        until(|| turns.is_finished());
        assert!(lookups.iter().any(|lookup| !lookup.is_finished()));
        for lookup in lookups {
            assert_eq!(lookup.join().unwrap(), "[10.1.2.3:80]");
        }
        let took = start.elapsed();
        assert!((TAKES..TAKES * 10).contains(&took), "{took:?}, of 50 s one after the other");
    })
    .assert_success();
}

/// More lookups than threads: the others wait their turn, and no worker for them.
#[test]
fn a_saturated_pool_is_waited_for() {
    let path = resolver("saturated");
    let two = [("LD_PRELOAD", &*path), ("GREENROOM_OFFLOAD_THREADS", "2")];
    in_child(&[two[0], two[1], ("GREENROOM_WORKERS", "1")], || {
        greenroom::patch_all().unwrap();
        let start = Instant::now();
        let lookups: Vec<_> = (0..6).map(|_| spawn(look_up)).collect();
        spawn(|| greenroom::sleep(TAKES / 10)).join().unwrap();
        assert!(lookups.iter().all(|lookup| !lookup.is_finished()));
        assert!(lookups.into_iter().all(|lookup| lookup.join().unwrap() == "[10.1.2.3:80]"));
        assert!(start.elapsed() >= TAKES * 3);
    })
    .assert_success();
}

/// Those with an answer in common storage, too.
#[test]
fn hosts_wait_together() {
    let path = resolver("hosts");
    in_child(&[("LD_PRELOAD", &path), ("GREENROOM_WORKERS", "1")], || {
        unsafe extern "C" {
            fn gethostbyname(name: *const libc::c_char) -> *const libc::hostent;
        }
        greenroom::patch_all().unwrap();
        let start = Instant::now();
        let look_up = |n: u8| {
            spawn(move || {
                let name = std::ffi::CString::new(format!("10.0.0.{n}")).unwrap();
                // SAFETY: a C string; the answer is this green thread's own.
                unsafe {
                    let found = gethostbyname(name.as_ptr());
                    greenroom::sleep(Duration::from_millis(10));
                    assert_eq!((*found).h_length, 4);
                    **(*found).h_addr_list.cast::<*const [u8; 4]>()
                }
            })
        };
        for (n, lookup) in (0..50).map(|n| (n, look_up(n))).collect::<Vec<_>>() {
            assert_eq!(lookup.join().unwrap(), [10, 0, 0, n]);
        }
        assert!(start.elapsed() < TAKES * 10);
    })
    .assert_success();
}
