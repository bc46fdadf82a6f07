//! Collecting what a lock guards, without allocating while it is held.

/// Adds to `found` all that `each` shows. `each` takes a lock and may be called
/// again, if there was more than expected.
pub(crate) fn gather<T>(found: &mut Vec<T>, mut each: impl FnMut(&mut dyn FnMut(T))) {
    const USUALLY: usize = 64;
    let start = found.len();
    let mut room = USUALLY;
    loop {
        found.reserve(room);
        let mut missing = 0;
        each(&mut |item| {
            if found.len() < found.capacity() {
                found.push(item);
            } else {
                missing += 1;
            }
        });
        if missing == 0 {
            return;
        }
        room = found.len() - start + missing + USUALLY;
        found.truncate(start);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_nothing_twice() {
        for count in [0, 1, 64, 65, 1000] {
            let mut found = vec![-1];
            let mut calls = 0;
            gather(&mut found, |show| {
                calls += 1;
                (0..count).for_each(&mut *show);
            });
            assert!(found.into_iter().eq(-1..count));
            assert!(calls <= 2);
        }
    }
}
