//! The kernel that cells of `execute_python` run in, where this machine has none.
//!
//! It is put beside the environment of the project, never into it: which packages the project's tests see, and in which
//! versions, stays as the project says. A cell sees the project's own packages first.

use super::programs::run;
use super::{Programs, argv};
use keiko_contracts::jail::PYTHON_KERNEL;
use std::time::Duration;

/// The interpreter that cells can always fall back on, whatever environment comes first on the search path.
const SYSTEM: &str = "/usr/bin/python3";
const LOOK: &str = "import importlib.util as u, sys; sys.exit(u.find_spec('ipykernel') is None)";
const LIMIT: Duration = Duration::from_secs(10);
/// Prints what is installed, as constraints.
const HELD: &str = "import importlib.metadata as m\nfor d in m.distributions():\n    print('%s==%s' % (d.metadata['Name'], d.version))";
/// Installs what goes together with the project's own packages, which cells see first: $1 is the interpreter, $2 says what it
/// has, $3 is the file for it. Says when it cannot be done: a project is not left without its packages because of it.
const TRY: &str = r#"
"$1" -I -c "$2" >"$3"; shift 3
"$@" || echo 'keiko: the Python kernel of execute_python cannot be installed'
"#;

/// Whether there is a Python, and no kernel that cells find without installing one.
pub(super) fn is_missing(programs: &Programs) -> bool {
    programs.contains_key("python3")
        && run(SYSTEM, &["-I", "-c", LOOK], "", LIMIT, 100)
            .said()
            .is_none()
}

/// Puts it into `home`. With `venv`, its environment is there, and its Python is the one that cells run in.
pub(super) fn commands(home: &str, venv: bool, programs: &Programs) -> Vec<Vec<String>> {
    let (uv, to) = (
        programs.contains_key("uv"),
        format!("{home}/{PYTHON_KERNEL}"),
    );
    // Not every system's own Python comes with pip.
    let made = if venv {
        format!("{home}/venv")
    } else {
        format!("{home}/.tmp/venv")
    };
    let python = format!("{made}/bin/python");
    let held = format!("{home}/.tmp/kernel.txt");
    let mut commands = match (venv, uv) {
        (true, _) => Vec::new(),
        (false, true) => vec![argv([
            "uv", "venv", "--quiet", "--python", "python3", &made,
        ])],
        (false, false) => vec![argv(["python3", "-m", "venv", &made])],
    };
    let pip = if uv {
        argv(["uv", "pip", "install", "--python", &python])
    } else {
        argv([
            python.as_str(),
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
        ])
    };
    // Nothing is built for it: no code of its packages runs before a cell does.
    let what = argv([
        "--target",
        &to,
        "--only-binary",
        ":all:",
        "-c",
        &held,
        "ipykernel",
    ]);
    commands.push(
        argv(["sh", "-c", TRY, "sh", &python, HELD, &held])
            .into_iter()
            .chain(pip)
            .chain(what)
            .collect(),
    );
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_put_beside_the_environment_and_never_into_it() {
        let with = commands("/cache/python/k", true, &Programs::new());
        assert_eq!(with.len(), 1, "{with:?}");
        let said = with[0].join(" ");
        assert!(
            said.contains("/cache/python/k/venv/bin/python -m pip install")
                && said.contains("--target /cache/python/k/kernel"),
            "{said}"
        );
        assert!(
            said.contains("|| echo 'keiko: "),
            "a project is not left without its packages: {said}"
        );
        let alone = commands("/cache/python/k", false, &Programs::new());
        assert_eq!(
            alone[0],
            ["python3", "-m", "venv", "/cache/python/k/.tmp/venv"]
        );
        let uv = commands(
            "/cache/python/k",
            true,
            &Programs::from([("uv".to_owned(), "uv 1".to_owned())]),
        );
        assert!(
            uv[0]
                .join(" ")
                .contains("uv pip install --python /cache/python/k/venv/bin/python --target"),
            "{uv:?}"
        );
    }
}
