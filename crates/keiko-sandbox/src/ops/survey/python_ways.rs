//! How the tests of a Python project are run where that is more than the runner alone: documentation that is tested too, and
//! tests that only a script of the project's own can start, as those of Django do.

use super::Tree;
use super::witnesses;
use std::collections::BTreeMap;

/// What was found out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The runner, where it is another than what the tests look like.
    pub(super) runner: Option<&'static str>,
    /// What it is told.
    pub(super) words: Vec<String>,
    /// What stands in its environment.
    pub(super) env: BTreeMap<String, String>,
}

/// Texts in which a project says how it is tested, most telling first.
const OWN: [&str; 6] = [
    "tox.ini",
    "noxfile.py",
    "setup.cfg",
    "pyproject.toml",
    "setup.py",
    "CONTRIBUTING.md",
];
/// What fills in a folder of the environment or the project in tox's settings.
const PLACES: [&str; 7] = [
    "{toxinidir}/",
    "{tox_root}/",
    "{envsitepackagesdir}/",
    "{env_site_packages_dir}/",
    "{toxinidir}",
    "{tox_root}",
    "./",
];
const SETTINGS: &str = "DJANGO_SETTINGS_MODULE";

/// What a project in a folder asks for.
pub(super) fn way(tree: &Tree<'_>, dir: &str, runner: &str, tests: &[String]) -> Way {
    let own = OWN
        .iter()
        .filter_map(|name| tree.read(dir, name).map(|text| main_environment(&text)));
    let texts: Vec<String> = own.chain(witnesses::of(tree)).collect();
    if let Some(way) = django(tree, dir, runner, tests, &texts) {
        return way;
    }
    let asked = |text: &String| {
        commands(text)
            .into_iter()
            .find_map(|words| documentation(tree, dir, &words))
    };
    let words = if runner == "pytest" {
        texts.iter().find_map(asked).unwrap_or_default()
    } else {
        Vec::new()
    };
    Way {
        words,
        ..Way::default()
    }
}

/// Settings of tox's without its named environments, where the one for all has pytest run: what a named one adds may hold for
/// one version of Python only, or for measuring coverage.
fn main_environment(text: &str) -> String {
    let mut heading = "";
    let mut lines = Vec::new();
    for line in text.lines() {
        heading = if line.starts_with('[') {
            line.trim_end()
        } else {
            heading
        };
        lines.push((heading, line));
    }
    let is_call = |words: &Vec<String>| {
        words
            .iter()
            .any(|word| word == "pytest" || word == "py.test")
    };
    // Above `commands`, what is installed names pytest as well.
    let main: Vec<&str> = lines
        .iter()
        .filter(|(heading, _)| *heading == "[testenv]")
        .map(|(_, line)| *line)
        .collect();
    let calls = main.iter().skip_while(|line| !line.starts_with("commands"));
    let calls = calls
        .enumerate()
        .take_while(|(at, line)| *at == 0 || line.starts_with([' ', '\t', '#']) || line.is_empty());
    if !calls
        .flat_map(|(_, line)| commands(line))
        .any(|words| is_call(&words))
    {
        return text.to_owned();
    }
    lines
        .iter()
        .filter(|(heading, _)| !heading.starts_with("[testenv:"))
        .flat_map(|(_, line)| [line, "\n"])
        .collect()
}

/// The words of each line, without what is only the language's that they stand in.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let plain = |c: char| {
        if matches!(c, '"' | '\'' | ',' | '(' | ')' | '[' | ']' | '`') {
            ' '
        } else {
            c
        }
    };
    let line = |line: &str| {
        line.chars()
            .take(2_000)
            .map(plain)
            .collect::<String>()
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    };
    joined.lines().take(5_000).map(line).collect()
}

/// Options of a call of pytest's by which documentation is tested too, with the places that it names.
fn documentation(tree: &Tree<'_>, dir: &str, words: &[String]) -> Option<Vec<String>> {
    let at = words
        .iter()
        .position(|word| word == "pytest" || word == "py.test")?;
    let (before, rest) = (words.get(..at)?, words.get(at + 1..)?);
    if before.iter().any(|word| word.starts_with('#')) {
        return None;
    }
    let wanted =
        |word: &&String| *word == "--doctest-modules" || word.starts_with("--doctest-glob=");
    let options: Vec<String> = rest.iter().filter(wanted).cloned().collect();
    // A choice among the tests is not how all of them are run.
    if options.is_empty()
        || rest
            .iter()
            .any(|word| matches!(word.as_str(), "-k" | "-m") || word.starts_with("--ignore"))
    {
        return None;
    }
    let place = |word: &String| {
        let bare = PLACES
            .iter()
            .fold(word.as_str(), |word, place| {
                word.strip_prefix(place).unwrap_or(word)
            })
            .trim_end_matches('/');
        let plain = !bare.is_empty()
            && bare
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
            && !bare.starts_with(['-', '/']);
        let there = |path: &str| {
            tree.has(dir, path)
                || tree
                    .below(dir)
                    .any(|file| file.starts_with(&format!("{path}/")))
        };
        let within = format!("src/{bare}");
        (plain && !bare.contains("..")).then_some(())?;
        if there(bare) {
            Some(bare.to_owned())
        } else {
            there(&within).then_some(within)
        }
    };
    let places = rest.iter().filter_map(place);
    Some(options.iter().cloned().chain(places).collect())
}

