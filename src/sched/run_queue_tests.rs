//! The order of who is runnable, by itself.

use super::*;

fn pops(q: &mut RunQueue<u32>) -> Vec<(u32, bool)> {
    std::iter::from_fn(|| q.pop())
        .map(|next| match next {
            Next::Started(v) => (v, false),
            Next::Fresh(v) => (v, true),
        })
        .collect()
}

#[test]
fn fresh_and_started_share_one_order() {
    let mut q = RunQueue::new();
    q.push_started(1);
    q.push_fresh(2);
    q.push_started(3);
    q.push_fresh(4);
    assert_eq!(q.len(), 4);
    assert_eq!(pops(&mut q), [(1, false), (2, true), (3, false), (4, true)]);
    assert!(q.is_empty());
}

#[test]
fn the_first_and_the_second_come_before_all_others() {
    let mut q = RunQueue::new();
    q.push_second(1);
    q.push_fresh(2);
    q.push_first(3);
    q.push_second(4);
    assert_eq!(pops(&mut q), [(3, false), (4, false), (1, false), (2, true)]);
    q.push_fresh(5);
    q.push_second(6);
    assert_eq!(pops(&mut q), [(5, true), (6, false)]);
}

#[test]
fn only_fresh_ones_are_stolen_and_their_marks_do_no_harm() {
    let (mut a, mut b) = (RunQueue::new(), RunQueue::new());
    a.push_started(0);
    for v in 1..=4 {
        a.push_fresh(v);
    }
    assert!(b.steal(&a.stealer()));
    let (mine, stolen) = (pops(&mut a), pops(&mut b));
    assert_eq!(mine[0], (0, false));
    assert!(!stolen.is_empty() && stolen.iter().all(|(_, fresh)| *fresh));
    let mut all: Vec<_> = mine.into_iter().chain(stolen).map(|(v, _)| v).collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4]);
    assert!(!b.steal(&a.stealer()));
}

#[test]
fn who_has_started_waits_for_some_of_very_many_fresh_ones() {
    let mut q = RunQueue::new();
    (0..1000).for_each(|v| q.push_fresh(v));
    q.push_started(1000);
    assert_eq!(q.len(), 1001);
    let mut order = Vec::new();
    while let Some(next) = q.pop() {
        match next {
            Next::Fresh(v) => order.push(v),
            Next::Started(v) => {
                order.push(v);
                if order.len() < 900 {
                    q.push_started(v);
                }
            }
        }
    }
    let turns: Vec<_> = (0..order.len()).filter(|at| order[*at] == 1000).collect();
    assert_eq!(turns, [256, 513, 770, 1003], "each time after 256 others");
    order.retain(|v| *v != 1000);
    assert!(order.into_iter().eq(0..1000), "in their order");
}

#[test]
fn very_many_started_ones_keep_no_fresh_one_out() {
    let mut q = RunQueue::new();
    // When these came there were no others yet: the places become more.
    (0..9000).for_each(|_| q.push_fresh(0));
    (0..4000).for_each(|v| q.push_started(v));
    let (mut turns, mut fresh) = (0, 0);
    while fresh < 9000 {
        match q.pop().expect("they give way all the time") {
            Next::Started(v) => {
                turns += 1;
                q.push_started(v);
            }
            Next::Fresh(_) => fresh += 1,
        }
    }
    assert!(turns < 4000 * 8, "{turns} turns meanwhile");
    assert_eq!(q.len(), 4000);
}

#[test]
fn those_without_a_place_are_stolen_and_found_as_well() {
    let (mut a, mut b) = (RunQueue::new(), RunQueue::new());
    (0..1000).for_each(|v| a.push_fresh(v));
    let mut seen = Vec::new();
    for _ in 0..10 {
        assert!(b.steal(&a.stealer()));
    }
    seen.extend(pops(&mut b).into_iter().map(|(v, _)| v));
    assert!(seen.len() > 256, "{}", seen.len());
    assert_eq!(a.len(), 1000 - seen.len());
    seen.extend(pops(&mut a).into_iter().map(|(v, _)| v));
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..1000));
}

#[test]
fn injected_ones_are_all_found() {
    let injector = Injector::new();
    (0..100).for_each(|v| injector.push(v));
    let mut q = RunQueue::new();
    let mut seen = Vec::new();
    while q.take_injected(&injector) {
        seen.extend(pops(&mut q).into_iter().map(|(v, _)| v));
    }
    assert!(seen.into_iter().eq(0..100));
}
