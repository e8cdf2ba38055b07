//! The conversation as the model will see it: items in order, where an action and its observation are never parted.

use keiko_contracts::digest::Digest;
use keiko_contracts::model::{CallResult, Message, Part, UserPart};
use keiko_contracts::stable::Stable;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The longest text that one observation puts into the context, in bytes. The whole stays readable by `show_more`: from
/// memory while it is in the window, from the journal after that.
pub const PIECE_MAX: usize = 12_000;

/// Most cut pieces that have left the window and can still be asked for; of more, the oldest cannot.
const LEFT_MAX: usize = 1_000;

/// Characters that are kept of the arguments of a call that was cut off.
const CUT_OFF_SHOWN: usize = 200;

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Words of the operator, or of the harness.
    Words(Arc<str>),
    /// The model's answer and, if it asked for actions, what came of them, in the order of the calls.
    Turn {
        /// The parts as they came.
        parts: Arc<[Part]>,
        /// One slot per call.
        results: Vec<Slot>,
    },
}

/// The answer to a call; empty until there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The id of the call.
    pub id: Arc<str>,
    /// The tool.
    pub name: Arc<str>,
    /// What the model reads.
    pub shown: Option<Arc<str>>,
    /// The whole, when it was cut.
    pub whole: Option<Arc<str>>,
    /// It is told as a failure.
    pub is_error: bool,
}

impl Item {
    /// Estimated tokens: a token is about four bytes of English or code.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        let bytes: usize = match self {
            Item::Words(text) => text.len() + 16,
            Item::Turn { parts, results } => {
                parts.iter().map(part_bytes).sum::<usize>()
                    + results
                        .iter()
                        .map(|slot| {
                            slot.shown.as_ref().map_or(0, |text| text.len()) + slot.id.len() + 32
                        })
                        .sum::<usize>()
            }
        };
        (bytes as u64).div_ceil(4)
    }
}

fn part_bytes(part: &Part) -> usize {
    16 + match part {
        Part::Text { text } | Part::Refusal { text } => text.len(),
        Part::Reasoning { text, signature } => {
            text.len() + signature.as_ref().map_or(0, String::len)
        }
        Part::Call {
            id,
            name,
            arguments,
            ..
        } => id.len() + name.len() + arguments.len(),
        Part::Opaque { json, .. } => json.to_string().len(),
    }
}

/// An item with the messages that it becomes, made when they are first asked for.
#[derive(Clone)]
struct Entry {
    item: Item,
    messages: OnceLock<Box<[Stable<Message>]>>,
}

impl Entry {
    fn new(item: Item) -> Arc<Entry> {
        Arc::new(Entry {
            item,
            messages: OnceLock::new(),
        })
    }
    fn messages(&self) -> &[Stable<Message>] {
        self.messages.get_or_init(|| messages_of(&self.item))
    }
}

// The messages follow from the item: they are neither compared nor shown.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.item == other.item
    }
}
impl Eq for Entry {}
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.item.fmt(f)
    }
}

/// A piece that was cut and has left the window. Its text is that of the event that answered the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The tool.
    pub tool: Arc<str>,
    /// The digest of the text, by which the journal has it.
    pub digest: Digest,
    /// Its length.
    pub bytes: usize,
}

/// Items with their absolute numbers; older ones may have left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    first: u32,
    items: VecDeque<Arc<Entry>>,
    tokens: u64,
    left: Arc<BTreeMap<(u32, usize), Left>>,
}

