//! Every prefix of every run, crashed in every way, goes on to the same end; and a driver with a fault does not.

use crate::check::{calm, check};
use crate::scenarios::{self, Scenario};
use crate::storm::{Ending, Storm, block_on, on_all_cores, tools};
use keiko_agent::tools::ToolBox;
use keiko_contracts::action::{Outcome, Recovery};
use keiko_contracts::run::{RunEvent, Suspension};
use keiko_testkit::crash::CrashPoint;
use keiko_testkit::flaw::Flaw;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// What came of crashing runs at all their moments.
#[derive(Debug, Default)]
struct Swept {
    /// How many moments there were of each kind.
    moments: BTreeMap<&'static str, u32>,
    /// How many of them had a power cut take something away.
    cuts: u32,
    /// How often a person was asked, and how many moments lay between the intent and the outcome of a `person` effect.
    asked: u32,
    wrong: Vec<String>,
}

fn kind(point: CrashPoint) -> &'static str {
    match point {
        CrashPoint::Never => "never",
        CrashPoint::BeforeCommit(_) => "before a commit",
        CrashPoint::AfterCommit(_) => "after a commit",
        CrashPoint::AmidEffect(_) => "amid an effect",
        CrashPoint::AfterEffect(_) => "after an effect",
    }
}

/// Drives each run once, and ends its process at every moment: each time with everything outside as it is then. Looks
/// at what the processes after it make of that.
fn sweep(
    scenarios: &[Scenario],
    tools: &Arc<ToolBox>,
    endings: &[Ending],
    flaw: Option<Flaw>,
) -> Swept {
    let (mut jobs, mut swept) = (Vec::new(), Swept::default());
    for scenario in scenarios {
        block_on(async {
            let calm = Arc::new(calm(scenario, tools).await);
            for ending in endings {
                let recorded = Storm::new(scenario, tools.clone(), flaw).moments().await;
                let (left, moments) =
                    recorded.unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
                assert_eq!(
                    left.deeds, calm.deeds,
                    "{}: without a crash the fault does no harm",
                    scenario.name
                );
                jobs.extend(
                    moments
                        .into_iter()
                        .map(|moment| (scenario, calm.clone(), *ending, moment)),
                );
            }
        });
    }
    for (_, _, ending, moment) in &jobs {
        if *ending == Ending::Killed {
            *swept.moments.entry(kind(moment.point)).or_default() += 1;
        }
    }
    let results = on_all_cores(jobs, async |(scenario, calm, ending, moment)| {
        if !moment.ends(ending) {
            return None;
        }
        let left = moment.goes_on().await;
        let result =
            left.and_then(|left| check(scenario, &calm, &left).map(|()| left.asked.len() as u32));
        Some((
            ending,
            result
                .map_err(|why| format!("{}, {ending:?}, {:?}: {why}", scenario.name, moment.point)),
        ))
    });
    for (ending, result) in results.into_iter().flatten() {
        swept.cuts += u32::from(ending == Ending::PowerCut);
        match result {
            Ok(asked) => swept.asked += asked,
            Err(why) => swept.wrong.push(why),
        }
    }
    swept
}

fn named(names: &[&str]) -> Vec<Scenario> {
    scenarios::all()
        .into_iter()
        .filter(|scenario| names.contains(&scenario.name))
        .collect()
}

#[test]
fn every_prefix_of_every_run_goes_on_to_the_same_end() {
    let (tools, begin) = (tools(), Instant::now());
    let swept = sweep(&scenarios::all(), &tools, &[Ending::Killed], None);
    let (seconds, all) = (
        begin.elapsed().as_secs_f64(),
        swept.moments.values().sum::<u32>(),
    );
    eprintln!(
        "{all} prefixes in {seconds:.1} s: {:.0} a second; {} asked; {:?}",
        f64::from(all) / seconds,
        swept.asked,
        swept.moments
    );
    assert!(swept.wrong.is_empty(), "{:#?}", swept.wrong);
    assert!(
        swept.moments.len() == 4 && swept.moments.values().all(|n| *n > 120),
        "too few to tell: {:?}",
        swept.moments
    );
    assert!(
        swept.asked >= 10,
        "hardly a crash fell on an effect that only a person can judge: {}",
        swept.asked
    );
}

/// As above, and what no barrier had synced is gone with the process.
#[test]
fn every_prefix_goes_on_after_a_power_cut() {
    let swept = sweep(&scenarios::all(), &tools(), &[Ending::PowerCut], None);
    eprintln!("{} power cuts that took something away", swept.cuts);
    assert!(swept.wrong.is_empty(), "{:#?}", swept.wrong);
    assert!(swept.cuts >= 8, "too few to tell: {}", swept.cuts);
}

/// The moments that the others use are what a process leaves that really ends there.
#[test]
fn a_process_that_really_ends_at_a_point_leaves_what_was_copied_there() {
    let tools = tools();
    for scenario in named(&["changes", "classes", "parallel", "push approved"]) {
        block_on(async {
            let calm = calm(&scenario, &tools).await;
            let (_, moments) = Storm::new(&scenario, tools.clone(), None)
                .moments()
                .await
                .unwrap();
            for moment in moments {
                let point = moment.point;
                let (copied, real) = (
                    moment.goes_on().await,
                    Storm::new(&scenario, tools.clone(), None)
                        .to_the_end(&[point])
                        .await,
                );
                let real = real.unwrap_or_else(|why| panic!("{}, {point:?}: {why}", scenario.name));
                assert_eq!(
                    real.crashes, 1,
                    "{}, {point:?}: the point was not reached",
                    scenario.name
                );
                assert_eq!(
                    (copied.unwrap().deeds, &real.deeds),
                    (real.deeds.clone(), &real.deeds),
                    "{}, {point:?}",
                    scenario.name
                );
                if let Err(why) = check(&scenario, &calm, &real) {
                    panic!("{}, {point:?}: {why}", scenario.name);
                }
            }
        });
    }
}

