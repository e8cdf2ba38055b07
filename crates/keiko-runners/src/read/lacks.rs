//! Failures that the sandbox is the reason for: no network, no services, no display, no terminal.

use keiko_contracts::evidence::Lack;

/// What a runner or a language says, and what is lacking then. Network comes first: a name that cannot be resolved is told by
/// some together with a refused connection.
const SIGNS: &[(Lack, &[&str])] = &[
    (
        Lack::Network,
        &[
            "Temporary failure in name resolution",
            "Name or service not known",
            "nodename nor servname",
            "socket.gaierror",
            "NameResolutionError",
            "getaddrinfo EAI_AGAIN",
            "getaddrinfo ENOTFOUND",
            "EAI_AGAIN",
            "ENETUNREACH",
            "Network is unreachable",
            "network is unreachable",
            "failed to lookup address information",
            "server misbehaving",
            "Could not resolve host",
            "dial tcp: lookup ",
        ],
    ),
    (
        Lack::Service,
        &[
            "ConnectionRefusedError",
            "Connection refused",
            "connection refused",
            "ECONNREFUSED",
            "could not connect to server",
            "Can't connect to MySQL server",
            "docker daemon",
        ],
    ),
    (
        Lack::Display,
        &[
            "no display name and no $DISPLAY",
            "cannot open display",
            "couldn't connect to display",
            "Missing X server or $DISPLAY",
            "no DISPLAY environment",
        ],
    ),
    (
        Lack::Terminal,
        &[
            "Inappropriate ioctl for device",
            "ENOTTY",
            "not a tty",
            "not a terminal",
            "/dev/tty",
        ],
    ),
];

/// What a failure says that it lacks.
pub(super) fn of(message: &str) -> Option<Lack> {
    SIGNS
        .iter()
        .find(|(_, signs)| signs.iter().any(|sign| message.contains(sign)))
        .map(|(lack, _)| *lack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sandbox_does_not_have_is_told_from_what_is_broken() {
        for (message, lack) in [
            (
                "requests.exceptions.ConnectionError: … Temporary failure in name resolution",
                Some(Lack::Network),
            ),
            (
                "Error: getaddrinfo EAI_AGAIN example.com",
                Some(Lack::Network),
            ),
            (
                "dial tcp: lookup example.com: no such host",
                Some(Lack::Network),
            ),
            (
                "Error: connect ECONNREFUSED 127.0.0.1:5432",
                Some(Lack::Service),
            ),
            (
                "_tkinter.TclError: no display name and no $DISPLAY environment variable",
                Some(Lack::Display),
            ),
            (
                "OSError: [Errno 25] Inappropriate ioctl for device",
                Some(Lack::Terminal),
            ),
            ("AssertionError: 1 != 2", None),
            ("assert 'terminal' == 'display'", None),
        ] {
            assert_eq!(of(message), lack, "{message}");
        }
    }
}