impl Conversation {
    /// The number of the first item still here.
    #[must_use]
    pub fn first(&self) -> u32 {
        self.first
    }
    /// One past the number of the last item.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.first + self.items.len() as u32
    }
    /// Estimated tokens of all items here.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }
    /// The items with their numbers.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u32, &Item)> {
        self.items
            .iter()
            .enumerate()
            .map(|(i, entry)| (self.first + i as u32, &entry.item))
    }
    /// Adds an item.
    pub fn push(&mut self, item: Item) {
        self.tokens += item.tokens();
        self.items.push_back(Entry::new(item));
    }
    /// Answers a call of the newest turn. Does nothing if there is no such call or it has an answer.
    pub fn answer(&mut self, call: &str, text: &str, is_error: bool, reference: &str) {
        let Some(last) = self
            .items
            .iter_mut()
            .rev()
            .find(|entry| matches!(entry.item, Item::Turn { .. }))
        else {
            return;
        };
        let before = last.item.tokens();
        let Entry { item, messages } = Arc::make_mut(last);
        messages.take();
        if let Item::Turn { results, .. } = item
            && let Some(slot) = results
                .iter_mut()
                .find(|slot| &*slot.id == call && slot.shown.is_none())
        {
            let (shown, cut) = cap(text, reference);
            slot.shown = Some(shown.into());
            slot.whole = cut.then(|| text.into());
            slot.is_error = is_error;
        }
        self.tokens = self.tokens + item.tokens() - before;
    }
    /// Leaves of a long call of the newest turn only its beginning: it was cut off, and what stands in it would be paid for in
    /// each request from now on.
    pub fn shorten(&mut self, call: &str) {
        let Some(last) = self
            .items
            .iter_mut()
            .rev()
            .find(|entry| matches!(entry.item, Item::Turn { .. }))
        else {
            return;
        };
        let before = last.item.tokens();
        let Entry { item, messages } = Arc::make_mut(last);
        messages.take();
        if let Item::Turn { parts, .. } = item {
            let shorter = parts.iter().cloned().map(|part| match part {
                Part::Call {
                    id,
                    name,
                    arguments,
                    signature,
                } if id == call && arguments.len() > CUT_OFF_SHOWN * 2 => {
                    let begin: String = arguments.chars().take(CUT_OFF_SHOWN).collect();
                    Part::Call {
                        id,
                        name,
                        arguments: serde_json::json!({ "cut_off": begin }).to_string(),
                        signature,
                    }
                }
                other => other,
            });
            *parts = shorter.collect();
        }
        self.tokens = self.tokens + item.tokens() - before;
    }
    /// Shows of the results that are here no more than so many bytes each; the whole stays readable.
    pub fn shorten_results(&mut self, most: usize) {
        let first = self.first;
        let mut tokens = 0;
        for (number, entry) in (first..).zip(self.items.iter_mut()) {
            let long = |item: &Item| matches!(item, Item::Turn { results, .. } if results.iter().any(|slot| slot.shown.as_ref().is_some_and(|text| text.len() > most)));
            if long(&entry.item) {
                let Entry { item, messages } = Arc::make_mut(entry);
                messages.take();
                if let Item::Turn { results, .. } = item {
                    for (index, slot) in results.iter_mut().enumerate() {
                        let Some(shown) = slot.shown.clone().filter(|text| text.len() > most)
                        else {
                            continue;
                        };
                        let whole = slot.whole.clone().unwrap_or_else(|| shown.clone());
                        slot.shown =
                            Some(cap_to(&whole, &format!("o{number}.{index}"), most).0.into());
                        slot.whole = Some(whole);
                    }
                }
            }
            tokens += entry.item.tokens();
        }
        self.tokens = tokens;
    }
    /// The estimated tokens of the items from a number on, and how many results they hold.
    #[must_use]
    pub fn weight_from(&self, from: u32) -> (u64, usize) {
        let kept = self.iter().filter(|(number, _)| *number >= from);
        kept.fold((0, 0), |(tokens, results), (_, item)| {
            let here = if let Item::Turn { results, .. } = item {
                results.len()
            } else {
                0
            };
            (tokens + item.tokens(), results + here)
        })
    }
    /// Lets the items before `from` go.
    pub fn drop_before(&mut self, from: u32) {
        while self.first < from {
            let Some(entry) = self.items.pop_front() else {
                break;
            };
            self.tokens -= entry.item.tokens();
            for (index, left) in cut_in(&entry.item) {
                let all = Arc::make_mut(&mut self.left);
                all.insert((self.first, index), left);
                if all.len() > LEFT_MAX {
                    all.pop_first();
                }
            }
            self.first += 1;
        }
    }
    /// A cut piece that has left the window, by the reference at the cut.
    #[must_use]
    pub fn left(&self, reference: &str) -> Option<&Left> {
        self.left.get(&place(reference)?)
    }
    /// The cut pieces of the items before `from`, and of those that have left before, by their references; newest first.
    pub fn cut_before(&self, from: u32) -> impl Iterator<Item = (String, Left)> {
        let here = self.iter().rev().filter(move |(number, _)| *number < from);
        let here = here.flat_map(|(number, item)| {
            cut_in(item)
                .rev()
                .map(move |(index, left)| ((number, index), left))
        });
        let gone = self
            .left
            .iter()
            .rev()
            .map(|(place, left)| (*place, left.clone()));
        here.chain(gone)
            .map(|((number, index), left)| (format!("o{number}.{index}"), left))
    }
    /// The number of the first item to keep so that about `budget` tokens stay: never parts a turn from its results,
    /// keeps at least the newest item.
    #[must_use]
    pub fn keep_from(&self, budget: u64) -> u32 {
        let mut kept = 0;
        let mut from = self.end();
        for (number, item) in self.iter().rev() {
            kept += item.tokens();
            if kept > budget && from < self.end() {
                break;
            }
            from = number;
        }
        from
    }
    /// A piece of an observation that was cut, by the reference at the cut.
    #[must_use]
    pub fn whole(&self, reference: &str) -> Option<&str> {
        let (number, index) = place(reference)?;
        match &self
            .items
            .get(number.checked_sub(self.first)? as usize)?
            .item
        {
            Item::Turn { results, .. } => {
                let slot = results.get(index)?;
                slot.whole.as_deref().or(slot.shown.as_deref())
            }
            Item::Words(_) => None,
        }
    }
    /// The reference of a call of the newest turn.
    #[must_use]
    pub fn reference(&self, call: &str) -> String {
        for (number, item) in self.iter().rev() {
            if let Item::Turn { results, .. } = item {
                let index = results
                    .iter()
                    .position(|slot| &*slot.id == call)
                    .unwrap_or(0);
                return format!("o{number}.{index}");
            }
        }
        "o0.0".into()
    }
    /// As messages for a model. Words before a turn become user messages; the last message carries a cache mark.
    #[must_use]
    pub fn messages(&self) -> Vec<Stable<Message>> {
        self.messages_before(u32::MAX)
    }
    /// The same, without the items from the number `end` on.
    #[must_use]
    pub fn messages_before(&self, end: u32) -> Vec<Stable<Message>> {
        let mut messages = Vec::with_capacity(self.items.len() * 2 + 1);
        for entry in self
            .items
            .iter()
            .take(end.saturating_sub(self.first) as usize)
        {
            messages.extend_from_slice(entry.messages());
        }
        if let Some(last) = messages.last_mut()
            && let Some(marked) = marked(last)
        {
            *last = marked.into();
        }
        messages
    }
}

