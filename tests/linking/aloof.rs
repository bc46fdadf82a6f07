//! Uses greenroom and never names `patch_all`: its shims may be linked, all or
//! some, and must not be felt.

use std::thread;
use std::time::{Duration, Instant};

mod plain;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("plain") => {
            assert!(greenroom::current().is_none());
            print!("{}", plain::report());
        }
        Some("unpatched") => unpatched(),
        other => panic!("what is {other:?}?"),
    }
}

/// Without the patch, std's sleep holds up the only worker: this is what
/// shows that the patch is what makes the difference in `probe`.
fn unpatched() {
    let config = greenroom::Config::new().workers(1);
    config.install().expect("nothing has started yet");
    let start = Instant::now();
    let nap = Duration::from_millis(40);
    let naps = (0..10).map(|_| greenroom::spawn(move || thread::sleep(nap)));
    for result in greenroom::joinall(naps.collect::<Vec<_>>()) {
        result.expect("a nap");
    }
    let elapsed = start.elapsed();
    assert!(elapsed >= 10 * nap, "slept {elapsed:?}: patched after all?");
    generators();
    println!("unpatched ok");
}

/// They have to hear of each thread's end, also where nothing is patched.
fn generators() {
    let counts = || {
        let three = greenroom::generator::Builder::new();
        let three = three.generator(|co, ()| (0..3).for_each(|n| co.yield_(n)));
        three.expect("a generator").count()
    };
    assert_eq!(counts(), 3);
    assert_eq!(thread::spawn(counts).join().expect("no panic"), 3);
    assert_eq!(greenroom::spawn(counts).join().expect("no panic"), 3);
}
