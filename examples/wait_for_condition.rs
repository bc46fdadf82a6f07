//! Wait until shared data is as one needs it: Condition (seed 004: 锁, and the page it links to).
//!
//! Cooks fill a basket with room for five, eaters empty it. Who finds it full,
//! or empty, waits until somebody says that it has changed. Plain `std::sync`.
//!
//! ```sh
//! cargo run --example wait_for_condition
//! ```

use std::error::Error;
use std::sync::{Condvar, Mutex};
use std::thread;

const ROOM: usize = 5;
const EACH: usize = 20;

#[derive(Default)]
struct Basket {
    buns: Mutex<Vec<usize>>,
    changed: Condvar,
}

impl Basket {
    fn put(&self, bun: usize) {
        let buns = self.buns.lock().unwrap();
        // Waiting gives up the lock meanwhile, and has it again afterwards.
        let mut buns = self.changed.wait_while(buns, |buns| buns.len() == ROOM).unwrap();
        buns.push(bun);
        self.changed.notify_all();
    }

    /// A bun, and how many there were.
    fn take(&self) -> (usize, usize) {
        let buns = self.buns.lock().unwrap();
        let mut buns = self.changed.wait_while(buns, |buns| buns.is_empty()).unwrap();
        let there = buns.len();
        self.changed.notify_all();
        (buns.remove(0), there)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let basket = Basket::default();
    let eat = || (0..EACH).map(|_| basket.take()).collect::<Vec<_>>();
    let cook = |first: usize| (first..first + EACH).for_each(|bun| basket.put(bun));

    let eaten = thread::scope(|scope| {
        let eaters = [scope.spawn(eat), scope.spawn(eat)];
        scope.spawn(|| cook(0));
        scope.spawn(|| cook(EACH));
        eaters.map(|eater| eater.join().expect("no panic"))
    });

    let mut buns: Vec<usize> = eaten.iter().flatten().map(|(bun, _)| *bun).collect();
    buns.sort_unstable();
    println!("{} buns eaten, each once: {}", buns.len(), buns.iter().copied().eq(0..2 * EACH));
    let most = eaten.iter().flatten().map(|(_, there)| *there).max();
    println!("never more than {ROOM} in the basket: {}", most <= Some(ROOM));
    Ok(())
}
