//! What a person types when a jail cannot be made.

use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use keiko_contracts::step::Step;

/// The command that installs a package, for root or not.
pub(crate) fn install(package: &str) -> String {
    let sudo = if rustix::process::geteuid().is_root() {
        ""
    } else {
        "sudo "
    };
    format!("{sudo}apt-get install {package}")
}

/// Settings of the machine that decide whether an unprivileged user may make namespaces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) apparmor_restricts: bool,
    pub(crate) clone_forbidden: bool,
    pub(crate) no_namespaces: bool,
}

impl Settings {
    pub(crate) fn read() -> Self {
        let is = |path: &str, value: &str| {
            std::fs::read_to_string(path).is_ok_and(|text| text.trim() == value)
        };
        Settings {
            apparmor_restricts: is(
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                "1",
            ),
            clone_forbidden: is("/proc/sys/kernel/unprivileged_userns_clone", "0"),
            no_namespaces: is("/proc/sys/user/max_user_namespaces", "0"),
        }
    }
}

/// Turns what bubblewrap or a stage said into a fault with the remedy.
pub(crate) fn explain(said: &str, settings: Settings) -> Fault {
    let said = said.trim();
    let said = said.strip_prefix("bwrap: ").unwrap_or(said);
    let first: String = said
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect();
    let fault = |why: &'static str, hint: Said| {
        let why = say!("{why}: {first}", why = Said::from(why), first);
        Fault::new(Code::JAILS_NOT_PERMITTED, why).hint(hint)
    };
    let namespaces = [
        "namespace",
        "uid map",
        "gid map",
        "setgroups",
        "loopback",
        "RTM_NEWADDR",
        "Operation not permitted",
    ];
    if said.contains("Unknown option") {
        return fault(
            "bubblewrap is older than 0.8.0",
            Step::shell(install("bubblewrap")).into(),
        );
    }
    if namespaces.iter().any(|word| said.contains(word)) {
        return match settings {
            Settings {
                apparmor_restricts: true,
                ..
            } => fault(
                "AppArmor forbids the sandbox to make namespaces",
                Step::shell("sudo apt-get install apparmor-profiles && sudo cp /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && sudo systemctl reload apparmor").into(),
            ),
            Settings {
                clone_forbidden: true,
                ..
            } => fault(
                "the kernel forbids users to make namespaces",
                Step::shell("sudo sysctl -w kernel.unprivileged_userns_clone=1").into(),
            ),
            Settings {
                no_namespaces: true,
                ..
            } => fault(
                "the kernel is set to allow no user namespaces",
                Step::shell("sudo sysctl -w user.max_user_namespaces=15000").into(),
            ),
            Settings { .. } => fault(
                "the sandbox may not make namespaces here",
                "in a container, start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined".into(),
            ),
        };
    }
    let what = if first.is_empty() {
        Said::from("it ended without a word")
    } else {
        Said::words(first)
    };
    Fault::new(
        Code::JAIL_NOT_MADE,
        say!("a jail could not be made: {what}", what),
    )
    .hint(Step::Doctor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_own_remedy() {
        let said = "bwrap: setting up uid map: Permission denied";
        let none = Settings::default();
        let cases = [
            (
                said,
                Settings {
                    apparmor_restricts: true,
                    ..none
                },
                "KEI-5002",
                "apparmor",
            ),
            (
                said,
                Settings {
                    clone_forbidden: true,
                    ..none
                },
                "KEI-5002",
                "unprivileged_userns_clone=1",
            ),
            (
                said,
                Settings {
                    no_namespaces: true,
                    ..none
                },
                "KEI-5002",
                "max_user_namespaces",
            ),
            (
                "bwrap: Creating new namespace failed: Operation not permitted",
                none,
                "KEI-5002",
                "--security-opt",
            ),
            (
                "bwrap: Unknown option --disable-userns",
                none,
                "KEI-5002",
                "install bubblewrap",
            ),
            (
                "bwrap: Can't find source path /x",
                none,
                "KEI-5005",
                "doctor",
            ),
            ("", none, "KEI-5005", "doctor"),
        ];
        for (said, settings, code, hint) in cases {
            let fault = explain(said, settings);
            assert_eq!(fault.code, code, "{said}");
            assert!(fault.hint.as_ref().unwrap().contains(hint), "{fault:?}");
        }
    }
}