fn messages_of(item: &Item) -> Box<[Stable<Message>]> {
    match item {
        Item::Words(text) => [Message::User {
            parts: vec![UserPart::Text(text.clone())],
            cache: false,
        }
        .into()]
        .into(),
        Item::Turn { parts, results } if results.is_empty() => {
            [Message::Assistant(parts.clone()).into()].into()
        }
        Item::Turn { parts, results } => {
            let results = Message::Results {
                results: results.iter().map(result).collect(),
                cache: false,
            };
            [Message::Assistant(parts.clone()).into(), results.into()].into()
        }
    }
}

/// The item and the call that a reference means.
fn place(reference: &str) -> Option<(u32, usize)> {
    let (number, index) = reference.strip_prefix('o')?.split_once('.')?;
    Some((number.parse().ok()?, index.parse().ok()?))
}

/// The pieces of an item that were cut, with the numbers of their calls.
fn cut_in(item: &Item) -> impl DoubleEndedIterator<Item = (usize, Left)> {
    let results = if let Item::Turn { results, .. } = item {
        results.as_slice()
    } else {
        &[]
    };
    results.iter().enumerate().filter_map(|(index, slot)| {
        let whole = slot.whole.as_ref()?;
        Some((
            index,
            Left {
                tool: slot.name.clone(),
                digest: Digest::of(whole.as_bytes()),
                bytes: whole.len(),
            },
        ))
    })
}

