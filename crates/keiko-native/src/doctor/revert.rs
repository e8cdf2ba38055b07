//! What a commit changed, piece by piece, and each piece undone in the texts of today.

use super::source::Sources;

/// Lines that stand together and were changed together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) file: String,
    /// The first new line, from 1, at the commit.
    at: usize,
    old: Vec<String>,
    new: Vec<String>,
    before: Vec<String>,
    after: Vec<String>,
}

/// A text with a block undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undone {
    /// The line where it begins, from 1.
    pub(super) line: u32,
    pub(super) text: String,
}

/// The blocks of a unified diff. Files that were made or removed as a whole are left out, and so are names that git
/// quotes.
pub(super) fn blocks(diff: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    for part in format!("\n{diff}").split("\ndiff --git ").skip(1) {
        let mut lines = part.split('\n').map(|line| line.trim_end_matches('\r'));
        let Some(file) = lines
            .by_ref()
            .take_while(|line| !line.starts_with("@@ "))
            .find_map(|line| line.strip_prefix("+++ b/"))
        else {
            continue;
        };
        if part.contains("\n--- /dev/null") {
            continue;
        }
        let Some(start) = part.find("\n@@ ") else {
            continue;
        };
        for hunk in part[start..].split("\n@@ ").skip(1) {
            hunk_blocks(file, hunk, &mut all);
        }
    }
    all
}

