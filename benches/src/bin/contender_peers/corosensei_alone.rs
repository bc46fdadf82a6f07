//! The coroutines that greenroom is made of, without any runtime: the limit for
//! a switch and for a start.

use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use greenroom_bench::protocol::{Outcome, Program, Task};
use greenroom_bench::work::scaled;

pub(super) fn program(task: &Task) -> Outcome<Program> {
    let number = task.number;
    Ok(match task.workload.as_str() {
        "yield" => Program::Counted(Box::new(move |n| yields(number, n))),
        "spawn" => Program::Counted(Box::new(starts)),
        _ => return task.unknown(),
    })
}

/// So many coroutines take turns.
fn yields(tasks: u64, n: u64) -> Duration {
    let each = n.div_ceil(tasks);
    let turns = |_| Coroutine::new(move |y, ()| (0..each).for_each(|_| y.suspend(())));
    let mut coroutines: Vec<Coroutine<(), (), ()>> = (0..tasks).map(turns).collect();
    let start = Instant::now();
    for _ in 0..=each {
        for coroutine in &mut coroutines {
            coroutine.resume(());
        }
    }
    let took = start.elapsed();
    assert!(coroutines.iter().all(Coroutine::done));
    scaled(took, n, each * tasks)
}

/// Each on the stack that the one before has left.
fn starts(n: u64) -> Duration {
    let mut stack = DefaultStack::default();
    let start = Instant::now();
    for _ in 0..n {
        let mut coroutine = Coroutine::<(), (), (), _>::with_stack(stack, |_, ()| ());
        assert!(matches!(coroutine.resume(()), CoroutineResult::Return(())));
        stack = coroutine.into_stack();
    }
    start.elapsed()
}