/// The same message with a cache mark, if it can carry one.
fn marked(message: &Message) -> Option<Message> {
    match message {
        Message::User { parts, .. } => Some(Message::User {
            parts: parts.clone(),
            cache: true,
        }),
        Message::Results { results, .. } => Some(Message::Results {
            results: results.clone(),
            cache: true,
        }),
        Message::Assistant(_) => None,
    }
}

fn result(slot: &Slot) -> CallResult {
    CallResult {
        id: slot.id.clone(),
        name: slot.name.clone(),
        // Only a call that was cut off by the end of the run has no answer; it is still answered, for the wire.
        text: slot
            .shown
            .clone()
            .unwrap_or_else(|| "(not carried out)".into()),
        is_error: slot.is_error || slot.shown.is_none(),
    }
}

/// Cuts a text in the middle to [`PIECE_MAX`], at line borders where there are any, and says how to read the rest.
#[must_use]
pub fn cap(text: &str, reference: &str) -> (String, bool) {
    cap_to(text, reference, PIECE_MAX)
}

fn cap_to(text: &str, reference: &str, most: usize) -> (String, bool) {
    if text.len() <= most {
        return (text.to_owned(), false);
    }
    let head_end = border(text, most * 2 / 3, false);
    let tail_start = border(text, text.len() - most / 4, true).max(head_end);
    let (head, middle, tail) = (
        &text[..head_end],
        &text[head_end..tail_start],
        &text[tail_start..],
    );
    let first = head.lines().count() + 1;
    let lines = middle.lines().count();
    let note = format!(
        "\n[... {lines} lines ({} bytes) left out here; show_more with reference \"{reference}\" and from_line {first} shows them ...]\n",
        middle.len()
    );
    (format!("{}{note}{tail}", head.trim_end_matches('\n')), true)
}

