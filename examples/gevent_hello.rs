//! gevent's hello: two green threads take turns wherever one waits (seed 000: 七、协程, gevent).
//!
//! ```sh
//! cargo run --example gevent_hello
//! ```

use std::error::Error;
use std::time::Duration;

use greenroom::{Config, JoinError, joinall, sleep, spawn};

const PAUSE: Duration = Duration::from_millis(500);

fn foo(say: fn(&'static str)) {
    say("running foo");
    sleep(PAUSE);
    say("switch to foo");
}

fn bar(say: fn(&'static str)) {
    say("running bar");
    sleep(PAUSE);
    say("switch to bar");
}

fn hello(say: fn(&'static str)) -> Result<(), JoinError> {
    joinall([spawn(move || foo(say)), spawn(move || bar(say))]).into_iter().collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    // One worker, as in gevent: the two can only ever run in turns.
    Config::new().workers(1).install()?;
    hello(|line| println!("{line}"))?;
    Ok(())
}

#[test]
fn foo_and_bar_take_turns() {
    use std::sync::Mutex;
    use std::time::Instant;

    static HEARD: Mutex<Vec<&str>> = Mutex::new(Vec::new());

    Config::new().workers(1).install().unwrap();
    // A machine with more to do may hold one round up.
    let waited_together = (0..5).any(|_| {
        let start = Instant::now();
        hello(|line| HEARD.lock().unwrap().push(line)).unwrap();
        let took = start.elapsed();

        let heard = std::mem::take(&mut *HEARD.lock().unwrap());
        assert_eq!(heard, ["running foo", "running bar", "switch to foo", "switch to bar"]);
        assert!(took >= PAUSE, "slept too short: {took:?}");
        took < 2 * PAUSE
    });
    assert!(waited_together, "they waited one after the other");
}
