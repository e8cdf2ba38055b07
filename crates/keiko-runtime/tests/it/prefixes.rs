//! Every prefix of every run, crashed in every way, goes on to the same end.

use crate::scenarios;
use crate::storm::{Storm, block_on, calm, check, points, tools};
use keiko_testkit::crash::CrashPoint;
use std::time::Instant;

#[test]
fn every_prefix_of_every_run_goes_on_to_the_same_end() {
    let (tools, begin) = (tools(), Instant::now());
    let mut prefixes = 0;
    for scenario in scenarios::all() {
        block_on(async {
            let calm = calm(&scenario, &tools).await;
            for point in points(calm.counts) {
                let left = Storm::new(&scenario, tools.clone(), false).to_the_end(&[point]).await;
                let left = left.unwrap_or_else(|why| panic!("{}, {point:?}: {why}", scenario.name));
                assert_eq!(left.crashes, 1, "{}, {point:?}: the point was not reached", scenario.name);
                if let Err(why) = check(&scenario, &calm, &left) {
                    panic!("{}, {point:?}: {why}", scenario.name);
                }
                prefixes += 1;
            }
        });
    }
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{prefixes} prefixes in {seconds:.1} s: {:.0} a second", f64::from(prefixes) / seconds);
    assert!(prefixes > 500, "too few to tell: {prefixes}");
}

/// The recovery itself is crashed, at each of its first steps.
#[test]
fn a_crash_while_recovering_from_a_crash_changes_nothing() {
    let tools = tools();
    for scenario in scenarios::all().iter().filter(|s| ["changes", "classes", "native"].contains(&s.name)) {
        block_on(async {
            let calm = calm(scenario, &tools).await;
            for first in points(calm.counts) {
                for second in points((2, 1)) {
                    let left = Storm::new(scenario, tools.clone(), false).to_the_end(&[first, second]).await;
                    let left = left.unwrap_or_else(|why| panic!("{}, {first:?}, {second:?}: {why}", scenario.name));
                    if let Err(why) = check(scenario, &calm, &left) {
                        panic!("{}, {first:?}, {second:?}: {why}", scenario.name);
                    }
                }
            }
        });
    }
}

/// A journal that acknowledges intents without keeping them is noticed: these tests can fail.
#[test]
fn a_journal_that_loses_intents_is_noticed() {
    let tools = tools();
    for name in ["changes", "classes", "approval granted", "push probed"] {
        let scenario = scenarios::all().into_iter().find(|scenario| scenario.name == name).unwrap();
        block_on(async {
            let calm = calm(&scenario, &tools).await;
            let mut noticed = 0;
            for n in 1..=calm.counts.1 {
                let storm = Storm::new(&scenario, tools.clone(), true);
                let left = storm.to_the_end(&[CrashPoint::AfterEffect(n)]).await;
                noticed += u32::from(left.and_then(|left| check(&scenario, &calm, &left)).is_err());
            }
            assert!(noticed > 0, "{name}: nothing was noticed");
        });
    }
}
