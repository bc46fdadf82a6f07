//! Hand values to a generator and take its answers: Python's `send` (seed 002: 协程, consumer and produce).
//!
//! ```sh
//! cargo run --example generator
//! ```

use greenroom::Generator;

type Consumer = Generator<Option<u32>, &'static str, ()>;

fn consumer(say: fn(String)) -> Consumer {
    Generator::new(move |co, _first| {
        let mut reply = "";
        while let Some(n) = co.yield_(reply) {
            say(format!("[CONSUMER] Consuming {n}..."));
            reply = "200 OK";
        }
    })
}

fn produce(mut consumer: Consumer, say: fn(String)) {
    consumer.resume(None); // up to its first `yield_`
    for n in 1..=5 {
        say(format!("[PRODUCER] Producing {n}..."));
        let reply = consumer.resume(Some(n)).yielded().unwrap_or("nothing");
        say(format!("[PRODUCER] Consumer return: {reply}"));
    }
} // dropped on its way, it unwinds

fn main() {
    produce(consumer(|line| println!("{line}")), |line| println!("{line}"));
}

#[test]
fn they_take_turns() {
    use std::cell::RefCell;

    thread_local!(static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });
    let hear = |line| HEARD.with_borrow_mut(|heard| heard.push(line));

    produce(consumer(hear), hear);
    let expected = (1..=5).flat_map(|n| {
        [
            format!("[PRODUCER] Producing {n}..."),
            format!("[CONSUMER] Consuming {n}..."),
            "[PRODUCER] Consumer return: 200 OK".to_owned(),
        ]
    });
    assert_eq!(HEARD.take(), expected.collect::<Vec<_>>());
}
