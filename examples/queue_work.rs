//! Hand work over in a queue: first, last or smallest first (seed 001: 队列).
//!
//! Nothing is patched: these queues work on green threads and on plain ones.
//!
//! ```sh
//! cargo run --example queue_work
//! ```

use std::error::Error;
use std::time::Duration;

use greenroom::queue::{LifoQueue, PriorityQueue, PutError, Queue};
use greenroom::{sleep, spawn};

fn first_in_first_out() -> Result<(), Box<dyn Error>> {
    let q = Queue::bounded(4);
    for n in 1..=4 {
        q.put(n)?; // would wait if it were full
    }
    println!("size {}, empty {}, full {}", q.len(), q.is_empty(), q.is_full());
    // What does not fit comes back in the error.
    if let Err(error @ PutError::Full(n)) = q.try_put(5) {
        println!("{n} does not fit: {error}");
    }
    if let Err(error) = q.put_timeout(6, Duration::from_millis(20)) {
        println!("{error}");
    }
    println!("got {}", q.get()?);
    q.put(5)?;
    let rest = std::iter::from_fn(|| q.try_get().ok()).collect::<Vec<_>>();
    println!("and then {rest:?}");
    match q.try_get() {
        Ok(n) => println!("where does {n} come from?"),
        Err(error) => println!("and then: {error}"),
    }
    Ok(())
}

fn other_orders() -> Result<(), Box<dyn Error>> {
    let stack = LifoQueue::new();
    let urgent = PriorityQueue::new();
    for task in [(3, 'a'), (2, 'b'), (9, 'c')] {
        stack.put(task)?;
        urgent.put(task)?; // the smallest first, by the first field and then the next
    }
    println!("last in, first out: {:?}", stack.get()?);
    println!("by priority: {:?} {:?} {:?}", urgent.get()?, urgent.get()?, urgent.get()?);
    Ok(())
}

/// Anything can be an item: here, what is to be done.
type Task = Box<dyn FnOnce() + Send>;

fn until_all_is_done() -> Result<(), Box<dyn Error>> {
    let tasks = Queue::<Task>::new();
    let done = Queue::new();
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let tasks = tasks.clone(); // another handle to the same queue
            spawn(move || {
                // Ends when the queue is shut down and empty.
                for task in tasks.clone() {
                    task();
                    tasks.task_done();
                }
            })
        })
        .collect();
    for n in 0..5 {
        let done = done.clone();
        tasks.put(Box::new(move || {
            sleep(Duration::from_millis(10));
            done.put(n).expect("it is open");
        }))?;
    }
    tasks.join(); // until each that was put is also done
    let mut all: Vec<i32> = std::iter::from_fn(|| done.try_get().ok()).collect();
    all.sort_unstable();
    println!("done: {all:?}");

    tasks.shutdown(false);
    greenroom::joinall(workers).into_iter().collect::<Result<Vec<()>, _>>()?;
    println!("and the workers have gone home");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    first_in_first_out()?;
    other_orders()?;
    until_all_is_done()
}
