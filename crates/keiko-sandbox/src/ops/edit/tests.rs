use super::*;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

fn change(old: &str, new: &str) -> Edit {
    Edit {
        old: old.into(),
        new: new.into(),
        all: false,
    }
}

/// The text afterwards with how it was found, or the refusal.
fn applied(text: &str, edits: &[Edit]) -> Result<(String, How), (String, String)> {
    apply(&RelPath::parse("f").unwrap(), text, edits).map_err(|error| match error {
        OpError::Refused(refusal) => (refusal.why.to_string(), refusal.nearest),
        other => panic!("{other}"),
    })
}

#[test]
fn several_edits_build_on_each_other_and_fail_together() {
    let both = [change("one", "two"), change("two", "three")];
    assert_eq!(applied("one\n", &both).unwrap().0, "three\n");
    let (why, _) = applied("one\n", &[change("one", "two"), change("absent", "x")]).unwrap_err();
    assert!(
        why.starts_with("replacement 2 of 2: the old text is not in the file"),
        "{why}"
    );
}

#[test]
fn what_is_ambiguous_names_its_lines() {
    let text = "a()\nb()\na()\n";
    let (why, nearest) = applied(text, &[change("a()", "c()")]).unwrap_err();
    assert!(why.contains("2 times, in lines 1, 3;"), "{why}");
    assert_eq!(nearest, "1: a()\n3: a()\n");
    let all = Edit {
        all: true,
        ..change("a()", "c()")
    };
    assert_eq!(applied(text, &[all]).unwrap().0, "c()\nb()\nc()\n");
    let overlapping = Edit {
        all: true,
        ..change("aa", "b")
    };
    assert!(
        applied("aaa", &[overlapping])
            .unwrap_err()
            .0
            .contains("overlap")
    );
}

#[test]
fn a_miss_shows_the_real_lines() {
    let text = "def f():\n    return load(path)\n\ndef g():\n    return 1\n";
    let (why, nearest) = applied(
        text,
        &[change("    return load(file_path)\n", "    return 2\n")],
    )
    .unwrap_err();
    assert!(why.contains("closest lines"));
    assert!(nearest.contains("2:     return load(path)\n"), "{nearest}");
}

#[test]
fn empty_and_equal_texts_are_refused() {
    assert!(
        applied("x", &[change("", "y")])
            .unwrap_err()
            .0
            .contains("write_file")
    );
    assert!(
        applied("x", &[change("x", "x")])
            .unwrap_err()
            .0
            .contains("same")
    );
    assert!(applied("x", &[]).is_err());
    assert!(
        applied("a\n", &[change("a", "b"), change("b", "a")])
            .unwrap_err()
            .0
            .contains("as it is")
    );
}

#[test]
fn line_ends_marks_and_the_final_newline_stay() {
    let dos = "\u{feff}one\r\ntwo\r\nthree\r\n";
    assert_eq!(
        applied(dos, &[change("one\ntwo\n", "one\n1.5\ntwo\n")])
            .unwrap()
            .0,
        "\u{feff}one\r\n1.5\r\ntwo\r\nthree\r\n"
    );
    assert_eq!(
        applied("a\r\nb\nc\r\n", &[change("b\n", "x\ny\n")])
            .unwrap()
            .0,
        "a\r\nx\ny\nc\r\n",
        "each place keeps its own ends"
    );
    assert_eq!(
        applied("a\nb\n", &[change("b\n", "c")]).unwrap().0,
        "a\nc\n"
    );
    assert_eq!(applied("a\nb", &[change("b", "c")]).unwrap().0, "a\nc");
    assert_eq!(
        applied("x\r\n\r\ny", &[change("x\n\ny", "x\ny")])
            .unwrap()
            .0,
        "x\r\ny"
    );
    assert!(
        applied("caf\u{e9}\n", &[change("cafe\u{301}", "x")]).is_err(),
        "composed and decomposed letters differ"
    );
}

#[test]
fn a_file_keeps_its_mode_and_is_left_alone_when_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("run.sh");
    std::fs::write(&at, "echo a\n").unwrap();
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
    let root = Root::open(dir.path()).unwrap();
    let report = edit(&root, "run.sh", &[change("echo a", "echo b")]).unwrap();
    assert_eq!((report.created, report.matched), (false, None));
    assert!(
        report
            .diff
            .text()
            .unwrap()
            .contains("--- a/run.sh\n+++ b/run.sh\n")
    );
    assert_eq!(
        std::fs::metadata(&at).unwrap().permissions().mode() & 0o777,
        0o755
    );
    assert!(
        edit(
            &root,
            "run.sh",
            &[change("echo b", "echo c"), change("none", "x")]
        )
        .is_err()
    );
    assert_eq!(std::fs::read_to_string(&at).unwrap(), "echo b\n");
    std::fs::write(dir.path().join("latin"), b"caf\xe9\n").unwrap();
    assert!(
        edit(&root, "latin", &[change("caf", "x")])
            .unwrap_err()
            .to_string()
            .contains("UTF-8")
    );
}