fn hunk_blocks(file: &str, hunk: &str, all: &mut Vec<Block>) {
    let mut lines = hunk.lines();
    let header = lines.next().unwrap_or("");
    let start = header
        .split_once('+')
        .map_or("", |(_, rest)| rest)
        .split([',', ' '])
        .next();
    let Some(mut at) = start.and_then(|start| start.parse::<usize>().ok()) else {
        return;
    };
    let mut context: Vec<String> = Vec::new();
    let mut open: Option<Block> = None;
    let first = all.len();
    for line in lines {
        let (kind, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        match kind {
            "+" | "-" => {
                let block = open.get_or_insert_with(|| Block {
                    file: file.to_owned(),
                    at,
                    before: std::mem::take(&mut context),
                    ..Block::default()
                });
                if kind == "+" {
                    block.new.push(text.to_owned());
                    at += 1;
                } else {
                    block.old.push(text.to_owned());
                }
            }
            " " => {
                all.extend(open.take());
                context.push(text.to_owned());
                at += 1;
                // What follows a block belongs to it as well.
                let last = all.len().checked_sub(1).filter(|last| *last >= first);
                if let Some(block) = last.map(|last| &mut all[last])
                    && block.after.len() < 3
                    && block.at + block.new.len() + block.after.len() + 1 == at
                {
                    block.after.push(text.to_owned());
                }
            }
            _ => {}
        }
    }
    all.extend(open);
}

impl Block {
    /// Where the new lines stand in a text of today: an index from 0. Later commits may have moved them; lines around
    /// them decide, then nearness.
    fn place(&self, lines: &[&str]) -> Option<usize> {
        let last = lines.len().checked_sub(self.new.len())?;
        let fits = |at: usize| {
            self.new
                .iter()
                .zip(&lines[at..])
                .all(|(new, line)| new == line)
        };
        let score = |at: usize| {
            let before = self
                .before
                .iter()
                .rev()
                .zip(lines[..at].iter().rev())
                .take_while(|(a, b)| a == b)
                .count();
            let after = self
                .after
                .iter()
                .zip(&lines[at + self.new.len()..])
                .take_while(|(a, b)| a == b)
                .count();
            (before, after)
        };
        let around = self.before.len().min(3) + self.after.len();
        let wanted = if self.new.iter().all(|line| line.trim().len() < 4) {
            around.min(2)
        } else {
            around.min(1)
        };
        let scored = (0..=last).filter(|at| fits(*at)).map(|at| (score(at), at));
        let known = scored.filter(|((before, after), _)| before + after >= wanted);
        known
            .max_by_key(|((before, after), at)| {
                (
                    before.min(&3) + after,
                    usize::MAX - at.abs_diff(self.at.saturating_sub(1)),
                )
            })
            .map(|(_, at)| at)
    }

    /// Lines of today, from 1, that the commit brought; where it only removed, the lines around.
    pub(super) fn lines_today(&self, sources: &Sources) -> Vec<u32> {
        let Some(text) = sources.files.get(&self.file) else {
            return Vec::new();
        };
        let lines: Vec<&str> = text.lines().collect();
        let Some(at) = self.place(&lines) else {
            return Vec::new();
        };
        let range = if self.new.is_empty() {
            at..(at + 2).min(lines.len() + 1)
        } else {
            at + 1..at + 1 + self.new.len()
        };
        range
            .filter(|line| *line > 0)
            .filter_map(|line| u32::try_from(line).ok())
            .collect()
    }

    /// The text with this block as it was before.
    pub(super) fn undo(&self, text: &str) -> Option<Undone> {
        let lines: Vec<&str> = text.lines().collect();
        let at = self.place(&lines)?;
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut kept: Vec<&str> = lines[..at].to_vec();
        kept.extend(self.old.iter().map(String::as_str));
        kept.extend(&lines[at + self.new.len()..]);
        let mut undone = kept.join(end);
        if text.ends_with('\n') && !undone.is_empty() {
            undone.push_str(end);
        }
        let line = u32::try_from(at + 1).ok()?;
        (undone != text).then_some(Undone { line, text: undone })
    }

    /// The block line by line, where every old line has its new one.
    pub(super) fn pairs(&self) -> Vec<Block> {
        if self.old.len() != self.new.len() || self.new.len() < 2 {
            return Vec::new();
        }
        let changed = (0..self.new.len()).filter(|n| self.old[*n] != self.new[*n]);
        let one = |n: usize| Block {
            file: self.file.clone(),
            at: self.at + n,
            old: vec![self.old[n].clone()],
            new: vec![self.new[n].clone()],
            before: self.before.iter().chain(&self.new[..n]).cloned().collect(),
            after: self.new[n + 1..]
                .iter()
                .chain(&self.after)
                .take(3)
                .cloned()
                .collect(),
        };
        changed.map(one).collect()
    }

    /// Only blank lines and comments come and go.
    pub(super) fn is_idle(&self) -> bool {
        let idle = |line: &String| {
            let line = line.trim();
            line.is_empty()
                || line.starts_with('#') && !line.starts_with("#[")
                || line.starts_with("//")
        };
        self.old.iter().chain(&self.new).all(idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "diff --git a/m.py b/m.py\nindex 1..2 100644\n--- a/m.py\n+++ b/m.py\n@@ -1,7 +1,7 @@\n def a(x):\n-    return x + 1\n+    return x - 1\n \n def b(x):\n-    y = x\n     return x\n+    # end\n \ndiff --git a/new.py b/new.py\nnew file mode 100644\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x = 1\n";

    fn sources(text: &str) -> Sources {
        Sources {
            files: [("m.py".to_owned(), text.to_owned())].into(),
            cut: false,
        }
    }

    #[test]
    fn a_commit_comes_apart_into_blocks() {
        let all = blocks(DIFF);
        let shown: Vec<_> = all
            .iter()
            .map(|block| {
                (
                    block.at,
                    block.old.len(),
                    block.new.len(),
                    block.after.len(),
                )
            })
            .collect();
        assert_eq!(shown, [(2, 1, 1, 2), (5, 1, 0, 1), (6, 0, 1, 1)]);
        assert!(all.iter().all(|block| block.file == "m.py"));
    }

    #[test]
    fn a_block_is_undone_where_it_stands_today() {
        let today = "import os\n\ndef c(x):\n    return x - 1\n\ndef a(x):\n    return x - 1\n\ndef b(x):\n    return x\n    # end\n\n";
        let all = blocks(DIFF);
        let undone = all[0].undo(today).unwrap();
        assert_eq!(undone.line, 7);
        assert_eq!(
            undone.text,
            today.replacen("a(x):\n    return x - 1", "a(x):\n    return x + 1", 1)
        );
        assert_eq!(all[0].lines_today(&sources(today)), [7]);
        let again = all[1].undo(today).unwrap();
        assert_eq!(
            again.text,
            today.replace("def b(x):\n", "def b(x):\n    y = x\n")
        );
        assert_eq!(all[1].lines_today(&sources(today)), [9, 10]);
    }

    #[test]
    fn what_is_gone_is_not_undone_elsewhere() {
        let all = blocks(DIFF);
        assert_eq!(all[0].undo("def a(x):\n    return x - 2\n"), None);
        assert_eq!(all[1].undo("x = 1\n"), None);
        assert_eq!(all[0].undo(""), None);
    }

    #[test]
    fn a_rewritten_block_is_undone_line_by_line_as_well() {
        let diff = "diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1,3 +1,3 @@\n-a = 1\n-b = 2\n-c = 3\n+a = 1\n+b = 4\n+c = 5\n";
        let all = blocks(diff);
        let pairs = all[0].pairs();
        assert_eq!(pairs.len(), 2);
        assert_eq!(
            pairs[0].undo("a = 1\nb = 4\nc = 5\n").unwrap().text,
            "a = 1\nb = 2\nc = 5\n"
        );
    }

    #[test]
    fn broken_diffs_never_panic() {
        for diff in [
            "",
            "diff --git a b",
            "diff --git a/x b/x\n+++ b/x\n@@ -1 +x @@\n+a",
            "diff --git a/x b/x\n+++ b/x\n@@ ",
            "\n@@ +1\nä\n-",
        ] {
            let _ = blocks(diff);
        }
        assert!(
            blocks("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +99999999999999999999 @@\n+a\n")
                .is_empty()
        );
    }
}
