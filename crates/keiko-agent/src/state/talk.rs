//! What the model is shown: the conversation, and the ledger of what has left it.

use crate::conversation::{Conversation, Item};
use crate::ledger::Ledger;
use keiko_contracts::model::{Message, SystemBlock};
use keiko_contracts::run::Compacted;
use keiko_contracts::stable::Stable;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What the model is shown.
#[derive(Debug, Clone, Default)]
pub struct Talk {
    /// The conversation.
    pub conversation: Conversation,
    /// Facts that survive a compaction.
    pub ledger: Ledger,
    /// The ledger as the model sees it, once older items have left.
    pub shown_ledger: Option<Arc<str>>,
    /// What of the prompt is there already.
    pub shown: Shown,
}

/// Parts of the prompt that stay the same from request to request: made when they are first shown, forgotten when what
/// they tell changes. They follow from the rest of the state and are no part of it.
#[derive(Clone, Default)]
pub struct Shown {
    /// The system prompt.
    pub system: OnceLock<Stable<Vec<SystemBlock>>>,
    /// The goal with the ledger.
    pub ledger: OnceLock<Stable<Message>>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl Talk {
    /// Words of the operator, or of the harness.
    pub(super) fn say(&mut self, text: Arc<str>) {
        self.conversation.push(Item::Words(text));
    }

    /// What the workspace or the model's window is has changed: the head is made anew.
    pub(super) fn head_changed(&mut self) {
        self.shown.system.take();
    }

    /// Older items leave.
    pub(super) fn compacted(&mut self, compacted: &Compacted) {
        self.conversation.drop_before(compacted.from_item);
        if let Some(most) = compacted.piece_max {
            self.conversation.shorten_results(most as usize);
        }
        self.shown_ledger = Some(compacted.ledger.text_or_empty().into());
        self.shown.ledger.take();
    }
}