/// Tests that Django's own command runs: settings, databases and the registry of applications are made by it.
fn django(
    tree: &Tree<'_>,
    dir: &str,
    runner: &str,
    tests: &[String],
    texts: &[String],
) -> Option<Way> {
    let of_django = |text: &String| {
        ["from django", "import django"]
            .iter()
            .any(|sign| text.lines().any(|line| line.starts_with(sign)))
    };
    if !tests.iter().any(of_django) {
        return None;
    }
    // pytest with its plugin is told the settings; without them, pytest is not what runs these tests.
    if runner == "pytest"
        && [&["pytest.ini", ".pytest.ini"][..], &OWN]
            .concat()
            .iter()
            .any(|name| tree.read(dir, name).is_some_and(|text| tells_pytest(&text)))
    {
        return None;
    }
    let fixtures = ["conftest.py", "tests/conftest.py"]
        .iter()
        .filter_map(|name| tree.read(dir, name));
    if runner == "pytest"
        && fixtures
            .into_iter()
            .any(|text| text.contains(SETTINGS) || text.contains("settings.configure"))
    {
        return None;
    }
    let started = |words: Vec<String>, env| {
        Some(Way {
            runner: Some("unittest"),
            words,
            env,
        })
    };
    let manage = "manage.py";
    if tree
        .read(dir, manage)
        .is_some_and(|text| text.contains(SETTINGS))
    {
        return started(vec![manage.to_owned(), "test".to_owned()], BTreeMap::new());
    }
    if let Some(script) = [
        "runtests.py",
        "tests/runtests.py",
        "run_tests.py",
        "tests/run_tests.py",
    ]
    .iter()
    .find(|name| tree.has(dir, name))
    {
        return started(vec![(*script).to_owned()], settings(texts));
    }
    let said = texts
        .iter()
        .flat_map(|text| commands(text))
        .find_map(|words| {
            let at = words.iter().position(|word| {
                word == "django-admin" || word == "django-admin.py" || word == "django"
            })?;
            (words.get(at + 1)? == "test").then(|| {
                words
                    .get(at + 2..)
                    .map(<[String]>::to_vec)
                    .unwrap_or_default()
            })
        })?;
    let plain = |word: &String| {
        word.chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-=".contains(c))
            && word != "--parallel"
    };
    let words = ["-m", "django", "test"]
        .map(str::to_owned)
        .into_iter()
        .chain(said.into_iter().filter(plain))
        .collect();
    started(words, settings(texts))
}

fn tells_pytest(text: &str) -> bool {
    let mut in_pytest = false;
    text.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            in_pytest = line.contains("pytest");
        }
        in_pytest && (line.starts_with(SETTINGS) || line.contains("--ds="))
    })
}

/// The settings that automation names, as a module: `tests.settings`.
fn settings(texts: &[String]) -> BTreeMap<String, String> {
    let named = texts.iter().flat_map(|text| text.lines()).find_map(|line| {
        let value = line
            .split_once(SETTINGS)?
            .1
            .trim_start_matches(['"', '\'', ' '])
            .strip_prefix(['=', ':', ','])?;
        let value = value.trim().trim_matches(['"', '\'', ',', ')']);
        (!value.is_empty()
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._".contains(c)))
        .then(|| value.to_owned())
    });
    named
        .map(|module| (SETTINGS.to_owned(), module))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        commands(line).remove(0)
    }

    #[test]
    fn words_stand_in_many_languages() {
        assert_eq!(
            words("    session.run(\"pytest\", \"--doctest-modules\", 'src')"),
            ["session.run", "pytest", "--doctest-modules", "src"]
        );
        assert_eq!(
            words("commands = [[\"coverage\", \"run\"]]"),
            ["commands", "=", "coverage", "run"]
        );
    }

    #[test]
    fn what_one_environment_of_many_adds_is_not_how_tests_are_run() {
        let tox = "[tox]\nenvlist = py\n[testenv]\ncommands = py.test\ndeps = pytest\n[testenv:py38]\ncommands = py.test --doctest-glob=R\n";
        assert!(
            main_environment(tox).contains("[testenv]")
                && !main_environment(tox).contains("doctest")
        );
        let named_only =
            "[testenv]\ndeps = x\n[testenv:docs]\ncommands = pytest --doctest-modules\n";
        assert_eq!(main_environment(named_only), named_only);
    }

    #[test]
    fn settings_are_named_in_many_ways() {
        for text in [
            "setenv =\n    DJANGO_SETTINGS_MODULE = tests.settings\n",
            "env:\n  DJANGO_SETTINGS_MODULE: \"tests.settings\"\n",
            "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'tests.settings')\n",
            "run: DJANGO_SETTINGS_MODULE=tests.settings\n",
        ] {
            assert_eq!(
                settings(&[text.to_owned()])
                    .get(SETTINGS)
                    .map(String::as_str),
                Some("tests.settings"),
                "{text}"
            );
        }
        assert!(settings(&["DJANGO_SETTINGS_MODULE=$(evil)".to_owned()]).is_empty());
        assert!(
            tells_pytest("[tool:pytest]\nDJANGO_SETTINGS_MODULE = a.b\n")
                && !tells_pytest("[testenv]\nDJANGO_SETTINGS_MODULE = a.b\n")
        );
    }
}
