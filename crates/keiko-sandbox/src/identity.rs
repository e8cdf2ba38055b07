//! Which unprivileged user the jail belongs to.

use crate::plan::Identity;
use keiko_contracts::code::{Code, Fault};
use keiko_contracts::said::Said;
use keiko_contracts::say;
use std::collections::BTreeSet;

/// The first of the user ids that Keiko takes when it is root: above people and packages (up to 60000), systemd's dynamic
/// users (61184 to 65519) left out, below subordinate ids. The same on every start, as files in workspaces belong to it.
const FIRST: u32 = 60_640;
/// How many are tried.
const TRIED: u32 = 32;

/// What is known about the caller and the machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) uid: u32,
    pub(crate) euid: u32,
    pub(crate) gid: u32,
    pub(crate) passwd: String,
    pub(crate) group: String,
    pub(crate) uid_map: String,
    pub(crate) gid_map: String,
}

impl Surroundings {
    pub(crate) fn read() -> Self {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Surroundings {
            uid: rustix::process::getuid().as_raw(),
            euid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            passwd: text("/etc/passwd"),
            group: text("/etc/group"),
            uid_map: text("/proc/self/uid_map"),
            gid_map: text("/proc/self/gid_map"),
        }
    }
}

/// Who it is, and whether Keiko, as root, must become it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) identity: Identity,
    pub(crate) switch: bool,
}

/// Decides, or says why there is nobody.
pub(crate) fn decide(here: &Surroundings, configured: Option<Identity>) -> Result<Decision, Fault> {
    let nobody = |why: Said| {
        Fault::new(Code::NO_UNPRIVILEGED_USER, why)
            .hint("start Keiko as an ordinary user, which this container must have")
    };
    if here.uid != here.euid {
        return Err(nobody(
            "Keiko was started set-user-id, which a sandbox must not build on".into(),
        ));
    }
    if here.euid != 0 {
        return Ok(Decision {
            identity: Identity {
                uid: here.euid,
                gid: here.gid,
            },
            switch: false,
        });
    }
    let identity = match configured {
        Some(Identity { uid: 0, .. } | Identity { gid: 0, .. }) => {
            return Err(nobody(
                "commands are never run as root or in its group".into(),
            ));
        }
        Some(identity) => identity,
        None => {
            let taken: BTreeSet<u32> = ids(&here.passwd).chain(ids(&here.group)).collect();
            let free = (FIRST..FIRST + TRIED).find(|id| !taken.contains(id));
            let id = free
                .ok_or_else(|| nobody(say!("no user id is free from {first} on", first = FIRST)))?;
            Identity { uid: id, gid: id }
        }
    };
    if !maps(&here.uid_map, identity.uid) || !maps(&here.gid_map, identity.gid) {
        return Err(nobody(say!(
            "user {uid}, which commands would run as, does not exist in this container",
            uid = identity.uid
        )));
    }
    Ok(Decision {
        identity,
        switch: true,
    })
}

/// The third field of `passwd` and of `group` alike.
fn ids(table: &str) -> impl Iterator<Item = u32> {
    table
        .lines()
        .filter_map(|line| line.split(':').nth(2)?.parse().ok())
}

/// Whether an id is mapped: lines of first inside, first outside, length.
fn maps(table: &str, id: u32) -> bool {
    table.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        matches!(numbers.as_slice(), [first, _, length] if (*first..first.saturating_add(*length)).contains(&u64::from(id)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Surroundings {
        let map = "         0          0 4294967295\n";
        Surroundings {
            uid_map: map.into(),
            gid_map: map.into(),
            passwd: "root:x:0:0::/root:/bin/sh\n".into(),
            ..Surroundings::default()
        }
    }

    #[test]
    fn an_ordinary_user_stays_itself() {
        let here = Surroundings {
            uid: 1001,
            euid: 1001,
            gid: 100,
            ..root()
        };
        let other = Some(Identity { uid: 5, gid: 5 });
        assert_eq!(
            decide(&here, other).unwrap(),
            Decision {
                identity: Identity {
                    uid: 1001,
                    gid: 100
                },
                switch: false
            }
        );
    }

    #[test]
    fn root_becomes_somebody_that_no_account_uses() {
        assert_eq!(decide(&root(), None).unwrap().identity.uid, FIRST);
        let here = Surroundings {
            group: format!("x:x:{FIRST}:\n"),
            ..root()
        };
        assert_eq!(
            decide(&here, None).unwrap(),
            Decision {
                identity: Identity {
                    uid: FIRST + 1,
                    gid: FIRST + 1
                },
                switch: true
            }
        );
    }

    #[test]
    fn root_is_refused_in_every_disguise() {
        for identity in [Identity { uid: 0, gid: 7 }, Identity { uid: 7, gid: 0 }] {
            assert_eq!(
                decide(&root(), Some(identity)).unwrap_err().code,
                "KEI-5003"
            );
        }
        let setuid = Surroundings {
            uid: 1000,
            ..root()
        };
        assert_eq!(decide(&setuid, None).unwrap_err().code, "KEI-5003");
        let container = Surroundings {
            uid_map: "0 1000 1\n".into(),
            ..root()
        };
        assert_eq!(decide(&container, None).unwrap_err().code, "KEI-5003");
    }
}
