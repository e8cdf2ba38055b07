//! The scripts that play the model in a demonstration: known where a run of one is taken up again, and where one begins.

use keiko_contracts::code::Fault;
use keiko_contracts::run::StartRun;
use keiko_models::scripted::Scripted;
use keiko_ports::model::ChatModel;
use std::sync::Arc;

/// The scripts, and the names under which they stand in the journal.
const TOUR_SCRIPT: &str = include_str!("../../../demos/tour/script.toml");
const TOUR_SCRIPT_GERMAN: &str = include_str!("../../../demos/tour/script.de.toml");
pub(crate) const TOUR_MODEL: &str = "scripted/guided-tour";
const CRASH_SCRIPT: &str = include_str!("../../../demos/crash/script.toml");
pub(crate) const CRASH_MODEL: &str = "scripted/crash";
/// The branch that the scripts push to.
pub(crate) const BRANCH: &str = "fix/leap-years";

/// The script that plays the model of a demonstration, when a run of one is taken up again.
pub(crate) fn script_of(start: &StartRun) -> Option<Result<Arc<dyn ChatModel>, Fault>> {
    let text = match start.model.as_ref()?.as_str() {
        TOUR_MODEL => start.language.pick(TOUR_SCRIPT, TOUR_SCRIPT_GERMAN),
        CRASH_MODEL => CRASH_SCRIPT,
        _ => return None,
    };
    Some(
        Scripted::parse(text, "the demonstration's script")
            .map(|script| Arc::new(script) as Arc<dyn ChatModel>),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script does, without what it says.
    fn deeds(script: &str) -> toml::Value {
        let mut script: toml::Value = toml::from_str(script).unwrap();
        for turn in script["turn"].as_array_mut().unwrap() {
            let turn = turn.as_table_mut().unwrap();
            turn.remove("text");
            turn.remove("reasoning");
            for call in turn
                .get_mut("call")
                .and_then(toml::Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if call["tool"].as_str() == Some("finish") {
                    call["arguments"].as_table_mut().unwrap().remove("summary");
                }
            }
        }
        script
    }

    #[test]
    fn the_tour_does_the_same_in_both_languages() {
        assert_eq!(deeds(TOUR_SCRIPT), deeds(TOUR_SCRIPT_GERMAN));
        assert!(Scripted::parse(TOUR_SCRIPT_GERMAN, "the demonstration's script").is_ok());
    }
}
