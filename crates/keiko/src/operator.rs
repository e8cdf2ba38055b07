//! Who sits at this command line.

/// The name that decisions are recorded under.
pub(crate) fn operator() -> String {
    ["KEIKO_OPERATOR", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        })
        .map_or_else(
            || format!("uid {}", rustix::process::getuid().as_raw()),
            |name| name.chars().take(80).collect(),
        )
}
