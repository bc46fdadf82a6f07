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

#[test]
fn watchdog() {
    let said = printed("watchdog", &[]);
    let lines: Vec<_> = said.lines().collect();
    let [computes, gives_way, reads, crowd] = lines[..] else { panic!("{said}") };
    assert!(computes.starts_with("the computer computes, in "), "{said}");
    assert!(computes.contains("count_primes"), "{said}");
    assert!(gives_way.starts_with("the impatient gives way all the time, in "), "{said}");
    assert!(gives_way.ends_with("wait_impatiently"), "{said}");
    assert!(reads.starts_with("the reader blocks in read, in "), "{said}");
    assert!(reads.contains("read_natively"), "{said}");
    assert_eq!(crowd, "more than 1000 green threads");
}

#[test]
fn top() {
    let said = printed("top", &["3"]);
    assert!(said.starts_with("frame 1\n"), "{said}");
    // On a busy machine there may be no time to see what each of them waits for.
    let frames = said.split("frame ").skip(2);
    let is_whole = |frame: &&str| having(frame, "to be unparked").len() == 1;
    let frame = frames.clone().find(is_whole).or(frames.last()).expect("three frames");
    let alive: u32 = number(frame, "green threads: ", " alive");
    let waiting: u32 = number(frame, "runnable, ", " waiting");
    // The crowd, the clients and who serves them, the acceptor, the cruncher.
    assert_eq!(alive, 1000 + 2 * 40 + 2, "{said}");
    assert!((1000..=alive).contains(&waiting), "{said}");
    let [crowd] = having(frame, "to be unparked")[..] else { panic!("{said}") };
    assert!(crowd.trim().starts_with("1000 ") && crowd.contains(" waits "), "{said}");
    let reads = having(frame, "to read from descriptor");
    assert!(!reads.is_empty(), "{said}");
    // Each worker has its row: number, share, and rates.
    let rows = having(frame, "% ");
    let workers = frame.lines().skip_while(|line| !line.contains("BUSY")).skip(1);
    assert_eq!(rows.len(), workers.take_while(|line| !line.is_empty()).count(), "{said}");
    assert!(!rows.is_empty() && rows.iter().all(|row| row.split_whitespace().count() == 8));
    assert!(!said.contains('\x1b'), "without a terminal it writes plain text: {said}");
}
