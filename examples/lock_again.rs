//! Lock what one holds already: RLock (seeds: 004 锁; 000 一、回顾, 递归锁).
//!
//! A method that locks may call another one that locks: the thread that holds a
//! `ReentrantMutex` may lock it again, and the others wait until it has given
//! up every hold.
//!
//! ```sh
//! cargo run --example lock_again
//! ```

use std::cell::Cell;
use std::error::Error;
use std::thread;
use std::time::Duration;

use greenroom::joinall;
use greenroom::sync::ReentrantMutex;

/// Two accounts; what is in both together never changes.
struct Bank {
    // A guard of this lock may be one of several, so it shows its value to be
    // read; a `Cell` can be changed all the same.
    accounts: ReentrantMutex<[Cell<i64>; 2]>,
}

static BANK: Bank = Bank { accounts: ReentrantMutex::new([Cell::new(100), Cell::new(0)]) };

impl Bank {
    fn add(&self, account: usize, amount: i64) {
        let accounts = self.accounts.lock();
        accounts[account].set(accounts[account].get() + amount);
    }

    fn transfer(&self, amount: i64) {
        let _whole = self.accounts.lock();
        self.add(0, -amount); // locks again: with another mutex it would wait for itself
        thread::sleep(Duration::from_millis(1)); // nobody sees the money on its way
        self.add(1, amount);
    }

    fn total(&self) -> i64 {
        let accounts = self.accounts.lock();
        accounts.iter().map(Cell::get).sum()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    greenroom::patch_all()?;
    let transfers = (0..20).map(|_| {
        greenroom::spawn(|| {
            BANK.transfer(5);
            BANK.total()
        })
    });
    let totals: Vec<i64> =
        joinall(transfers.collect::<Vec<_>>()).into_iter().collect::<Result<_, _>>()?;

    println!("every total was 100: {}", totals.iter().all(|total| *total == 100));
    let accounts = BANK.accounts.lock();
    println!("in the end the accounts hold {} and {}", accounts[0].get(), accounts[1].get());
    Ok(())
}