/// The recovery itself is crashed, at each of its first steps.
#[test]
fn a_crash_while_recovering_from_a_crash_changes_nothing() {
    let tools = tools();
    for scenario in named(&["changes", "classes", "native", "poor"]) {
        let (calm, firsts) = block_on(async {
            let moments = Storm::new(&scenario, tools.clone(), None).moments().await;
            (
                calm(&scenario, &tools).await,
                moments
                    .unwrap_or_else(|why| panic!("{}: {why}", scenario.name))
                    .1,
            )
        });
        let wrong = on_all_cores(firsts, async |first| {
            let mut wrong = Vec::new();
            let seconds = match first.next_moments().await {
                Ok(seconds) => seconds,
                Err(why) => return vec![format!("{}, {:?}: {why}", scenario.name, first.point)],
            };
            for second in seconds.into_iter().take(8) {
                if let Err(why) = second
                    .goes_on()
                    .await
                    .and_then(|left| check(&scenario, &calm, &left))
                {
                    wrong.push(format!(
                        "{}, {:?}, {:?}: {why}",
                        scenario.name, first.point, second.point
                    ));
                }
            }
            wrong
        });
        let wrong: Vec<String> = wrong.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// A request that a crash cut off may have been answered and charged: it is in the books at what was reserved for it.
#[test]
fn a_request_that_a_crash_cut_off_is_booked_beside_the_one_that_repeats_it() {
    let scenario = &named(&["reads"])[0];
    block_on(async {
        let (_, moments) = Storm::new(scenario, tools(), None).moments().await.unwrap();
        let mut seen = 0;
        for moment in moments {
            let left = moment.goes_on().await.unwrap();
            let card = &left.state.ended.as_ref().unwrap().card;
            // Three reads and the end: four answers, whatever was asked again.
            assert_eq!(
                (card.cost.0, left.charged.0 >= 4_000),
                (4_000, true),
                "{:?}",
                moment.point
            );
            if left.charged.0 == 5_000 {
                let reserves = left.events.iter().filter_map(|event| match &event.1 {
                    RunEvent::EffectIntended(intent) if intent.recovery == Recovery::Repeat => {
                        Some(intent.reserve)
                    }
                    _ => None,
                });
                assert!(
                    reserves.into_iter().any(|reserve| reserve == card.cut_off),
                    "{:?}: {}",
                    moment.point,
                    card.cut_off
                );
                assert!(card.cut_off.0 >= 1_000, "at least what was charged");
                seen += 1;
            }
        }
        // After the effect, and before the commit of its outcome.
        assert_eq!(
            seen, 8,
            "each of the four requests was answered twice to a process that had no time to say so"
        );
    });
}

/// Where the budget has no room for the request that a crash cut off and for another, more money is asked for first.
#[test]
fn a_request_that_a_crash_cut_off_is_not_repeated_on_credit() {
    let scenario = &named(&["poor"])[0];
    block_on(async {
        let calm = calm(scenario, &tools()).await;
        let (_, moments) = Storm::new(scenario, tools(), None).moments().await.unwrap();
        let mut given_up = 0;
        for moment in moments {
            let left = moment.goes_on().await.unwrap();
            check(scenario, &calm, &left).unwrap_or_else(|why| panic!("{:?}: {why}", moment.point));
            let cancelled = left.events.iter().position(
                |event| matches!(&event.1, RunEvent::EffectEnded(ended) if ended.recovered && ended.outcome == Outcome::Cancelled),
            );
            let Some(at) = cancelled else { continue };
            let next = left.events.get(at + 1).map(|event| &event.1);
            assert!(
                matches!(next, Some(RunEvent::RunSuspended(Suspension::Limit { .. }))),
                "{:?}: {next:?}",
                moment.point
            );
            given_up += 1;
        }
        assert!(given_up >= 3, "too few to tell: {given_up}");
    });
}

/// With a fault in the driver these tests must fail: they are worth as much as that. What they say holds these words.
fn is_caught(flaw: Flaw, ending: Ending, names: &[&str], words: &str) {
    let tools = tools();
    for scenario in named(names) {
        let swept = sweep(
            std::slice::from_ref(&scenario),
            &tools,
            &[ending],
            Some(flaw),
        );
        let found = swept
            .wrong
            .iter()
            .filter(|wrong| wrong.contains(words))
            .count();
        eprintln!(
            "{flaw:?}, {}: {} of {:?} caught, {found} of them {words:?}",
            scenario.name,
            swept.wrong.len(),
            swept.moments
        );
        assert!(found > 0, "{}: {:#?}", scenario.name, swept.wrong);
    }
}

#[test]
fn a_driver_that_acts_before_it_commits_the_intent_is_caught() {
    is_caught(
        Flaw::ActsFirst,
        Ending::Killed,
        &["classes", "approval granted"],
        "was done 2 times",
    );
    is_caught(Flaw::ActsFirst, Ending::Killed, &["changes"], "instead of");
}

#[test]
fn a_driver_that_does_not_sync_its_intents_is_caught() {
    is_caught(
        Flaw::LazyIntents,
        Ending::PowerCut,
        &["classes", "approval granted"],
        "was done 2 times",
    );
}

#[test]
fn a_driver_that_repeats_whatever_stands_open_is_caught() {
    is_caught(
        Flaw::IgnoresClass,
        Ending::Killed,
        &["classes", "approval granted"],
        "was done 2 times",
    );
    is_caught(
        Flaw::IgnoresClass,
        Ending::Killed,
        &["changes"],
        "began on tree",
    );
}
