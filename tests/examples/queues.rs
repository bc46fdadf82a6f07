//! Queues, pools of threads, and what happens.

use crate::run::{having, number, place, printed};

#[test]
fn queue_work() {
    let said = printed("queue_work", &[]);
    let expected = "\
size 4, empty false, full true
5 does not fit: the queue is full
the queue was full for too long
got 1
and then [2, 3, 4, 5]
and then: the queue is empty
last in, first out: (9, 'c')
by priority: (2, 'b') (3, 'a') (9, 'c')
done: [0, 1, 2, 3, 4]
and the workers have gone home
";
    assert_eq!(said, expected);
}

#[test]
fn use_thread_pool() {
    let said = printed("use_thread_pool", &[]);
    for (name, times) in [("sss", 5), ("lll", 3), ("third", 1)] {
        assert_eq!(having(&said, &format!("work-----------{name}")).len(), times, "{said}");
        place(&said, &format!("{name} worked {times} times"));
    }
    // Two threads: `sss` has five pauses, `lll` and `third` together four.
    let pauses: f64 = number(&said, "took as long as ", "\n");
    assert!(pauses >= 5.0, "{said}");
    let third = place(&said, "work-----------third");
    let before = |name: &str| {
        let line = format!("work-----------{name}");
        said.lines().take(third).filter(|other| *other == line).count()
    };
    assert!(before("sss") == 5 || before("lll") == 3, "the third waited for nobody:\n{said}");

    place(&said, "steps: [111, 0, 118]");
    place(&said, "it failed: invalid digit found in string");
    assert!(place(&said, "---------end-----------") > third);
    place(&said, "offloaded: 178");
}

#[test]
fn handle_events() {
    let said = printed("handle_events", &[]);
    let expected = "\
Click { x: 0, y: 0 }
Click { x: 1, y: 10 }
Click { x: 2, y: 20 }
5 ticks and 3 clicks
";
    assert_eq!(said, expected);
}