/// What a model does to the text that it means.
#[derive(Debug, Clone)]
enum Slip {
    None,
    TrailingSpace,
    Dedent(usize),
    Indent(usize),
    TabsForSpaces,
    StaleLine(usize),
    LostLine(usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    prop_oneof![
        Just(Slip::None),
        Just(Slip::TrailingSpace),
        (1usize..9).prop_map(Slip::Dedent),
        (1usize..9).prop_map(Slip::Indent),
        Just(Slip::TabsForSpaces),
        any::<usize>().prop_map(Slip::StaleLine),
        any::<usize>().prop_map(Slip::LostLine),
    ]
}

/// Lines from few words, so that the same ones stand in many places.
fn file() -> impl Strategy<Value = Vec<String>> {
    let line = (
        0usize..4,
        prop::sample::select(vec![
            "if ready:",
            "go()",
            "stop()",
            "x = 1",
            "",
            "}",
            "return x",
            "größe = 2",
        ]),
        any::<bool>(),
    );
    prop::collection::vec(
        line.prop_map(|(depth, word, trail)| {
            format!(
                "{}{word}{}",
                "    ".repeat(depth),
                if trail { "  " } else { "" }
            )
        }),
        3..40,
    )
}

fn slipped(lines: &[String], slip: &Slip) -> Option<Vec<String>> {
    let each = |f: &dyn Fn(&String) -> Option<String>| {
        lines
            .iter()
            .map(|line| {
                if line.trim().is_empty() {
                    Some(line.clone())
                } else {
                    f(line)
                }
            })
            .collect()
    };
    match slip {
        Slip::None => Some(lines.to_vec()),
        Slip::TrailingSpace => each(&|line| Some(line.trim_end().to_owned())),
        Slip::Dedent(by) => each(&|line| line.strip_prefix(&" ".repeat(*by)).map(str::to_owned)),
        Slip::Indent(by) => each(&|line| Some(" ".repeat(*by) + line)),
        Slip::TabsForSpaces => each(&|line| Some(line.replace("    ", "\t"))),
        Slip::StaleLine(at) => {
            let mut lines = lines.to_vec();
            let at = at % lines.len();
            lines[at].push_str(" # stale");
            Some(lines)
        }
        Slip::LostLine(at) => {
            let mut lines = lines.to_vec();
            lines.remove(at % lines.len());
            (!lines.is_empty()).then_some(lines)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, max_global_rejects: 1_000_000, ..ProptestConfig::default() })]

    /// The edit that is meant, or none: whatever a model does to white space, no other place is ever changed.
    #[test]
    fn an_edit_is_never_applied_wrongly(
        file in file(), start in any::<prop::sample::Index>(), size in 1usize..6, slip in slip(), crlf in any::<bool>(), inserted in 0usize..3,
    ) {
        let start = start.index(file.len());
        let window = &file[start..(start + size).min(file.len())];
        let mut meant = window.to_vec();
        let indent = " ".repeat(window[0].len() - window[0].trim_start().len());
        meant.splice(1..1, (0..=inserted).map(|n| format!("{indent}new_line_{n}()")));
        let (Some(old), Some(new)) = (slipped(window, &slip), match slip {
            Slip::StaleLine(_) | Slip::LostLine(_) => Some(meant.clone()),
            _ => slipped(&meant, &slip),
        }) else { return Ok(()) };
        let end = if crlf { "\r\n" } else { "\n" };
        let whole = |lines: &[String]| lines.iter().map(|line| line.clone() + end).collect::<String>();
        let text = |lines: &[String]| lines.iter().map(|line| line.clone() + "\n").collect::<String>();
        // A text that stands there letter by letter is what is meant, by definition.
        let literal = plain(&whole(&file)).contains(&text(&old)) && !matches!(slip, Slip::None);
        // So is one that stands there up to white space, when lines were lost.
        let bare = |lines: &[String]| lines.iter().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
        let loose = matches!(slip, Slip::LostLine(_)) && bare(&file).windows(old.len()).any(|window| window == bare(&old));
        prop_assume!(!literal && !loose);
        let wanted = [&file[..start], &meant, &file[start + window.len()..]].concat();
        if let Ok((after, _)) = applied(&whole(&file), &[change(&text(&old), &text(&new))]) {
            let same = |a: &str, b: &str| a.lines().map(str::trim_end).eq(b.lines().map(str::trim_end));
            prop_assert!(!matches!(slip, Slip::StaleLine(_)), "a stale text was applied");
            prop_assert!(same(&after, &whole(&wanted)) , "{slip:?}\nold:\n{}\nafter:\n{after}\nwanted:\n{}", text(&old), whole(&wanted));
            prop_assert_eq!(after.matches("\r\n").count(), if crlf { wanted.len() } else { 0 });
        }
    }

    /// Any bytes as old and new text: no panic, and line ends survive a round trip.
    #[test]
    fn hostile_texts_do_no_harm(text in "[ab \\t\\r\\n\u{feff}é]{0,60}", old in "[ab \\t\\r\\né]{0,8}", new in "[ab\\r\\n]{0,8}", all in any::<bool>()) {
        prop_assert_eq!(Source::parse(&text).render(), text.clone());
        let _ = applied(&text, &[Edit { old: old.as_str().into(), new: new.as_str().into(), all }]);
    }
}
