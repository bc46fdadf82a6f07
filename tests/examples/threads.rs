//! Threads, and what they share.

use crate::run::{having, number, place, printed};

#[test]
fn start_threads() {
    let said = printed("start_threads", &[]);
    let first: Vec<_> = said.lines().take(9).collect();
    let mut expected = vec!["thread main is running...", "thread LoopThread is running..."];
    expected.extend([
        "thread LoopThread >>> 1",
        "thread LoopThread >>> 2",
        "thread LoopThread >>> 3",
        "thread LoopThread >>> 4",
        "thread LoopThread >>> 5",
    ]);
    expected.extend(["thread LoopThread ended.", "thread main ended."]);
    assert_eq!(first, expected);

    place(&said, "the threads do their work, and main goes on");
    let joined = place(&said, "after join both have ended");
    for (line, times) in [("work1-----------ran", 5), ("work2-----------could", 3)] {
        let before = said.lines().take(joined).filter(|other| *other == line).count();
        assert_eq!((before, having(&said, line).len()), (times, times), "{said}");
    }

    let urls: Vec<u32> = (0..100).collect();
    place(&said, &format!("requested {urls:?}"));
    let took: f64 = number(&said, "took ", " s");
    assert!((0.1..8.0).contains(&took), "{took} s for a hundred pauses of 0.1 s");
}

#[test]
fn share_a_balance() {
    let said = printed("share_a_balance", &[]);
    place(&said, "with a lock: 0");
    place(&said, "counted to 10000000");
    assert_eq!(having(&said, "without a lock").len(), 1, "{said}");
}

#[test]
fn lock_again() {
    let said = printed("lock_again", &[]);
    assert_eq!(said, "every total was 100: true\nin the end the accounts hold 0 and 100\n");
}

#[test]
fn wait_for_event() {
    let said = printed("wait_for_event", &[]);
    let expected = "\
worker 1 waits, the event is false
worker 2 waits, the event is false
worker 3 waits, the event is false
boss: we work until ten
is it ten yet? false
boss: it is ten
worker 1 goes home, the event is true
worker 2 goes home, the event is true
worker 3 goes home, the event is true
the next morning the event is false
and somebody who waits has gone: false
";
    assert_eq!(said, expected);
}

#[test]
fn wait_for_condition() {
    let said = printed("wait_for_condition", &[]);
    assert_eq!(said, "40 buns eaten, each once: true\nnever more than 5 in the basket: true\n");
}

#[test]
fn set_a_timer() {
    let said = printed("set_a_timer", &[]);
    place(&said, "the timer runs, and main goes on");
    assert_eq!(having(&said, "tick"), ["tick 1", "tick 2", "tick 3"]);
    place(&said, "hello, world");
    let late: f64 = number(&said, "it came after ", " s");
    assert!(late >= 0.2, "{said}");
    place(&said, "enough of waiting");
    place(&said, "cancelled: true");
    place(&said, "so it gave None");
    // What was cancelled said nothing.
    assert_eq!(having(&said, "hello").len(), 1, "{said}");
    place(&said, "ten thousand timers gave 49995000");
}

#[test]
fn run_async() {
    let said = printed("run_async", &[]);
    let expected = "\
Hello world! (main)
Hello again! (main)
Hello world! (main)
Hello world! (main)
Hello again! (main)
Hello again! (main)
";
    assert!(said.starts_with(expected), "{said}");
    let lines = |name: &str| {
        let numbers = having(&said, name).into_iter();
        numbers.map(|line| number(line, "------", "----")).collect::<Vec<u32>>()
    };
    assert_eq!(lines("--work1--"), [0, 1, 2]);
    assert_eq!(lines("--work2--"), [0, 1, 2, 3, 4]);
    // Neither waits for the other's end.
    assert!(place(&said, "--work2------0-----------") < place(&said, "--work1------2-----------"));
    assert!(said.ends_with("both are done\n"), "{said}");
}
