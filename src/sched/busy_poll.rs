//! Whether a worker with nothing to do goes on looking for a while before it sleeps.
//!
//! To sleep and be woken takes the kernel some 10 µs of a core, and on a virtual
//! machine 30 µs of everybody's time: more than most answers take to come. To look in
//! vain takes a core from who may need it, perhaps from the very peer whose answer is
//! looked for. So it is done where it has paid lately. A worker begins without, and
//! tries it once a number of sleeps in a row were short; each success earns a further
//! try, each failure costs one, and when none is left it takes twice as many short
//! sleeps as before to try again.
//!
//! After the halt polling of Linux's KVM, which however asks how long sleeps are and
//! not whether looking was of any use (`Documentation/virt/kvm/halt-polling.rst`).

use crate::sys::clock::Nanos;

/// As many tries as can be earned.
const MOST_TRIES: u32 = 8;
/// What tries the sleeps of a while buy.
const BOUGHT: u32 = 2;
/// So many short sleeps in a row are the price, at first and at most.
const PRICE: u32 = 16;
const HIGHEST_PRICE: u32 = 1024;

/// The time of two looks, at most. If they took longer, somebody else had the core: what
/// is found then may have come from there, and sooner if nobody had looked.
pub(super) const UNDISTURBED: Nanos = 6_000;

/// One worker's.
pub(super) struct BusyPoll {
    /// How long to look; 0: never.
    window: Nanos,
    tries: u32,
    short_sleeps: u32,
    price: u32,
}

impl BusyPoll {
    pub(super) fn new(window: Nanos) -> BusyPoll {
        BusyPoll { window, tries: 0, short_sleeps: 0, price: PRICE }
    }

    /// For how long to look now.
    #[inline]
    pub(super) fn window(&self) -> Option<Nanos> {
        (self.tries > 0).then_some(self.window)
    }

    /// It has looked, and that `paid` or not.
    pub(super) fn looked(&mut self, paid: bool) {
        if paid {
            self.tries = (self.tries + 1).min(MOST_TRIES);
            self.price = (self.price / 2).max(PRICE);
        } else {
            self.tries -= 1;
            if self.tries == 0 {
                self.price = (self.price * 2).min(HIGHEST_PRICE);
            }
        }
    }

    /// It has slept for so long. What comes within the window takes about as long
    /// again to wake who sleeps.
    pub(super) fn slept(&mut self, time: Nanos) {
        if self.tries > 0 || self.window == 0 {
            return;
        }
        self.short_sleeps = if time <= 2 * self.window { self.short_sleeps + 1 } else { 0 };
        if self.short_sleeps >= self.price {
            (self.short_sleeps, self.tries) = (0, BOUGHT);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const WINDOW: Nanos = 50_000;

    /// How many short sleeps it takes until it looks.
    fn sleeps_until_it_looks(polling: &mut BusyPoll) -> u32 {
        let sleeps = (0..10_000).take_while(|_| {
            let sleeps = polling.window().is_none();
            polling.slept(WINDOW);
            sleeps
        });
        sleeps.count() as u32
    }

    #[test]
    fn short_sleeps_buy_tries_and_long_ones_none() {
        let mut polling = BusyPoll::new(WINDOW);
        for sleep in 1..1000 {
            polling.slept(if sleep % PRICE == 0 { 3 * WINDOW } else { WINDOW });
            assert_eq!(polling.window(), None);
        }
        assert_eq!(sleeps_until_it_looks(&mut polling), PRICE - 1000 % PRICE + 1);
        assert_eq!(polling.window(), Some(WINDOW));
    }

    #[test]
    fn it_goes_on_while_it_pays() {
        let mut polling = BusyPoll::new(WINDOW);
        sleeps_until_it_looks(&mut polling);
        for _ in 0..100 {
            [true, true, false].into_iter().for_each(|found| polling.looked(found));
        }
        assert_eq!(polling.window(), Some(WINDOW));
        let failures = (1..).find(|_| {
            polling.looked(false);
            polling.window().is_none()
        });
        assert_eq!(failures, Some(MOST_TRIES - 1));
    }

    #[test]
    fn in_vain_it_becomes_rare_and_successes_make_it_cheap_again() {
        let mut polling = BusyPoll::new(WINDOW);
        for price in [1, 2, 4, 8, 16, 32, 64, 64].map(|times| times * PRICE) {
            assert_eq!(sleeps_until_it_looks(&mut polling), price);
            (0..BOUGHT).for_each(|_| polling.looked(false));
        }
        sleeps_until_it_looks(&mut polling);
        (0..6).for_each(|_| polling.looked(true));
        (0..BOUGHT + 6).for_each(|_| polling.looked(false));
        assert_eq!(sleeps_until_it_looks(&mut polling), 2 * PRICE);
    }

    #[test]
    fn without_a_window_it_never_looks() {
        let mut polling = BusyPoll::new(0);
        (0..10_000).for_each(|_| polling.slept(0));
        assert_eq!(polling.window(), None);
    }
}
