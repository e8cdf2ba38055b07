//! `risk.toml`: the user's over the system's. The user's file replaces the classes that it names and adds its rules for
//! commands; what the system forbids stays forbidden. A project has no say.

use super::key::KeyPath;
use super::layer::{self, Kind, Source};
use super::shape::Field;
use keiko_contracts::code::Fault;
use keiko_governance::class::ActionClass;
use keiko_governance::policy::{Level, RiskPolicy};
use std::path::Path;

/// A policy file, read.
pub(crate) struct PolicyFile {
    pub(crate) policy: RiskPolicy,
    sets_expiry: bool,
}

/// The shape of the file, with the names of the classes.
pub(crate) fn shape() -> Field {
    let names: Vec<&str> = ActionClass::ALL.iter().map(|class| class.name()).collect();
    Field::of(&schemars::schema_for!(RiskPolicy)).with_names("classes", &names)
}

/// Reads a policy file, if it is there.
pub(crate) fn read(path: &Path, kind: Kind) -> Result<Option<PolicyFile>, Vec<Fault>> {
    match layer::read_file(path, kind) {
        Ok(Some(text)) => parse(path, &text).map(Some),
        Ok(None) => Ok(None),
        Err(fault) => Err(vec![fault]),
    }
}

fn parse(path: &Path, text: &str) -> Result<PolicyFile, Vec<Fault>> {
    let source = Source {
        path: path.to_owned(),
        text,
    };
    let (leaves, problems) = layer::read(&source, &shape());
    if !problems.is_empty() {
        return Err(problems);
    }
    let policy = toml::from_str(text).map_err(|error| vec![source.parse_fault(&error)])?;
    Ok(PolicyFile {
        policy,
        sets_expiry: leaves.contains_key(&KeyPath::new(["approval_expires_hours"])),
    })
}

/// The user's policy over the system's, and the classes where the user's file would loosen what the system forbids.
pub(crate) fn over(
    system: Option<PolicyFile>,
    user: Option<PolicyFile>,
) -> (RiskPolicy, Vec<ActionClass>) {
    let mut policy = system.map(|file| file.policy).unwrap_or_default();
    let Some(user) = user else {
        return (policy, Vec::new());
    };
    let mut kept = Vec::new();
    for (class, level) in user.policy.classes {
        if policy.classes.get(&class) == Some(&Level::Forbid) && level < Level::Forbid {
            kept.push(class);
        } else {
            policy.classes.insert(class, level);
        }
    }
    policy.commands.extend(user.policy.commands);
    if user.sets_expiry {
        policy.approval_expires_hours = user.policy.approval_expires_hours;
    }
    (policy, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Option<PolicyFile> {
        Some(
            parse(Path::new("risk.toml"), text)
                .map_err(|faults| format!("{faults:?}"))
                .unwrap(),
        )
    }
    fn faults(text: &str) -> Vec<Fault> {
        parse(Path::new("risk.toml"), text).err().unwrap()
    }

    #[test]
    fn an_approval_that_expires_at_once_is_none() {
        for text in [
            "approval_expires_hours = 0",
            "approval_expires_hours = 87601",
            "approval_expires_hours = -1",
        ] {
            let fault = faults(text).remove(0);
            let place = fault.place.as_deref().unwrap_or_default();
            assert!(
                fault.code == "KEI-1303" && place.starts_with("risk.toml:1:"),
                "{fault}"
            );
        }
        assert_eq!(
            file("approval_expires_hours = 1")
                .unwrap()
                .policy
                .approval_expires_hours,
            1
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_policy_or_has_faults(text in "(\\[classes\\]|\\[\\[commands\\]\\]|git_push|network|=|\"ask\"|starts|level|\\[\"rm\"\\]|\n|[a-z\"' ]{1,6}){0,16}") {
            if let Err(faults) = parse(Path::new("risk.toml"), &text) {
                proptest::prop_assert!(!faults.is_empty());
            }
        }
    }

    #[test]
    fn what_the_system_forbids_stays_forbidden() {
        let system = "approval_expires_hours = 24\n[classes]\ngit_push = \"forbid\"\nnetwork = \"ask\"\n[[commands]]\nstarts = [\"curl\"]\nlevel = \"ask\"\n";
        let user = "[classes]\ngit_push = \"run\"\nnetwork = \"alert\"\n[[commands]]\nstarts = [\"make\"]\nlevel = \"alert\"\n";
        let (policy, kept) = over(file(system), file(user));
        assert_eq!(kept, [ActionClass::GitPush]);
        assert_eq!(
            (
                policy.level(ActionClass::GitPush),
                policy.level(ActionClass::Network)
            ),
            (Level::Forbid, Level::Alert)
        );
        assert_eq!(
            (policy.commands.len(), policy.approval_expires_hours),
            (2, 24)
        );
        assert_eq!(
            over(file(system), file("approval_expires_hours = 2"))
                .0
                .approval_expires_hours,
            2
        );
        assert_eq!(over(None, None).0, RiskPolicy::default());
    }

    #[test]
    fn mistakes_have_their_place() {
        let all = faults("[classes]\ngit_psuh = \"ask\"\nnetwork = \"asks\"\n");
        assert_eq!(
            (
                all[0].code.to_string().as_str(),
                all[0].hint.as_ref().map(ToString::to_string).as_deref()
            ),
            ("KEI-1302", Some("did you mean classes.git_push?"))
        );
        assert!(
            all[0].place.as_ref().unwrap().starts_with("risk.toml:2:1"),
            "{all:?}"
        );
        assert!(all[1].hint.as_ref().unwrap().contains("\"ask\""), "{all:?}");
        let all = faults("[[commands]]\nlevel = \"ask\"\n");
        assert!(all[0].message.contains("starts"), "{all:?}");
        let all = faults("[[commands]]\nlevle = \"ask\"\nstarts = [1]\n");
        assert_eq!(all.len(), 2, "{all:?}");
        assert!(
            all.iter()
                .any(|fault| fault.place.as_ref().unwrap().starts_with("risk.toml:3:11")),
            "{all:?}"
        );
    }
}