fn border(text: &str, mut at: usize, forward: bool) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    if forward {
        text[at..]
            .find('\n')
            .filter(|n| *n < 400)
            .map_or(at, |n| at + n + 1)
    } else {
        text[..at]
            .rfind('\n')
            .filter(|n| at - n < 400)
            .map_or(at, |n| n + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn turn(id: &str, text: &str) -> (Item, String) {
        let call = Part::Call {
            id: id.into(),
            name: "t".into(),
            arguments: "{}".into(),
            signature: None,
        };
        let slot = Slot {
            id: id.into(),
            name: "t".into(),
            shown: None,
            whole: None,
            is_error: false,
        };
        (
            Item::Turn {
                parts: vec![call].into(),
                results: vec![slot],
            },
            text.to_owned(),
        )
    }

    #[test]
    fn a_long_observation_is_cut_and_stays_readable() {
        let mut conversation = Conversation::default();
        conversation.push(Item::Words("goal".into()));
        let text: String = (1..=5_000).map(|n| format!("line {n}\n")).collect();
        conversation.push(turn("a", "").0);
        let reference = conversation.reference("a");
        conversation.answer("a", &text, false, &reference);
        let messages = conversation.messages();
        let Message::Results { results, .. } = &*messages[2] else {
            panic!("expected results")
        };
        assert!(results[0].text.len() <= PIECE_MAX + 200);
        assert!(results[0].text.contains("line 1\n") && results[0].text.contains("line 5000"));
        assert_eq!(conversation.whole(&reference), Some(text.as_str()));
        assert_eq!(conversation.whole("o9.0"), None);
        let named: Vec<String> = conversation
            .cut_before(2)
            .map(|(reference, _)| reference)
            .collect();
        conversation.push(Item::Words("more".into()));
        conversation.drop_before(2);
        assert_eq!(conversation.whole(&reference), None);
        let left = conversation.left(&reference).unwrap();
        assert_eq!(
            (left.digest, left.bytes),
            (Digest::of(text.as_bytes()), text.len()),
            "the journal has it by this digest"
        );
        assert_eq!(
            conversation
                .cut_before(2)
                .map(|(reference, _)| reference)
                .collect::<Vec<_>>(),
            named
        );
        assert_eq!(named, [reference]);
    }

    #[test]
    fn messages_are_made_once_and_follow_their_item() {
        let mut conversation = Conversation::default();
        conversation.push(Item::Words("goal".into()));
        conversation.push(turn("a", "").0);
        let text = |conversation: &Conversation| match &*conversation.messages()[2] {
            Message::Results { results, .. } => results[0].text.to_string(),
            other => panic!("expected results, not {other:?}"),
        };
        assert_eq!(text(&conversation), "(not carried out)");
        let before = conversation.clone();
        conversation.answer("a", "seen", false, "o1.0");
        assert_eq!(
            (text(&conversation).as_str(), text(&before).as_str()),
            ("seen", "(not carried out)")
        );
        conversation.push(Item::Words("more".into()));
        let (one, two) = (conversation.messages(), conversation.clone().messages());
        for (a, b) in one.iter().zip(&two).take(3) {
            assert!(
                std::ptr::eq::<Message>(&**a, &**b),
                "an older message is shared"
            );
        }
        assert!(
            matches!(&*one[2], Message::Results { cache: false, .. })
                && matches!(&*one[3], Message::User { cache: true, .. })
        );
    }

    proptest! {
        #[test]
        fn turns_are_never_parted_from_their_results(sizes in prop::collection::vec(0usize..3_000, 1..40), budget in 0u64..20_000) {
            let mut conversation = Conversation::default();
            for (i, size) in sizes.iter().enumerate() {
                if i % 5 == 0 { conversation.push(Item::Words("w".into())); }
                let (item, text) = turn(&format!("c{i}"), &"x".repeat(*size));
                conversation.push(item);
                let reference = conversation.reference(&format!("c{i}"));
                conversation.answer(&format!("c{i}"), &text, false, &reference);
            }
            let sum: u64 = conversation.iter().map(|(_, item)| item.tokens()).sum();
            prop_assert_eq!(sum, conversation.tokens());
            let from = conversation.keep_from(budget);
            conversation.drop_before(from);
            prop_assert!(conversation.end() > conversation.first());
            let mut open: Option<String> = None;
            for message in conversation.messages() {
                match &*message {
                    Message::Assistant(parts) => {
                        prop_assert!(open.is_none());
                        if let Part::Call { id, .. } = &parts[0] { open = Some(id.clone()); }
                    }
                    Message::Results { results, .. } => {
                        let asked = open.take();
                        prop_assert_eq!(asked.as_deref(), Some(&*results[0].id));
                    }
                    Message::User { .. } => prop_assert!(open.is_none()),
                }
            }
            prop_assert!(open.is_none());
        }

        #[test]
        fn cap_never_panics(text in "(ü|a|\n|語){0,6000}") {
            let (shown, cut) = cap(&text, "o1.0");
            prop_assert!(shown.len() <= PIECE_MAX + 200);
            prop_assert_eq!(cut, text.len() > PIECE_MAX);
        }
    }
}
